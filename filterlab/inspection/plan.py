"""How a box reads the flows of one transport, made once for all of them.

The recognisers are sorted by how they are run: readers are given bytes and begin by
what `filterlab.inspection.opening` leaves of them, observers are given each packet, and
measurers ask one window of what has been seen when it is long enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, cast

from filterlab.inspection.flow import TCP
from filterlab.inspection.opening import Openings, opening_of
from filterlab.inspection.recogniser import (
    Direction,
    Measurer,
    Observer,
    Reading,
    Recogniser,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a box reads the flows of one transport, and what it looks for in them."""

    transport: int
    recognisers: tuple[type[Recogniser], ...]
    piecewise: bool = False
    ordered: bool = True
    reading: Reading = field(default_factory=Reading)
    inspect_bytes: int = 16_384
    inspect_packets: int = 64
    reads_answers: bool = False  # of messages that are questions of their own
    holds_early: bool = True  # segments that come before their turn
    last_wins: bool = False  # where held segments overlap
    checks_ack: bool = True
    reads: Literal["client", "server", "both"] = "both"
    tells_ends: bool = True  # else what either end says is read as a client's
    gives_up_bytes: int | None = None  # a piece so long in which nothing is found
    syn_data: bool = True  # what a SYN carries counts
    short_first: int = 0  # a client that opens with no more bytes is left alone
    each_datagram: bool = False  # no datagram has one before it
    known_once: bool = False  # of pieces, the first that may be something decides
    as_of: date = date.max  # nothing newer is known
    names: frozenset[str] = field(init=False)
    readers: tuple[type[Recogniser], ...] = field(init=False)
    observers: tuple[type[Observer], ...] = field(init=False)
    # By the packet at which they speak; one window serves them all.
    measurers: Mapping[int, tuple[type[Measurer], ...]] = field(init=False)
    measured: int = field(init=False)  # the last of these packets
    by_packets: frozenset[str] = field(init=False)  # the names of both
    patient: bool = field(init=False)  # observers have no use for empty packets
    lasting: frozenset[str] = field(init=False)  # they remember earlier messages
    counts: bool = field(init=False)  # of packets that nobody reads, sizes are enough
    questions: frozenset[str] = field(init=False)  # they take each message anew
    openings: Mapping[Direction, Openings] = field(init=False)
    # Of the readers, each a bit: those that take each message anew, and kept answers.
    fresh: int = field(init=False)
    _names: dict[int, frozenset[str]] = field(init=False)
    _chosen: dict[int, tuple[type[Recogniser], ...]] = field(init=False)

    def __post_init__(self) -> None:
        every = self.recognisers
        readers = tuple(r for r in every if not hasattr(r, "observe"))
        observers = tuple(r for r in every if hasattr(r, "observe"))
        parts = {
            "names": frozenset(r.name for r in every),
            "readers": readers,
            "observers": tuple(r for r in observers if not hasattr(r, "measured")),
            "patient": all(
                getattr(r, "patient", hasattr(r, "measured")) for r in observers
            ),
            "measurers": _by_packets(every),
            "measured": max(_by_packets(every), default=0),
            "by_packets": frozenset(r.name for r in observers),
            "lasting": frozenset(r.name for r in every if not r.each_message),
            "counts": self.reads == "both"
            and (self.transport != TCP or (self.ordered and not self.piecewise)),
            "questions": frozenset(r.name for r in every if r.each_message),
            "openings": _openings(readers, self.transport, self.reading),
            "fresh": sum(1 << n for n, r in enumerate(readers) if r.each_message),
            "_names": {},
            "_chosen": {},
        }
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    def chosen(self, bits: int) -> tuple[type[Recogniser], ...]:
        """The readers of these bits, in their order."""
        found = self._chosen.get(bits)
        if found is None:
            every = enumerate(self.readers)
            found = tuple(reader for n, reader in every if bits >> n & 1)
            self._chosen[bits] = found
        return found

    def named(self, bits: int) -> frozenset[str]:
        """The names of the readers of these bits."""
        found = self._names.get(bits)
        if found is None:
            found = frozenset(reader.name for reader in self.chosen(bits))
            self._names[bits] = found
        return found


def _by_packets(
    recognisers: tuple[type[Recogniser], ...],
) -> dict[int, tuple[type[Measurer], ...]]:
    measurers = [cast(type[Measurer], r) for r in recognisers if hasattr(r, "measured")]
    counts = sorted({r.packets for r in measurers})
    return {n: tuple(r for r in measurers if r.packets == n) for n in counts}


def _openings(
    readers: tuple[type[Recogniser], ...], transport: int, reading: Reading
) -> dict[Direction, Openings]:
    declared = [opening_of(reader, transport, reading) for reader in readers]
    return {way: Openings(declared, way is Direction.TO_SERVER) for way in Direction}
