"""Recognises WireGuard by its four messages and the indices that they echo.

Every message begins with its type and three zero bytes. An initiation (148 bytes)
bears the sender's index; a response (92), a cookie reply (64) and data (32 and more, in
steps of 16) bear the receiver's. An initiation whose second MAC is zero, as it is
unless the server is under load, has 20 fixed bytes and is enough alone; otherwise an
index must be echoed. Where the handshake was not seen, three data messages of one
direction must bear one index and rising counters.

What changes types, lengths or puts junk first, as AmneziaWG does, is not WireGuard.

Source: Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel" (NDSS 2017),
sections 5.4.2 to 5.4.7; OpenGFW, analyzer/udp/wireguard.go (what a box checks).
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

_INITIATION, _RESPONSE, _COOKIE, _DATA = 1, 2, 3, 4
_LENGTHS = {_INITIATION: 148, _RESPONSE: 92, _COOKIE: 64}
_OPENS = (b"\1\2\3\4", b"\0", b"\0", b"\0")
_DATA_LEAST, _DATA_STEP = 32, 16  # header and tag; padded (5.4.6)
_MAC_BYTES = 16
_HEADER = Struct("<III")  # type and reserved, first index, second index
_COUNTER = Struct("<Q")
_ENOUGH_DATA = 3


class WireGuard:
    """Finds a handshake whose parts fit together, or data that goes on from one."""

    name: ClassVar[str] = "wireguard"
    protocols: ClassVar[frozenset[str]] = frozenset(("wireguard",))
    transports: ClassVar[frozenset[int]] = frozenset((UDP,))
    byte_limit: ClassVar[int] = 16_384
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {
        UDP: Opening(_OPENS, _OPENS, least=_DATA_LEAST)
    }
    source: ClassVar[str] = "Donenfeld, NDSS 2017, 5.4.2-5.4.7; OpenGFW wireguard.go"
    false_positives: ClassVar[str] = (
        "a datagram of 148 bytes with 01 00 00 00 first and 16 zero bytes last; "
        "tunnels that keep WireGuard's messages as they are (NordLynx) are WireGuard"
    )

    __slots__ = ("_counters", "_indices", "_runs")

    def __init__(self, transport: int, reading: Reading) -> None:
        # The indices that each side has named as its own, by who will echo them.
        self._indices: dict[Direction, set[int]] = {d: set() for d in Direction}
        self._runs: dict[Direction, tuple[int, int]] = {}  # index, messages
        self._counters: dict[Direction, int] = {}

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take one datagram."""
        kind = _kind(data)
        if kind is None:
            return NOT_MINE
        _, first, second = _HEADER.unpack_from(data)
        echoed = second if kind == _RESPONSE else first
        if kind == _INITIATION:
            is_sure = data[-_MAC_BYTES:] == bytes(_MAC_BYTES)
        else:
            is_sure = echoed in self._indices[direction]
        if kind in (_INITIATION, _RESPONSE):
            other = Direction.TO_SERVER
            if direction is Direction.TO_SERVER:
                other = Direction.TO_CLIENT
            self._indices[other].add(first)
        if is_sure or (kind == _DATA and self._goes_on(direction, first, data)):
            return Finding("wireguard", {"wg.type": (str(kind),)})
        return NEED_DATA

    def conclude(self) -> Finding | Answer:
        """Without an echo there is no telling."""
        return NOT_MINE

    @staticmethod
    def carries_data(payload: bytes, over_tcp: bool) -> bool:
        """Whether a datagram is a data message; one that keeps alive is as well."""
        return _kind(payload) == _DATA

    def _goes_on(self, direction: Direction, index: int, data: bytes) -> bool:
        (counter,) = _COUNTER.unpack_from(data, 8)
        known, run = self._runs.get(direction, (index, 0))
        rises = counter > self._counters.get(direction, -1)
        run = run + 1 if known == index and rises else 1
        self._runs[direction] = index, run
        self._counters[direction] = counter
        return run >= _ENOUGH_DATA


def _kind(data: bytes) -> int | None:
    """The type of a datagram that has the form of a WireGuard message."""
    size = len(data)
    if size < _DATA_LEAST or data[1:4] != bytes(3):
        return None
    kind = data[0]
    if kind == _DATA:
        return kind if size % _DATA_STEP == 0 else None
    return kind if _LENGTHS.get(kind) == size else None
