"""Recognises STUN, and TURN by its methods.

Source: RFC 8489, 5 (header, magic cookie) and 14.14 (SOFTWARE); RFC 8656, 17 (TURN's
methods). STUN of RFC 3489 has no cookie, and is not recognised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.opening import Opening, Place, spelt
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

_COOKIE_AT, _COOKIE = 4, b"\x21\x12\xa4\x42"  # RFC 8489, 5
_HEADER = 20
# The first two bits are 0, the length is in words; then the cookie
_BEGINS: tuple[Place, ...] = (
    range(0x40),
    None,
    None,
    range(0, 256, 4),
    *spelt(_COOKIE),
)
_SOFTWARE = 0x8022  # RFC 8489, 18.3
_METHODS = {
    1: "binding",
    3: "allocate",
    4: "refresh",
    6: "send",
    7: "data",
    8: "createpermission",
    9: "channelbind",
}


class Stun:
    """Finds the first message of a flow."""

    name: ClassVar[str] = "stun"
    transports: ClassVar[frozenset[int]] = frozenset((TCP, UDP))
    byte_limit: ClassVar[int] = 2048
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {
        TCP: Opening(_BEGINS),
        UDP: Opening(_BEGINS, _BEGINS, least=_HEADER),
    }
    source: ClassVar[str] = "RFC 8489, 5 and 14.14; RFC 8656, 17"
    false_positives: ClassVar[str] = (
        "none known over UDP (cookie and length agree); over TCP, where the length "
        "cannot be compared, 1 in 10^9"
    )

    __slots__ = ("_held", "_over_tcp")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._over_tcp = transport == TCP
        self._held = b""

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes; over UDP, one datagram."""
        if not self._over_tcp:
            return _read(data) if _begins(data) and len(data) >= _HEADER else NOT_MINE
        if direction is Direction.TO_CLIENT:
            return NEED_DATA if self._held else NOT_MINE
        held = self._held = (self._held + data)[: self.byte_limit]
        if not _begins(held):
            return NOT_MINE
        if len(held) < _HEADER:
            return NEED_DATA
        whole = _HEADER + (held[2] << 8 | held[3])
        if len(held) < min(whole, self.byte_limit):
            return NEED_DATA
        return _read(held[:whole], cut=whole > self.byte_limit)

    def conclude(self) -> Finding | Answer:
        """Half a message says nothing."""
        return NOT_MINE


def _begins(data: bytes) -> bool:
    """Whether these first bytes can begin a message."""
    if data[:1] > b"\x3f" or (len(data) > 3 and data[3] % 4):
        return False  # the first two bits are 0, the length is in words
    cookie = data[_COOKIE_AT : _COOKIE_AT + len(_COOKIE)]
    return _COOKIE.startswith(cookie)


def _read(message: bytes, cut: bool = False) -> Finding | Answer:
    if not cut and _HEADER + (message[2] << 8 | message[3]) != len(message):
        return NOT_MINE
    kind = message[0] << 8 | message[1]
    # The class is bits 4 and 8 of the type; the others are the method (RFC 8489, 5).
    method = kind & 0x0F | (kind & 0xE0) >> 1 | (kind & 0x3E00) >> 2
    named = _METHODS.get(method)
    fields = {"stun.type.method": (named or f"0x{method:04x}",)}
    if software := _attribute(message, _SOFTWARE):
        fields["stun.att.software"] = (software.decode("utf-8", "replace"),)
    return Finding("stun", fields)


def _attribute(message: bytes, wanted: int) -> bytes:
    at = _HEADER
    while at + 4 <= len(message):
        kind = message[at] << 8 | message[at + 1]
        size = message[at + 2] << 8 | message[at + 3]
        if kind == wanted:
            return message[at + 4 : at + 4 + size]
        at += 4 + (size + 3 & ~3)  # padded to words
    return b""
