"""Invented subscribers of many operators, to see what missing lists do to the test.

A computation and not a run: nobody sends a packet. Operators, their sizes and habits
are drawn by chance from a seed; what decides of each visit is the same registry and
the same test as in a run. Every share below is invented, none was published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import accumulate
from typing import Protocol

from filterlab.attribution.detector import Visit, strangers
from filterlab.attribution.registry import Prefix, Registry
from filterlab.attribution.score import Score, score

# Invented shares of all subscribers: who visits by which way.
HABITS: Mapping[str, float] = {
    "vpn abroad": 0.24,
    "vpn, split tunnel": 0.08,
    "vpn, exit at a subscriber": 0.04,
    "roaming": 0.02,
    "corporate vpn": 0.04,
    "cdn egress": 0.02,
}
HOME = "home"
_FIRST = int(ip_network("100.64.0.0/10").network_address)  # RFC 6598
_BLOCK = 1 << 10  # addresses of an operator: 1,300 of them fit into the /10 thrice
ABROAD = "198.18.0.1"  # RFC 2544; where does not matter, but that nobody lists it


class Chances(Protocol):
    """A source of chance, such as `random.Random(seed)`."""

    def random(self) -> float:
        """A number from 0 to 1."""

    def choices(
        self, population: Sequence[int], *, cum_weights: Sequence[float], k: int
    ) -> list[int]:
        """Some of these, by weight."""

    def shuffle(self, x: list[int]) -> None:
        """Put a list into an order of chance."""


@dataclass(frozen=True, slots=True)
class Person:
    """One subscriber: the operator, how he visits, and what the service sees."""

    operator: int
    habit: str
    visit: Visit

    @property
    def uses_vpn(self) -> bool:
        """The truth."""
        return self.habit.startswith("vpn")


@dataclass(frozen=True, slots=True)
class Population:
    """Subscribers of operators whose sizes follow Zipf's law, the first the largest."""

    operators: int
    people: tuple[Person, ...]
    order: tuple[int, ...]  # in which operators fail to deliver
    pool_missing: float = 0.0  # the part of each operator's addresses that lists lack

    def registry(self, delivered: int) -> Registry:
        """What the authority holds once so many operators have delivered."""
        silent = set(self.order[: self.operators - delivered])
        return Registry(
            prefix
            for operator in range(self.operators)
            if operator not in silent
            for prefix in _listed(operator, self.pool_missing)
        )

    def score(self, delivered: int) -> Score:
        """The registry test's score against the truth."""
        found = strangers((p.visit for p in self.people), self.registry(delivered))
        true = [p.visit.account for p in self.people if p.uses_vpn]
        return score(found, true)

    def covered(self, delivered: int) -> float:
        """The part of all subscribers whose operator has delivered."""
        silent = set(self.order[: self.operators - delivered])
        return sum(p.operator not in silent for p in self.people) / len(self.people)


@dataclass(frozen=True, slots=True)
class Row:
    """The test's accuracy at one coverage."""

    delivered: int
    covered: float
    score: Score = field(default_factory=lambda: Score(0, 0, 0))


def invented(
    chances: Chances,
    operators: int,
    subscribers: int,
    *,
    largest_last: bool = False,
    pool_missing: float = 0.0,
) -> Population:
    """Draw a population.

    Which operators fail to deliver is a matter of chance, or the smallest do first.
    """
    weights = list(accumulate(1 / (rank + 1) for rank in range(operators)))
    theirs = chances.choices(range(operators), cum_weights=weights, k=subscribers)
    people = tuple(
        _person(chances, number, operator, operators)
        for number, operator in enumerate(theirs)
    )
    order = list(range(operators))
    if largest_last:
        order.reverse()
    else:
        chances.shuffle(order)
    return Population(operators, people, tuple(order), pool_missing)


def table(population: Population, delivered: Sequence[int]) -> Iterator[Row]:
    """A row for each number of operators that have delivered."""
    for count in delivered:
        yield Row(count, population.covered(count), population.score(count))


def _person(chances: Chances, number: int, operator: int, operators: int) -> Person:
    habit = _habit(chances.random())
    address = _address(operator, chances.random())
    if habit == "vpn, exit at a subscriber":
        # A friend's line, of any operator: most likely one of another city.
        friend = int(chances.random() * operators)
        address = _address(friend, chances.random())
    elif habit not in (HOME, "vpn, split tunnel"):
        address = ABROAD
    return Person(operator, habit, Visit(f"account {number}", address, 0, 0.0))


def _habit(drawn: float) -> str:
    for habit, share in HABITS.items():
        drawn -= share
        if drawn < 0:
            return habit
    return HOME


def _address(operator: int, drawn: float) -> str:
    number = _FIRST + operator * _BLOCK + int(drawn * _BLOCK)
    return ".".join(str(part) for part in number.to_bytes(4))


def _listed(operator: int, pool_missing: float) -> Iterator[Prefix]:
    """The operator's addresses without its newest pool, as the lists have them."""
    first = _FIRST + operator * _BLOCK
    last = first + round(_BLOCK * (1 - pool_missing))
    while first < last:
        # The largest aligned block that still fits.
        size = min(first & -first, 1 << (last - first).bit_length() - 1)
        yield ip_network((first, 33 - size.bit_length()))
        first += size
