"""Sees a scenario fail without a rule that its expectations depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from filterlab.runner.plan import Plan
from filterlab.stories.deciding import Deciding, deciding
from filterlab.stories.playing import play
from filterlab.stories.without import write_without


class Colour(StrEnum):
    """What a scenario comes to without one of its rules."""

    RED = "red"  # it fails, so it holds the rule
    GREEN = "green"  # it does not notice
    UNKNOWN = "could not tell"


@dataclass(frozen=True, slots=True)
class Mutated:
    """A scenario without one rule."""

    without: Deciding
    colour: Colour
    why: str

    @property
    def text(self) -> str:
        """All of it in one line."""
        return f"{self.colour.value:<5}  without {self.without.text}: {self.why}"


def mutate(plan: Plan, one: Deciding, folder: Path) -> Mutated:
    """Run a scenario without a rule."""
    played = play(write_without(plan, one, folder), folder / "run")
    if not played.broken and played.unmet:
        first = played.unmet[0]
        return Mutated(one, Colour.RED, f"{first['text']}: {first['why']}")
    if played.broken or played.result["verdict"] == "could not tell":
        why = played.broken or "no expectation could be told to be unmet"
        return Mutated(one, Colour.UNKNOWN, why)
    count = len(played.result["expectations"])
    return Mutated(one, Colour.GREEN, f"{count} of {count} expectations are met")


def whose_turn(plan: Plan, seed: str) -> Deciding | None:
    """One of the rules that decide: another one with another seed, in the end all."""
    rules = deciding(plan)
    if not rules:
        return None
    drawn = hashlib.sha256(f"{seed} {plan.path.stem}".encode()).digest()
    return rules[int.from_bytes(drawn[:8], "big") % len(rules)]


def chosen(plan: Plan, rule: str | None) -> Sequence[Deciding]:
    """All rules that decide, or those of one name."""
    return [one for one in deciding(plan) if rule is None or one.rule == rule]
