"""Recognises NTP by a request and the answer that repeats its time.

Source: RFC 5905, 7.3 (header) and 8 (the answer's origin time is the request's
transmit time); RFC 8633, 4 and RFC 9769 (random transmit times are as good).
"""

from __future__ import annotations

from collections.abc import Mapping
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

_HEADER = 48  # RFC 5905, 7.3; extension fields and a MAC may follow, in words
_ACTIVE, _PASSIVE, _CLIENT, _SERVER = 1, 2, 3, 4  # modes
_ORIGIN, _TRANSMIT, _END = 24, 40, 48
_ASKS = [b for b in range(256) if 1 <= b >> 3 & 7 <= 4 and b & 7 in (_ACTIVE, _CLIENT)]
_STRATUM_MOST = 16  # RFC 5905, 7.3


class Ntp:
    """Finds a request that was answered."""

    name: ClassVar[str] = "ntp"
    transports: ClassVar[frozenset[int]] = frozenset((UDP,))
    byte_limit: ClassVar[int] = 2048
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {
        UDP: Opening((_ASKS, range(_STRATUM_MOST + 1)), least=_HEADER)
    }
    source: ClassVar[str] = "RFC 5905, 7.3 and 8"
    false_positives: ClassVar[str] = "none known: eight bytes of the request come back"

    __slots__ = ("_asked", "_fed")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._asked: set[bytes] = set()
        self._fed = 0

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next datagram of one direction."""
        self._fed += len(data)
        if len(data) < _HEADER or len(data) % 4 or self._fed > self.byte_limit:
            return NOT_MINE
        version, mode = data[0] >> 3 & 7, data[0] & 7
        if not 1 <= version <= 4 or data[1] > _STRATUM_MOST:
            return NOT_MINE
        if direction is Direction.TO_SERVER:
            if mode not in (_CLIENT, _ACTIVE):
                return NOT_MINE
            self._asked.add(data[_TRANSMIT:_END])
            return NEED_DATA
        if mode not in (_SERVER, _PASSIVE, _ACTIVE):
            return NOT_MINE
        if data[_ORIGIN : _ORIGIN + 8] not in self._asked:
            return NOT_MINE
        return Finding(
            "ntp", {"ntp.flags.vn": (str(version),), "ntp.stratum": (str(data[1]),)}
        )

    def conclude(self) -> Finding | Answer:
        """A request alone says nothing."""
        return NOT_MINE
