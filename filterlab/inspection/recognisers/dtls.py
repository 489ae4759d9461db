"""Recognises a DTLS ClientHello and reads what it offers.

Source: RFC 6347, 4.1 (records), 4.2.1 (cookies) and 4.2.2 (fragments); RFC 9147, 5.3
(DTLS 1.3 keeps the form). A hello spread over records or datagrams is put together;
the client repeats it with a cookie after a HelloVerifyRequest, and the first counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct
from typing import ClassVar

from filterlab.inspection.client_hello import (
    CLIENT_HELLO,
    Carrier,
    Fields,
    read_client_hello,
)
from filterlab.inspection.flow import UDP
from filterlab.inspection.opening import Opening, spelt
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.stream import Reassembly
from filterlab.inspection.vectors import ShortError

_HANDSHAKE = 22  # RFC 6347, 4.1
_MAJOR, _MINORS = 0xFE, (0xFF, 0xFD)  # DTLS 1.0 and 1.2, as every record says
_RECORD = Struct("!BBBHHIH")  # type, version, epoch, sequence (2 and 4 bytes), length
_MESSAGE_BYTES = 12  # RFC 6347, 4.2.2


class Dtls:
    """Finds the ClientHello that opens a flow."""

    name: ClassVar[str] = "dtls"
    transports: ClassVar[frozenset[int]] = frozenset((UDP,))
    byte_limit: ClassVar[int] = 16_384  # RFC 6347, 4.1: the largest record
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {
        UDP: Opening(
            (*spelt(b"\x16\xfe"), _MINORS, *spelt(bytes(2))),
            least=_RECORD.size + _MESSAGE_BYTES,
        )
    }
    source: ClassVar[str] = "RFC 6347, 4.1 and 4.2; RFC 9147, 5.3"
    false_positives: ClassVar[str] = (
        "whatever speaks a whole ClientHello: also the mimicked ones of Snowflake"
    )

    __slots__ = ("_body", "_fed", "_joined", "_length")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._fed = 0
        self._joined = Reassembly(self.byte_limit)
        self._joined.begin(0)
        self._body = bytearray()
        self._length: int | None = None  # as the first fragment has it

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next datagram of one direction."""
        if direction is Direction.TO_CLIENT:
            return NOT_MINE if self._length is None else NEED_DATA
        self._fed += len(data)
        for fragment in _fragments(data):
            if not self._take(fragment):
                return self._seen()
            if self._length == len(self._body):
                return self._read()
        return self._seen() if self._fed < self.byte_limit else NOT_MINE

    def conclude(self) -> Finding | Answer:
        """Half a hello says nothing."""
        return NOT_MINE

    def _seen(self) -> Answer:
        return NOT_MINE if self._length is None else NEED_DATA

    def _take(self, fragment: bytes) -> bool:
        length = int.from_bytes(fragment[1:4], "big")
        offset = int.from_bytes(fragment[6:9], "big")
        content = fragment[_MESSAGE_BYTES:]
        if fragment[0] != CLIENT_HELLO or length > self.byte_limit:
            return False
        if length != (self._length or length) or offset + len(content) > length:
            return False
        self._length = length
        self._body += self._joined.push(offset, content)
        return True

    def _read(self) -> Finding | Answer:
        fields: Fields = {}
        try:
            read_client_hello(bytes(self._body), Carrier.DTLS, fields)
        except ShortError:
            return NOT_MINE
        return Finding("dtls", fields)


def _fragments(datagram: bytes) -> Iterator[bytes]:
    """Every handshake fragment in the clear records of a datagram."""
    at = 0
    while at + _RECORD.size + _MESSAGE_BYTES <= len(datagram):
        kind, major, minor, epoch, _, _, size = _RECORD.unpack_from(datagram, at)
        if kind != _HANDSHAKE or major != _MAJOR or minor not in _MINORS or epoch:
            return
        at += _RECORD.size
        record = datagram[at : at + size]
        at += size
        while len(record) >= _MESSAGE_BYTES:
            end = _MESSAGE_BYTES + int.from_bytes(record[9:12], "big")
            if end > len(record):
                return
            yield record[:end]
            record = record[end:]
