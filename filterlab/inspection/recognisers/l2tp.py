"""Recognises L2TP by the request that opens its control connection.

Source: RFC 2661, 3.1 (header) and 4.1, 4.4.1 (attributes, message types); RFC 3931,
4.1.2.1 (version 3 within UDP).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.flow import UDP
from filterlab.inspection.opening import Opening
from filterlab.inspection.recogniser import (
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

_CONTROL = {b"\xc8\x02": "2", b"\xc8\x03": "3"}  # T, L and S bits, and the version
_HEADER = 12
# The first attribute, mandatory: message type, Start-Control-Connection-Request
_MESSAGE_TYPE, _REQUEST = b"\x80\x08\0\0\0\0", b"\0\1"


class L2tp:
    """Finds the first message of a control connection."""

    name: ClassVar[str] = "l2tp"
    transports: ClassVar[frozenset[int]] = frozenset((UDP,))
    byte_limit: ClassVar[int] = 20
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {
        UDP: Opening((b"\xc8", b"\2\3"), least=_HEADER + 8)
    }
    source: ClassVar[str] = "RFC 2661, 3.1 and 4.4.1; RFC 3931, 4.1.2.1"
    false_positives: ClassVar[str] = "none known: 16 of its 20 first bytes are fixed"

    __slots__ = ()

    def __init__(self, transport: int, reading: Reading) -> None:
        pass

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the first datagram."""
        version = _CONTROL.get(data[:2])
        if version is None or direction is Direction.TO_CLIENT:
            return NOT_MINE
        if int.from_bytes(data[2:4], "big") != len(data):
            return NOT_MINE
        # Nothing is numbered yet: tunnel and session, or version 3's connection
        if any(data[4:8]) or data[_HEADER : _HEADER + 8] != _MESSAGE_TYPE + _REQUEST:
            return NOT_MINE
        return Finding("l2tp", {"l2tp.version": (version,)})

    def conclude(self) -> Finding | Answer:
        """No datagram came."""
        return NOT_MINE
