"""Recognises a TLS ClientHello and reads its server name and what it offers.

Source: RFC 8446, 4.1.2 (ClientHello), 5.1 (records); RFC 6066, 3 (server name); RFC
7301, 3.1 (ALPN); RFC 8446, 4.2.1 (supported versions); RFC 9849 (ECH, extension
0xFE0D); RFC 8701 (GREASE values, which are no version). A ClientHello spread over
several records (RFC 8446, 5.1 allows it) is joined only if the box joins records; a
box that does not reads what the first record holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from filterlab.inspection.flow import TCP
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
    host_name,
)

_HANDSHAKE, _CLIENT_HELLO = 22, 1  # RFC 8446, 5.1 and 4
_RECORD_HEADER, _MESSAGE_HEADER = 5, 4
_RECORD_MOST = 16_384  # RFC 8446, 5.1
_FIXED = 34  # legacy version and random
_SERVER_NAME, _ALPN, _VERSIONS, _ECH = 0, 16, 43, 0xFE0D  # IANA, TLS extensions
_VERSION_NAMES = {0x300: "SSL 3.0", 0x301: "1.0", 0x302: "1.1", 0x303: "1.2"}
_TLS_1_3 = 0x304


class _ShortError(Exception):
    """The hello ends before what was to be read."""


class Tls:
    """Finds the ClientHello that opens a flow."""

    name: ClassVar[str] = "tls"
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = _RECORD_HEADER + _RECORD_MOST
    each_message: ClassVar[bool] = False
    source: ClassVar[str] = "RFC 8446, 4.1.2 and 5.1; RFC 6066, 3; RFC 7301; RFC 9849"
    false_positives: ClassVar[str] = (
        "whatever speaks a whole ClientHello is TLS here, also the fake TLS of MTProto "
        "proxies and REALITY"
    )

    __slots__ = ("_at", "_hello", "_joins", "_raw", "_record_ends")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._joins = reading.joins_records
        self._raw = bytearray()
        self._at = 0  # up to here, raw bytes have been taken into the hello
        self._record_ends = 0  # where the current record ends in the raw bytes
        self._hello = bytearray()

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        if direction is Direction.TO_CLIENT:
            return NEED_DATA if self._raw else NOT_MINE
        self._raw += data[: self.byte_limit - len(self._raw)]
        said = self._records()
        if said is NEED_DATA and len(self._raw) >= self.byte_limit:
            return self.conclude()
        return said

    def conclude(self) -> Finding | Answer:
        """What the extensions say that are there in whole."""
        if len(self._hello) < _MESSAGE_HEADER:
            return NOT_MINE
        return self._read(complete=False)

    def _records(self) -> Finding | Answer:
        raw = self._raw
        while True:
            if self._at == self._record_ends:  # a record header comes next
                if self._record_ends and not self._joins:
                    return self._read(complete=False)
                if not _may_be_header(raw[self._at : self._at + _RECORD_HEADER]):
                    return NOT_MINE
                if self._at + _RECORD_HEADER > len(raw):
                    return NEED_DATA
                length = raw[self._at + 3] << 8 | raw[self._at + 4]
                self._at += _RECORD_HEADER
                self._record_ends = self._at + length
            piece = raw[self._at : self._record_ends]
            self._at += len(piece)
            self._hello += piece
            if self._hello and self._hello[0] != _CLIENT_HELLO:
                return NOT_MINE
            if self._whole():
                return self._read(complete=True)
            if self._at < self._record_ends:
                return NEED_DATA

    def _whole(self) -> bool:
        held = len(self._hello)
        if held < _MESSAGE_HEADER:
            return False
        length = int.from_bytes(self._hello[1:_MESSAGE_HEADER], "big")
        return held >= _MESSAGE_HEADER + length

    def _read(self, complete: bool) -> Finding | Answer:
        held = bytes(self._hello)
        body = held[_MESSAGE_HEADER:]
        if complete:
            body = body[: int.from_bytes(held[1:_MESSAGE_HEADER], "big")]
        fields: dict[str, tuple[str, ...]] = {}
        try:
            _read_hello(body, fields)
        except _ShortError:
            return NOT_MINE if complete or not fields else Finding("tls", fields)
        return Finding("tls", fields)


def _may_be_header(header: bytearray) -> bool:
    """Whether these first bytes of a record, up to five, can open a handshake."""
    size = len(header)
    if size > 0 and header[0] != _HANDSHAKE:
        return False
    if size > 1 and header[1] != 3:
        return False
    if size > 2 and header[2] > 4:
        return False
    if size < _RECORD_HEADER:
        return True
    return 0 < (header[3] << 8 | header[4]) <= _RECORD_MOST


def _take(body: bytes, at: int, length_bytes: int) -> tuple[bytes, int]:
    """A vector with its length before it (RFC 8446, 3.4), and where it ends."""
    start = at + length_bytes
    end = start + int.from_bytes(body[at:start], "big")
    if start > len(body) or end > len(body):
        raise _ShortError
    return body[start:end], end


def _read_hello(body: bytes, fields: dict[str, tuple[str, ...]]) -> None:
    """Fill in the fields as the hello has them; raises `_ShortError` at its end."""
    if len(body) < _FIXED or body[0] != 3:  # the major version of every TLS
        raise _ShortError
    legacy = body[0] << 8 | body[1]
    _, at = _take(body, _FIXED, 1)  # session id
    _, at = _take(body, at, 2)  # cipher suites
    _, at = _take(body, at, 1)  # compression methods
    versions: tuple[int, ...] = ()
    has_ech = False
    if at < len(body):
        for kind, content in _extensions(body, at):
            if kind == _SERVER_NAME:
                _server_name(content, fields)
            elif kind == _ALPN:
                fields["tls.alpn"] = tuple(_alpn(content))
            elif kind == _VERSIONS:
                listed, _ = _take(content, 0, 1)
                versions = tuple(
                    listed[i] << 8 | listed[i + 1] for i in range(0, len(listed) - 1, 2)
                )
            elif kind == _ECH:
                has_ech = True
                fields["tls.ech"] = ("yes",)
    fields["tls.ech"] = ("yes" if has_ech else "no",)
    fields["tls.version"] = (_highest(versions or (legacy,)),)


def _extensions(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    at += 2
    while at < end:
        content, after = _take(body, at + 2, 2)
        yield body[at] << 8 | body[at + 1], content
        at = after


def _server_name(content: bytes, fields: dict[str, tuple[str, ...]]) -> None:
    listed, _ = _take(content, 0, 2)
    at = 0
    while at < len(listed):
        kind = listed[at]
        name, at = _take(listed, at + 1, 2)
        if kind == 0:  # host_name (RFC 6066, 3)
            fields.setdefault("tls.sni", (host_name(name),))


def _alpn(content: bytes) -> Iterator[str]:
    listed, _ = _take(content, 0, 2)
    at = 0
    while at < len(listed):
        name, at = _take(listed, at, 1)
        yield name.decode("latin-1")


def _highest(versions: tuple[int, ...]) -> str:
    if _TLS_1_3 in versions:
        return "1.3"
    known = [v for v in versions if v in _VERSION_NAMES]
    return _VERSION_NAMES[max(known)] if known else f"0x{versions[0]:04x}"
