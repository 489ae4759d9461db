"""Recognises IKE, versions 1 and 2, on its own or beside ESP in UDP.

Source: RFC 7296, 3.1 (header) and 1.2 (IKE_SA_INIT); RFC 2408, 3.1 and 4 (version 1:
main and aggressive mode); RFC 3948, 2.2 (four zero bytes before it where ESP shares
the port).
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import ClassVar

from filterlab.inspection.flow import UDP
from filterlab.inspection.opening import Opening
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

_HEADER = Struct("!8s8sBBBBII")  # RFC 7296, 3.1
_NO_SPI, _NON_ESP = bytes(8), bytes(4)
_KEEPALIVE = b"\xff"  # RFC 3948, 2.3
_OPENINGS = {  # version -> exchange type -> its name in the RFC
    0x10: {2: "main", 4: "aggressive"},
    0x20: {34: "ike_sa_init"},
}


class Isakmp:
    """Finds the message with which a client opens an exchange."""

    name: ClassVar[str] = "isakmp"
    transports: ClassVar[frozenset[int]] = frozenset((UDP,))
    byte_limit: ClassVar[int] = 1024
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {
        UDP: Opening((), (_KEEPALIVE,), least=_HEADER.size, whole=2)
    }
    source: ClassVar[str] = "RFC 7296, 1.2 and 3.1; RFC 2408, 3.1; RFC 3948, 2.2"
    false_positives: ClassVar[str] = (
        "none known: responder's SPI and message id are 0, and the length agrees"
    )

    __slots__ = ()

    def __init__(self, transport: int, reading: Reading) -> None:
        pass

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next datagram of one direction."""
        if data == _KEEPALIVE:
            return NEED_DATA
        if direction is Direction.TO_CLIENT:
            return NOT_MINE
        message = data[len(_NON_ESP) :] if data[:4] == _NON_ESP else data
        if len(message) < _HEADER.size:
            return NOT_MINE
        client, server, _, version, exchange, _, number, length = _HEADER.unpack_from(
            message
        )
        named = _OPENINGS.get(version, {}).get(exchange)
        if named is None or client == _NO_SPI or server != _NO_SPI:
            return NOT_MINE
        if number or length != len(message):
            return NOT_MINE
        fields = {
            "isakmp.version": (f"{version >> 4}.{version & 15}",),
            "isakmp.exchangetype": (named,),
        }
        return Finding("isakmp", fields)

    def conclude(self) -> Finding | Answer:
        """Nothing but keepalives."""
        return NOT_MINE
