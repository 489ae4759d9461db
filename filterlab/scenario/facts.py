"""What a scenario's reader must be told of the world outside of the file.

The topologies and tools are Python of other rooms; the reader gets facts about them,
so that it loads none of them and a test can invent some.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

Scalar = str | int | float


@dataclass(frozen=True, slots=True)
class Layout:
    """What a topology offers once its parameters are known."""

    places: Sequence[str]
    exchanges: Sequence[str]


@dataclass(frozen=True, slots=True)
class TopologyFacts:
    """A topology's parameters, and a function that lays it out with some given.

    `lay_out` raises ValueError with a sentence where the parameters do not go together.
    """

    parameters: Sequence[str]
    lay_out: Callable[[Mapping[str, Scalar]], Layout]


@dataclass(frozen=True, slots=True)
class Facts:
    """The topologies and tools there are; None where nobody knows, and none checks."""

    topologies: Mapping[str, TopologyFacts] | None = None
    tools: Collection[str] | None = None  # their names
