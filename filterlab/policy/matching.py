"""Turns the wanted values of a rule into a question that takes about constant time.

Names are looked up label by label, networks with one probe for each prefix length,
numbers in a set and then in sorted ranges: a list of a million costs what a list of
ten does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from filterlab.policy.rules import Names, Networks, Numbers, Texts

IsWanted = Callable[[str], bool]


ROOT = ""
"""Below it lies every name (RFC 1034, 3.1); a policy writes it `*`."""


def matches_name(wanted: Names) -> IsWanted:
    """Whether a lower-case host name is listed, or lies below a listed one."""
    exact, below = wanted.exact, wanted.below
    if not below:
        return exact.__contains__
    if ROOT in below:
        return bool

    def is_wanted(name: str) -> bool:
        if name in exact:
            return True
        at = name.find(".") + 1
        while at:
            if name[at:] in below:
                return True
            at = name.find(".", at) + 1
        return False

    return is_wanted


def matches_address(wanted: Networks) -> Callable[[bytes], bool]:
    """Whether a packed address (4 or 16 bytes) lies in one of the networks."""
    probes: dict[int, list[tuple[int, frozenset[int]]]] = {4: [], 16: []}
    for (version, length), networks in wanted.by_length.items():
        size = 4 if version == 4 else 16
        shift = size * 8 - length
        shifted = frozenset(network >> shift for network in networks)
        probes[size].append((shift, shifted))

    def is_wanted(address: bytes) -> bool:
        number = int.from_bytes(address, "big")
        return any(number >> s in networks for s, networks in probes[len(address)])

    return is_wanted


def matches_number(wanted: Numbers) -> Callable[[int], bool]:
    """Whether a number is listed, or lies in one of the closed ranges."""
    single = wanted.single
    if not wanted.ranges:
        return single.__contains__
    starts: list[int] = []
    ends: list[int] = []
    for low, high in sorted(wanted.ranges):
        if ends and low <= ends[-1]:
            ends[-1] = max(ends[-1], high)
        else:
            starts.append(low)
            ends.append(high)

    def is_wanted(number: int) -> bool:
        if number in single:
            return True
        at = bisect_right(starts, number) - 1
        return at >= 0 and number <= ends[at]

    return is_wanted


def matches_text(wanted: Texts) -> IsWanted:
    """Whether a text is listed; `*` at either end of a pattern is anything."""
    exact: set[str] = set()
    starts: list[str] = []
    ends: list[str] = []
    within: list[str] = []
    for pattern in wanted.patterns:
        core = pattern.strip("*")
        if pattern.startswith("*") and pattern.endswith("*"):
            within.append(core)
        elif pattern.startswith("*"):
            ends.append(core)
        elif pattern.endswith("*"):
            starts.append(core)
        else:
            exact.add(pattern)
    if not (starts or ends or within):
        return exact.__contains__
    prefixes, suffixes = tuple(starts), tuple(ends)

    def is_wanted(text: str) -> bool:
        return (
            text in exact
            or text.startswith(prefixes)
            or text.endswith(suffixes)
            or any(part in text for part in within)
        )

    return is_wanted
