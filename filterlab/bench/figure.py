"""A measured figure: the median of its rounds, how far they lie apart, and the aim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a benchmark's table."""

    name: str
    unit: str
    rounds: tuple[float, ...]
    aim: str = ""

    @property
    def value(self) -> float:
        """The median."""
        return median(self.rounds)

    def as_json(self) -> dict[str, Any]:
        """The figure as one JSON object."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.value,
            "rounds": list(self.rounds),
            "aim": self.aim,
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
