"""Rules recognisers out by the first bytes of a flow, all of them at once.

A recogniser may declare how its flows begin: which values each of the first bytes may
have. What is ruled out so would have answered NOT_MINE to these bytes; it is neither
made nor fed. One look-up a byte leaves the few recognisers that must read the rest,
as the first-byte dispatch of signature engines does (Aho and Corasick, "Efficient
String Matching", CACM 1975, for all patterns in one pass).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Place = Iterable[int] | None
"""The values that one byte may have; None is any."""

_LENGTHS = 65  # every `least` of the catalogue is below


@dataclass(frozen=True, slots=True)
class Opening:
    """How the flows of a recogniser may begin, for each end that may begin them.

    `up` are the first bytes if the client begins, `down` if the server does: () is
    anything, None says that such a flow is not the recogniser's. Of fewer than `whole`
    bytes nothing can be said yet; from there on, fewer than `least` are too few.
    """

    up: tuple[Place, ...] | None = ()
    down: tuple[Place, ...] | None = None
    least: int = 1
    whole: int = 0


ANYTHING = Opening((), ())


def opening_of(recogniser: type, transport: int, reading: object) -> Opening:
    """What a recogniser declares for a transport; `ANYTHING` if it declares nothing.

    Its `opening` is a mapping by transport, or gives one for a way of reading.
    """
    declared = getattr(recogniser, "opening", {})
    found = declared(reading) if callable(declared) else declared
    opening: Opening = found.get(transport, ANYTHING)
    return opening


def spelt(*texts: bytes) -> tuple[Place, ...]:
    """The places of flows that begin with one of these texts, as far as all go."""
    shortest = min(map(len, texts))
    return tuple(frozenset(text[at] for text in texts) for at in range(shortest))


class Openings:
    """Which of some recognisers, each a bit, are left by the first bytes of a flow."""

    __slots__ = ("_by_length", "_places", "_undone", "every")

    def __init__(self, openings: Sequence[Opening], up: bool) -> None:
        self.every = (1 << len(openings)) - 1
        ways = [opening.up if up else opening.down for opening in openings]
        depth = max((len(way) for way in ways if way is not None), default=0)
        self._places = [_place(ways, at) for at in range(depth)]
        self._by_length = [0] * _LENGTHS  # long enough, and may begin so at all
        self._undone = [0] * _LENGTHS  # too short to say
        for number, (opening, way) in enumerate(zip(openings, ways, strict=True)):
            bit = 1 << number
            for length in range(opening.whole):
                self._undone[length] |= bit
            if way is not None:
                for length in range(max(opening.whole, opening.least), _LENGTHS):
                    self._by_length[length] |= bit

    def left(self, data: bytes) -> int:
        """The bits of the recognisers that a flow beginning so may be of."""
        length = min(len(data), _LENGTHS - 1)
        bits = self._by_length[length]
        for place, value in zip(self._places, data, strict=False):
            bits &= place[value]
        return bits | self._undone[length]


def _place(ways: Sequence[tuple[Place, ...] | None], at: int) -> list[int]:
    """The bits that are left by each value of one byte."""
    listed = [way[at] if way and at < len(way) else None for way in ways]
    free = sum(1 << number for number, place in enumerate(listed) if place is None)
    bits = [free] * 256
    for number, place in enumerate(listed):
        for value in set(place or ()):
            bits[value] |= 1 << number
    return bits
