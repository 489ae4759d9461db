"""The addresses that operators handed over, and whether an address is among them.

What an operator hands over are its subscribers' IPv4 and IPv6 addresses, with place
and filter (Roskomnadzor's order of 2025, as reported by Izvestia in May 2026); only
the addresses matter here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Prefix = IPv4Network | IPv6Network


def prefixes_of(text: str) -> list[Prefix]:
    """The prefixes of a list, one a line, `#` begins a comment.

    Raises BadLine for the first line that is none.
    """
    found: list[Prefix] = []
    for number, line in enumerate(text.splitlines(), 1):
        if value := line.partition("#")[0].strip():
            try:
                found.append(ip_network(value))
            except ValueError:
                raise BadLine(number, value) from None
    return found


class BadLine(ValueError):  # noqa: N818 - it is about a line, not a failure
    """A line of a list that is no prefix."""

    def __init__(self, number: int, value: str) -> None:
        super().__init__(f"line {number} is {value!r}")
        self.number, self.value = number, value


class Registry:
    """All that was handed over, as stretches of addresses."""

    def __init__(self, prefixes: Iterable[Prefix]) -> None:
        """The same address may be handed over by several."""
        self._starts: dict[int, list[int]] = {4: [], 6: []}
        self._ends: dict[int, list[int]] = {4: [], 6: []}
        stretches = sorted(
            (p.version, int(p.network_address), int(p.broadcast_address))
            for p in prefixes
        )
        for version, first, last in stretches:
            ends = self._ends[version]
            if ends and first <= ends[-1] + 1:
                ends[-1] = max(ends[-1], last)
                continue
            self._starts[version].append(first)
            ends.append(last)

    def holds(self, address: str) -> bool:
        """Whether somebody handed this address over as a subscriber's."""
        parsed = ip_address(address)
        starts = self._starts[parsed.version]
        at = bisect_right(starts, int(parsed)) - 1
        return at >= 0 and int(parsed) <= self._ends[parsed.version][at]
