"""Reads what a GRE packet carries; PPTP's own kind is told by its version.

Source: RFC 2784, 2 and RFC 2890, 2 (version 0); RFC 2637, 4.1 (version 1, PPP with a
key and a call's number in it).
"""

from __future__ import annotations

from typing import ClassVar

from filterlab.inspection.flow import GRE
from filterlab.inspection.recogniser import (
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

_VERSION = 0x07
_KEY = 0x20  # the K bit, of the first byte
_PPP = 0x880B  # RFC 2637, 4.1


class Gre:
    """Finds the protocol inside the first packet of a flow."""

    name: ClassVar[str] = "gre"
    transports: ClassVar[frozenset[int]] = frozenset((GRE,))
    byte_limit: ClassVar[int] = 4
    each_message: ClassVar[bool] = False
    source: ClassVar[str] = "RFC 2784, 2; RFC 2637, 4.1"
    false_positives: ClassVar[str] = "none: IP names the protocol"

    __slots__ = ()

    def __init__(self, transport: int, reading: Reading) -> None:
        pass

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the first packet."""
        if len(data) < 4:
            return NOT_MINE
        version, proto = data[1] & _VERSION, data[2] << 8 | data[3]
        if version > 1 or (version and (proto != _PPP or not data[0] & _KEY)):
            return NOT_MINE
        return Finding("gre", {"gre.proto": (f"0x{proto:04x}",)})

    def conclude(self) -> Finding | Answer:
        """No packet came."""
        return NOT_MINE
