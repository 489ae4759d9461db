"""Recognises a SOCKS request and reads where the client wants to go.

Source: RFC 1928, 3 to 6 (SOCKS 5), RFC 1929, 2 (user and password); Y. Lee, "SOCKS: A
protocol for TCP proxy across firewalls" (SOCKS 4) and "SOCKS 4A" (names instead of
addresses).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
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
    host_name,
)

_V4, _V5, _AUTHENTICATION = 4, 5, 1  # RFC 1928, 3; RFC 1929, 2
_COMMANDS = (1, 2, 3)  # CONNECT, BIND, UDP ASSOCIATE (RFC 1928, 4)
_NAME, _ADDRESS_BYTES = 3, {1: 4, 4: 16}  # RFC 1928, 5
_NONE, _PASSWORD = 0, 2  # methods that leave the request readable
_TEXT_MOST = 255  # a length byte; SOCKS 4 names no limit
_REQUEST_4 = 8  # up to the user's name


class Socks:
    """Finds the request; without one, a greeting that the server took up."""

    name: ClassVar[str] = "socks"
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = 1024  # greeting, password and request at their longest
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {TCP: Opening(((_V4, _V5),))}
    source: ClassVar[str] = "RFC 1928, 3 to 6; RFC 1929, 2; the SOCKS 4 and 4A memos"
    false_positives: ClassVar[str] = (
        "binary protocols whose first bytes read as a whole SOCKS request; a greeting "
        "alone is believed only if the server answers it as SOCKS"
    )

    __slots__ = ("_answer", "_held")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._held = bytearray()
        self._answer = bytearray()

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        if direction is Direction.TO_CLIENT:
            return self._from_server(data)
        self._held += data[: self.byte_limit - len(self._held)]
        said = self._socks_4() if self._held[:1] == bytes((_V4,)) else self._socks_5()
        if said is NEED_DATA and len(self._held) >= self.byte_limit:
            return NOT_MINE
        return said

    def conclude(self) -> Finding | Answer:
        """A greeting that was answered, if no request is to be seen."""
        held, answer = self._held, self._answer
        if held[:1] == bytes((_V5,)) and answer[:1] == bytes((_V5,)) and answer[1:]:
            methods = held[2 : 2 + held[1]] if len(held) > 1 else b""
            if answer[1] in (*methods, 0xFF):  # 0xFF: none of them (RFC 1928, 3)
                return Finding("socks", {"socks.version": ("5",)})
        return NOT_MINE

    def _from_server(self, data: bytes) -> Finding | Answer:
        if not self._held:
            return NOT_MINE
        self._answer += data[: 2 - len(self._answer)]
        answer = self._answer
        if self._held[0] == _V4 or answer[0] != _V5:
            return NOT_MINE  # half a request is never answered
        if len(answer) < 2 or answer[1] in (_NONE, _PASSWORD):
            return NEED_DATA
        return self.conclude()  # refused, or the request will be hidden

    def _socks_4(self) -> Finding | Answer:
        held = bytes(self._held)
        if len(held) > 1 and held[1] not in _COMMANDS[:2]:
            return NOT_MINE
        if len(held) < _REQUEST_4:
            return NEED_DATA
        address = held[4:_REQUEST_4]
        user, ended, rest = held[_REQUEST_4:].partition(b"\0")
        if not ended:
            return NEED_DATA if len(user) <= _TEXT_MOST else NOT_MINE
        port = held[2] << 8 | held[3]
        if address[:3] != b"\0\0\0" or address == bytes(4):
            return _finding("4", address, port)
        name, ended, _ = rest.partition(b"\0")  # 4A: the address is 0.0.0.x
        if not ended:
            return NEED_DATA if len(name) <= _TEXT_MOST else NOT_MINE
        return _finding("4", name, port, is_name=True)

    def _socks_5(self) -> Finding | Answer:
        held = bytes(self._held)
        if held[:1] not in (b"", bytes((_V5,))):
            return NOT_MINE
        if len(held) < 2:
            return NEED_DATA
        at = 2 + held[1]
        if held[1] == 0:
            return NOT_MINE
        if held[at : at + 1] == bytes((_AUTHENTICATION,)):
            at += 1
            for _ in ("user", "password"):
                if at >= len(held):
                    return NEED_DATA
                at += 1 + held[at]
        return _request_5(held, at)


def _request_5(held: bytes, at: int) -> Finding | Answer:
    """The request (RFC 1928, 4) after the greeting."""
    head = held[at : at + 4]
    for value, allowed in zip(head, ((_V5,), _COMMANDS, (0,), (1, 3, 4)), strict=False):
        if value not in allowed:
            return NOT_MINE
    if len(head) < 4:
        return NEED_DATA
    start = at + 4
    size = _ADDRESS_BYTES.get(head[3], 0)
    if head[3] == _NAME:
        if start >= len(held):
            return NEED_DATA
        size = held[start]
        start += 1
    end = start + size
    if end + 2 > len(held):
        return NEED_DATA
    port = held[end] << 8 | held[end + 1]
    return _finding("5", held[start:end], port, is_name=head[3] == _NAME)


def _finding(version: str, target: bytes, port: int, is_name: bool = False) -> Finding:
    fields = {"socks.version": (version,), "socks.dstport": (str(port),)}
    if is_name:
        fields["socks.remote_name"] = (host_name(target),)
    else:
        fields["socks.dst"] = (str(ip_address(target)),)
    return Finding("socks", fields)
