"""Recognises MTProto's fake TLS by where its handshake stops being one.

The ClientHello of a Telegram client is a browser's, its random an HMAC that cannot be
verified without the proxy's secret; the server's answer is a ServerHello, a
ChangeCipherSpec and random bytes as application data. What no TLS 1.3 client does comes
next: after its ChangeCipherSpec a client must send its Finished, a record of 53 or 69
bytes (SHA-256 or SHA-384: header 4, verify data 32 or 48, type 1, tag 16); a fake one
sends a record with the 64 bytes that open obfuscated MTProto and its first message.

So this goes by structure, not by proof. Source: tdlib/td, td/mtproto/TlsInit.cpp
(hello: 32 bytes of session id, HMAC in the random) and TlsReaderByteFlow; RFC 8446,
4.4.4, 5.2 and D.4 for what a client must send.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from filterlab.inspection.flow import TCP
from filterlab.inspection.opening import Opening
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

_CHANGE, _HANDSHAKE, _DATA = 20, 22, 23  # RFC 8446, 5.1
_HEADER, _RECORD_MOST = 5, 16_640  # RFC 8446, 5.2: 2^14 + 256
_SESSION_ID_AT, _SESSION_ID = 38, 32  # in the hello: 4 + 2 + 32; RFC 8446, D.4
_FINISHED = (53, 69)
_INIT = 64  # the obfuscated transport's first bytes
_HELLO = ((0, _HANDSHAKE), (1, 3), (5, 1), (_HEADER + _SESSION_ID_AT, _SESSION_ID))
_HELLO_READ = _HEADER + _SESSION_ID_AT + 1  # up to there a hello is looked at
_RECORDS = 12  # a handshake that has more of them is something else


class _Records:
    """Reads the headers of one direction's records, and the first bytes of each."""

    __slots__ = ("_head", "_skip", "bad", "kinds")

    def __init__(self) -> None:
        self._head = b""
        self._skip = 0
        self.kinds: list[tuple[int, int]] = []  # type and length
        self.bad = False

    def push(self, data: bytes) -> Iterator[tuple[int, int]]:
        """The records that begin in these bytes, as type and length."""
        at, size = self._skip, len(data)
        self._skip = max(0, at - size)
        while at < size and not self.bad:
            taken = data[at : at + _HEADER - len(self._head)]
            head = self._head + taken
            at += len(taken)
            if len(head) < _HEADER:
                self._head = head
                return
            self._head = b""
            kind, length = head[0], head[3] << 8 | head[4]
            known = kind in (_CHANGE, 21, _HANDSHAKE, _DATA) and head[1] == 3
            self.bad = not known or not 0 < length <= _RECORD_MOST
            at += length
            self._skip = max(0, at - size)
            yield kind, length


class FakeTls:
    """Finds a TLS 1.3 handshake whose client never finishes it."""

    name: ClassVar[str] = "fake_tls"
    protocols: ClassVar[frozenset[str]] = frozenset(("mtproto-fake-tls",))
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = 16_384  # like the box itself, by default
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {
        TCP: Opening((b"\x16", b"\3", None, None, None, b"\1"), ())
    }
    source: ClassVar[str] = "tdlib/td, td/mtproto/TlsInit.cpp; RFC 8446, 4.4.4 and D.4"
    false_positives: ClassVar[str] = (
        "TLS 1.3 clients that send a certificate or several handshake messages in one "
        "record; ShadowTLS and REALITY finish their handshake and are not found"
    )

    __slots__ = ("_bytes", "_client", "_hello", "_server", "_stage")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._client, self._server = _Records(), _Records()
        self._hello = bytearray()
        self._bytes = 0
        self._stage = 0  # how far the server is: hello, cipher change, data

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        self._bytes += len(data)
        said = self._read(direction, data)
        if said is NEED_DATA and self._bytes >= self.byte_limit:
            return NOT_MINE
        return said

    def _read(self, direction: Direction, data: bytes) -> Finding | Answer:
        if direction is Direction.TO_CLIENT:
            return self._from_server(data)
        missing = _HELLO_READ - len(self._hello)
        if missing:
            self._hello += data[:missing]
            if not _may_be_hello(self._hello):
                return NOT_MINE
        return self._from_client(data)

    def conclude(self) -> Finding | Answer:
        """A handshake that was not seen to its end says nothing."""
        return NOT_MINE

    def _from_server(self, data: bytes) -> Finding | Answer:
        for record in self._server.push(data):
            expected = (_HANDSHAKE, _CHANGE, _DATA)
            if self._stage < len(expected):
                if record[0] != expected[self._stage] or not self._client.kinds:
                    return NOT_MINE
                self._stage += 1
            self._server.kinds.append(record)
        if self._server.bad or len(self._server.kinds) > _RECORDS:
            return NOT_MINE
        return NEED_DATA

    def _from_client(self, data: bytes) -> Finding | Answer:
        for record in self._client.push(data):
            kinds = self._client.kinds
            kinds.append(record)
            if record[0] == _HANDSHAKE:
                if len(kinds) > _RECORDS or self._stage:
                    return NOT_MINE
            elif self._stage < 3 or self._client.bad:
                return NOT_MINE  # early data, or not TLS 1.3
            elif record[0] == _DATA:
                return self._judge(kinds)
        return NOT_MINE if self._client.bad else NEED_DATA

    def _judge(self, kinds: list[tuple[int, int]]) -> Finding | Answer:
        length = kinds[-1][1]
        if kinds[-2][0] != _CHANGE or length in _FINISHED or length < _INIT:
            return NOT_MINE
        return Finding("mtproto-fake-tls", {})


def _may_be_hello(hello: bytearray) -> bool:
    """Whether these first bytes can be a hello with a session id of 32 bytes."""
    return all(at >= len(hello) or hello[at] == value for at, value in _HELLO)
