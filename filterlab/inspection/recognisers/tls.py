"""Recognises a TLS ClientHello and reads its server name and what it offers.

Source: RFC 8446, 5.1 (records); `filterlab.inspection.client_hello` for what is inside.
A ClientHello spread over several records (RFC 8446, 5.1 allows it) is joined only if
the box joins records; a box that does not reads what the first record holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

from filterlab.inspection.client_hello import (
    CLIENT_HELLO,
    MESSAGE_HEADER,
    Carrier,
    Fields,
    read_client_hello,
)
from filterlab.inspection.flow import TCP
from filterlab.inspection.opening import Opening, Place
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.vectors import ShortError

HANDSHAKE = 22  # RFC 8446, 5.1
RECORD_HEADER = 5
RECORD_MOST = 16_384  # RFC 8446, 5.1
_SHARED = 8  # several recognisers read the same hello, one after the other
# Handshake, 3.0 to 3.4, a length, and a ClientHello
HELLO: tuple[Place, ...] = (b"\x16", b"\3", range(5), None, None, b"\1")


class Tls:
    """Finds the ClientHello that opens a flow."""

    name: ClassVar[str] = "tls"
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = RECORD_HEADER + RECORD_MOST
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {TCP: Opening(HELLO)}
    source: ClassVar[str] = "RFC 8446, 4.1.2 and 5.1; RFC 6066, 3; RFC 7301; RFC 9849"
    false_positives: ClassVar[str] = (
        "whatever speaks a whole ClientHello is TLS here, also the fake TLS of MTProto "
        "proxies and REALITY"
    )

    __slots__ = ("_at", "_hello", "_joins", "_raw", "_reading", "_record_ends")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._joins = reading.joins_records
        self._reading = reading
        self._raw = bytearray()
        self._at = 0  # up to here, raw bytes have been taken into the hello
        self._record_ends = 0  # where the current record ends in the raw bytes
        self._hello = bytearray()

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        if direction is Direction.TO_CLIENT:
            return NEED_DATA if self._raw else NOT_MINE
        if not self._raw and (body := _at_once(data)):
            fields, is_whole = _fields(body, self._reading.keeps_dot)
            return Finding("tls", fields) if is_whole else NOT_MINE
        self._raw += data[: self.byte_limit - len(self._raw)]
        said = self._records()
        if said is NEED_DATA and len(self._raw) >= self.byte_limit:
            return self.conclude()
        return said

    def conclude(self) -> Finding | Answer:
        """What the extensions say that are there in whole."""
        if len(self._hello) < MESSAGE_HEADER or not self._reading.cut_hello:
            return NOT_MINE
        if self._record_ends and not self._reading.cut_record and not self._fits():
            return NOT_MINE
        return self._read(complete=False)

    def _fits(self) -> bool:
        """Whether the first record is long enough for the hello that it begins."""
        length = int.from_bytes(self._hello[1:MESSAGE_HEADER], "big")
        return self._record_ends >= RECORD_HEADER + MESSAGE_HEADER + length

    def _records(self) -> Finding | Answer:
        raw = self._raw
        while True:
            if self._at == self._record_ends:  # a record header comes next
                if self._record_ends and not self._joins:
                    if not self._reading.cut_record:
                        return NOT_MINE
                    return self._read(complete=False)
                if not may_be_header(raw[self._at : self._at + RECORD_HEADER]):
                    return NOT_MINE
                if self._at + RECORD_HEADER > len(raw):
                    return NEED_DATA
                length = raw[self._at + 3] << 8 | raw[self._at + 4]
                self._at += RECORD_HEADER
                self._record_ends = self._at + length
            piece = raw[self._at : self._record_ends]
            self._at += len(piece)
            self._hello += piece
            if self._hello and self._hello[0] != CLIENT_HELLO:
                return NOT_MINE
            if self._whole():
                return self._read(complete=True)
            if self._at < self._record_ends:
                return NEED_DATA

    def _whole(self) -> bool:
        held = len(self._hello)
        if held < MESSAGE_HEADER:
            return False
        length = int.from_bytes(self._hello[1:MESSAGE_HEADER], "big")
        return held >= MESSAGE_HEADER + length

    def _read(self, complete: bool) -> Finding | Answer:
        held = bytes(self._hello)
        body = held[MESSAGE_HEADER:]
        if complete:
            body = body[: int.from_bytes(held[1:MESSAGE_HEADER], "big")]
        fields, is_whole = _fields(body, self._reading.keeps_dot)
        if not is_whole and (complete or not fields):
            return NOT_MINE
        return Finding("tls", fields)


def _at_once(data: bytes) -> bytes:
    """The hello's body, where these bytes hold all of it in one record; else b""."""
    start = RECORD_HEADER + MESSAGE_HEADER
    if len(data) < start or data[0] != HANDSHAKE or data[5] != CLIENT_HELLO:
        return b""
    length = data[3] << 8 | data[4]
    end = start + (data[6] << 16 | data[7] << 8 | data[8])
    if data[1] != 3 or data[2] > 4 or length > RECORD_MOST:
        return b""
    return data[start:end] if end <= min(len(data), RECORD_HEADER + length) else b""


@lru_cache(_SHARED)
def _fields(body: bytes, keeps_dot: bool) -> tuple[Fields, bool]:
    """What a hello says, and whether it was read to its end."""
    fields: Fields = {}
    try:
        read_client_hello(body, Carrier.TCP, fields, keeps_dot)
    except ShortError:
        return fields, False
    return fields, True


def may_be_header(header: bytearray) -> bool:
    """Whether these first bytes of a record, up to five, can open a handshake."""
    size = len(header)
    if size > 0 and header[0] != HANDSHAKE:
        return False
    if size > 1 and header[1] != 3:
        return False
    if size > 2 and header[2] > 4:
        return False
    if size < RECORD_HEADER:
        return True
    return 0 < (header[3] << 8 | header[4]) <= RECORD_MOST
