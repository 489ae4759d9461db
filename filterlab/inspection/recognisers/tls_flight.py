"""Waits for what a TLS client says after its ClientHello: that the handshake goes on.

A box that looks only here sees whether anybody has ended the connection at the hello.
In TLS 1.2 it is a ClientKeyExchange, in 1.3 a ChangeCipherSpec for the sake of boxes
(RFC 8446, D.4); what a client sends before its second flight (a second ClientHello
after a HelloRetryRequest) is passed over. Source: RFC 5246, 7.4.7 and 7.1; RFC 8446, 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.client_hello import CLIENT_HELLO, MESSAGE_HEADER
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
from filterlab.inspection.recognisers.tls import (
    HANDSHAKE,
    RECORD_HEADER,
    RECORD_MOST,
)

_CHANGE_CIPHER_SPEC, _CLIENT_KEY_EXCHANGE = 20, 16
_OPENS = bytes((HANDSHAKE,))


class TlsFlight:
    """Goes from record to record of the client's, as far as its second flight."""

    name: ClassVar[str] = "tls_flight"
    protocols: ClassVar[frozenset[str]] = frozenset()
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = RECORD_HEADER + RECORD_MOST
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {TCP: Opening((b"\x16",), ())}
    source: ClassVar[str] = "RFC 5246, 7.1 and 7.4.7; RFC 8446, 5 and D.4"
    false_positives: ClassVar[str] = (
        "none: it says that a handshake goes on, and nothing of what it is for"
    )

    __slots__ = ("_head", "_hello_left", "_left", "_said", "_skips")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._left = self.byte_limit
        self._head = bytearray()  # of a record, and of the message that it begins with
        self._skips = 0  # bytes of a record that say nothing more
        self._hello_left = 0  # bytes that further records have of it
        self._said = False  # a hello

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        if direction is Direction.TO_CLIENT:
            return NEED_DATA
        at, end = 0, min(len(data), self._left)
        self._left -= end
        while at < end:
            passed = min(self._skips, end - at)
            self._skips -= passed
            at += passed
            taken = data[at : min(end, at + self._wanted - len(self._head))]
            at += len(taken)
            self._head += taken
            if len(self._head) < self._wanted:
                if not self._said and self._head[:1] not in (b"", _OPENS):
                    return NOT_MINE
                break
            if (said := self._record()) is not NEED_DATA:
                return said
        return NEED_DATA if self._left else NOT_MINE

    def conclude(self) -> Finding | Answer:
        """A client that has not come so far."""
        return NOT_MINE

    @property
    def _wanted(self) -> int:
        """Of the first record, how long its hello is; of others, how they begin."""
        return RECORD_HEADER + (1 if self._said else MESSAGE_HEADER)

    def _record(self) -> Finding | Answer:
        head, begins = bytes(self._head), self._wanted - RECORD_HEADER
        self._head.clear()
        kind, first = head[0], head[RECORD_HEADER]
        length = head[3] << 8 | head[4]
        if head[1] != 3 or not begins <= length <= RECORD_MOST:
            return NOT_MINE
        self._skips = length - begins
        if not self._said:
            self._said = kind == HANDSHAKE and first == CLIENT_HELLO
            of_hello = int.from_bytes(head[RECORD_HEADER + 1 :])
            self._hello_left = max(0, of_hello - self._skips)
            return NEED_DATA if self._said else NOT_MINE
        if self._hello_left and kind == HANDSHAKE:
            self._hello_left = max(0, self._hello_left - length)
            return NEED_DATA
        if kind == _CHANGE_CIPHER_SPEC:
            return _finding("change_cipher_spec")
        if kind == HANDSHAKE and first == _CLIENT_KEY_EXCHANGE:
            return _finding("client_key_exchange")
        return NEED_DATA if kind == HANDSHAKE else NOT_MINE


def _finding(said: str) -> Finding:
    return Finding("", {"tls.second_flight": (said,)})
