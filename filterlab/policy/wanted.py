"""What a rule's condition is once it has been read: keys, and the values they may have.

Values only; `filterlab.policy.conditions` turns them into a question to a flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Match:
    """One key of a `when`: true if the field has any of the wanted values.

    `field` is a key of `filterlab.inspection.fields.FIELDS`. `wanted` holds values as
    that field's kind reads them: names (lower case, `*.x` for every name below x),
    networks, numbers and number ranges, or plain texts.
    """

    field: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class AllOf:
    """True if every part is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if at least one part is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True if its part is false, once that is known."""

    part: Condition


Condition = Match | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class Names:
    """Host names: exact ones, and suffixes that cover every name below them."""

    exact: frozenset[str]
    below: frozenset[str]  # without the leading "*."


@dataclass(frozen=True, slots=True)
class Networks:
    """IP networks by prefix length, so that a look-up costs one probe a length.

    Keyed by (version, prefix length); values are the network addresses as integers.
    """

    by_length: Mapping[tuple[int, int], frozenset[int]]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Single numbers and closed ranges of them (ports, lengths, protocol numbers)."""

    single: frozenset[int]
    ranges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts compared as they stand; `*` at either end stands for anything."""

    patterns: tuple[str, ...]


Wanted = Names | Networks | Numbers | Texts
