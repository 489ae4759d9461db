"""Recognises PPTP by the request that opens its control connection.

Source: RFC 2637, 2.1 (Start-Control-Connection-Request, magic cookie). The tunnelled
packets go over GRE, which `filterlab.inspection.recognisers.gre` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.flow import TCP
from filterlab.inspection.opening import Opening, spelt
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

# Length 156, control message, magic cookie, start request, reserved
_START = b"\x00\x9c\x00\x01\x1a\x2b\x3c\x4d\x00\x01\x00\x00"
_HOST_AT, _NAME_BYTES = 28, 64  # RFC 2637, 2.1
_WHOLE = 156


class Pptp:
    """Finds the request that a client opens with."""

    name: ClassVar[str] = "pptp"
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = _WHOLE
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {TCP: Opening(spelt(_START[:8]))}
    source: ClassVar[str] = "RFC 2637, 2.1"
    false_positives: ClassVar[str] = "none known: twelve bytes are fixed"

    __slots__ = ("_held",)

    def __init__(self, transport: int, reading: Reading) -> None:
        self._held = b""

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        if direction is Direction.TO_CLIENT:
            return NEED_DATA if self._held else NOT_MINE
        held = self._held = (self._held + data)[:_WHOLE]
        if not (held.startswith(_START) or _START.startswith(held)):
            return NOT_MINE
        if len(held) < _WHOLE:
            return NEED_DATA
        host, vendor = (
            held[at : at + _NAME_BYTES].rstrip(b"\0").decode("latin-1")
            for at in (_HOST_AT, _HOST_AT + _NAME_BYTES)
        )
        return Finding(
            "pptp", {"pptp.host_name": (host,), "pptp.vendor_name": (vendor,)}
        )

    def conclude(self) -> Finding | Answer:
        """Half a request says nothing."""
        return NOT_MINE
