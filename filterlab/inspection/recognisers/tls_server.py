"""Reads the server's side of a TLS handshake: its choices and, in TLS 1.2, its names.

Source: RFC 8446, 4.1.3 (ServerHello) and 5.1 (records); RFC 5246, 7.4.2 (Certificate,
in clear up to TLS 1.2; from 1.3 on it is encrypted); JA3S as salesforce/ja3 has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.certificate import certificate_names
from filterlab.inspection.client_hello import MESSAGE_HEADER, VERSION_NAMES, Fields
from filterlab.inspection.fingerprint import ja3s
from filterlab.inspection.flow import TCP
from filterlab.inspection.opening import Opening
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
    host_name,
)
from filterlab.inspection.recognisers.tls import (
    HANDSHAKE,
    RECORD_HEADER,
    RECORD_MOST,
    may_be_header,
)
from filterlab.inspection.vectors import ShortError, extensions, numbers, take

_SERVER_HELLO, _CERTIFICATE = 2, 11  # RFC 5246, 7.4
_FIXED = 34  # legacy version and random
_VERSIONS = 43  # RFC 8446, 4.2.1
_LIST_BYTES = 3  # before the list of certificates, and before each of them


class TlsServer:
    """Finds the ServerHello that answers a ClientHello, and the first certificate."""

    name: ClassVar[str] = "tls_server"
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = RECORD_HEADER + RECORD_MOST
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {TCP: Opening((b"\x16",), ())}
    source: ClassVar[str] = "RFC 8446, 4.1.3; RFC 5246, 7.4.2; salesforce/ja3"
    false_positives: ClassVar[str] = (
        "a server that answers with a recorded or borrowed ServerHello (REALITY, "
        "ShadowTLS) shows the lender's choices and names"
    )

    __slots__ = (
        "_at",
        "_fields",
        "_joins",
        "_message_at",
        "_messages",
        "_opened",
        "_raw",
        "_record_ends",
    )

    def __init__(self, transport: int, reading: Reading) -> None:
        self._joins = reading.joins_records
        self._opened = False  # the client has begun a handshake
        self._raw = bytearray()
        self._at = 0  # up to here, raw bytes have been taken into messages
        self._record_ends = 0  # where the current record ends in the raw bytes
        self._message_at = 0  # where the current message begins
        self._messages = bytearray()
        self._fields: Fields = {}

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        if direction is Direction.TO_SERVER:
            return self._from_client(data)
        self._raw += data[: self.byte_limit - len(self._raw)]
        said = self._records()
        if said is NEED_DATA and len(self._raw) >= self.byte_limit:
            return self.conclude()
        return said

    def conclude(self) -> Finding | Answer:
        """The ServerHello alone, if it has come."""
        return Finding("tls", self._fields) if self._fields else NOT_MINE

    def _from_client(self, data: bytes) -> Finding | Answer:
        if not self._opened and not self._raw:
            self._opened = True
            if data[:1] != bytes((HANDSHAKE,)):
                return NOT_MINE
        return NEED_DATA

    def _records(self) -> Finding | Answer:
        raw = self._raw
        while True:
            if self._at == self._record_ends:  # a record header comes next
                header = raw[self._at : self._at + RECORD_HEADER]
                if not may_be_header(header) or self._is_torn():
                    return self.conclude()  # an alert, or all is encrypted from here
                if len(header) < RECORD_HEADER:
                    return NEED_DATA
                self._at += RECORD_HEADER
                self._record_ends = self._at + (header[3] << 8 | header[4])
            piece = raw[self._at : self._record_ends]
            self._at += len(piece)
            self._messages += piece
            said = self._read()
            if said is not NEED_DATA or self._at < self._record_ends:
                return said

    def _is_torn(self) -> bool:
        """Whether a message goes on in a further record of a box that joins none."""
        return not self._joins and self._message_at < len(self._messages)

    def _read(self) -> Finding | Answer:
        held = self._messages
        while self._message_at + MESSAGE_HEADER <= len(held):
            at, start = self._message_at, self._message_at + MESSAGE_HEADER
            end = start + int.from_bytes(held[at + 1 : start], "big")
            kind = held[at]
            if self._fields and kind == _CERTIFICATE:
                return self._certificate(start)
            if self._fields and kind != _SERVER_HELLO:
                return self.conclude()  # no certificate: a resumed session
            if kind != _SERVER_HELLO:
                return NOT_MINE
            if end > len(held):
                return NEED_DATA
            if not self._fields and not self._hello(bytes(held[start:end])):
                return NOT_MINE
            if self._fields["tls.server.version"] == ("1.3",):
                return self.conclude()
            self._message_at = end
        return NEED_DATA

    def _hello(self, body: bytes) -> bool:
        if len(body) < _FIXED or body[0] != 3:
            return False
        legacy = version = body[0] << 8 | body[1]
        kinds: list[int] = []
        try:
            _, at = take(body, _FIXED, 1)  # session id
            if at + 3 > len(body):
                return False
            cipher = body[at] << 8 | body[at + 1]
            at += 3  # with the compression method
            for kind, content in extensions(body, at) if at < len(body) else ():
                kinds.append(kind)
                if kind == _VERSIONS:
                    version = (*numbers(content), legacy)[0]
        except ShortError:
            return False
        text, digest = ja3s(legacy, cipher, tuple(kinds))
        self._fields = {
            "tls.server.version": (VERSION_NAMES.get(version, f"0x{version:04x}"),),
            "tls.server.ciphersuite": (f"0x{cipher:04x}",),
            "tls.handshake.ja3s": (digest,),
            "tls.handshake.ja3s_full": (text,),
        }
        return True

    def _certificate(self, at: int) -> Finding | Answer:
        held = self._messages
        start = at + 2 * _LIST_BYTES
        end = start + int.from_bytes(held[at + _LIST_BYTES : start], "big")
        if len(held) < start or len(held) < end:
            return NEED_DATA
        common, dns = certificate_names(bytes(held[start:end]))
        for key, names in (("cn", common), ("san", dns)):
            if names:
                self._fields[f"tls.certificate.{key}"] = tuple(
                    host_name(name.encode("utf-8")) for name in names
                )
        return self.conclude()
