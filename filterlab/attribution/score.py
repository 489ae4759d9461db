"""How good a test is, where the truth is known: precision and recall."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """How many were rightly found, wrongly found, and missed."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float | None:
        """How many of those found do use a VPN; None if nobody was found."""
        found = self.right + self.wrong
        return self.right / found if found else None

    @property
    def recall(self) -> float | None:
        """How many of those who use a VPN were found; None if nobody does."""
        there = self.right + self.missed
        return self.right / there if there else None


def score(found: Collection[str], true: Collection[str]) -> Score:
    """Hold who was found against who really uses a VPN."""
    right = len(set(found) & set(true))
    return Score(right, len(set(found)) - right, len(set(true)) - right)
