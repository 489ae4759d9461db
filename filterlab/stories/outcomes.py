"""What came of the stories in their last runs, kept beside the table in the docs.

result.json -> verdict, collateral, and what each expectation came to, and by which rule
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filterlab.scenario.schema import SEEN


@dataclass(frozen=True, slots=True)
class Came:
    """One expectation in one phase, and what came of it."""

    text: str
    probe: str
    phase: str
    met: bool | None
    came: str
    policy: str | None  # whose rule decided
    rule: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scenario's run."""

    made: str  # a date
    verdict: str
    lost: int
    innocent: int
    expectations: tuple[Came, ...]

    @property
    def met(self) -> int:
        """How many expectations were met."""
        return sum(one.met is True for one in self.expectations)

    def as_json(self) -> dict[str, Any]:
        """The outcome as one JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outcome:
        """The outcome that `as_json` wrote."""
        expectations = tuple(Came(**one) for one in value["expectations"])
        return cls(**{**value, "expectations": expectations})


def outcome_of(result: Mapping[str, Any], made: str) -> Outcome:
    """What a run's `result.json` says."""
    cells: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in result["probes"]:
        cells.setdefault((entry["name"], entry["phase"]), []).append(entry)
    seen = {(row["probe"], row["phase"]): row for row in result["exposure"]}
    expectations = []
    for check in result["expectations"]:
        place = check["probe"], check["phase"]
        attempts = cells.get(place, [])
        policy, rule = _decided(attempts)
        came = _came(attempts)
        if "exposes" in check["text"] and place in seen:
            came += f"; a log holds {SEEN[seen[place]['seen']]}"
            came += f", as {seen[place]['protocol'] or 'nothing known'}"
        expectations.append(
            Came(check["text"], *place, check["met"], came, policy, rule)
        )
    counted = result["collateral"]
    return Outcome(
        made,
        result["verdict"],
        counted["lost"],
        counted["innocent"],
        tuple(expectations),
    )


def _decided(attempts: list[Mapping[str, Any]]) -> tuple[str | None, str | None]:
    """Policy and name of the rule that decided: FILE:LINE "NAME" in a result."""
    rules = [str(one["rule"]) for one in attempts if one["rule"] is not None]
    if not rules:
        return None, None
    place, _, name = rules[0].partition(" ")
    return Path(place.rpartition(":")[0]).stem, name.strip('"')


def _came(attempts: list[Mapping[str, Any]]) -> str:
    """The outcomes in words that the next run has as well: no rates, no times."""
    if not attempts:
        return "not run"
    words: dict[str, None] = {}
    for one in attempts:
        failure = "" if one["failure"] is None else f" ({one['failure']})"
        shown = one["label"] if one["outcome"] == "ok" else one["outcome"]
        words[f"{shown}{failure}"] = None
    return ", ".join(words)


def read(file: Path) -> dict[str, Outcome]:
    """The outcomes by scenario; none where there is no file yet."""
    if not file.exists():
        return {}
    kept = json.loads(file.read_text("utf-8"))
    return {name: Outcome.from_json(value) for name, value in kept.items()}


def write(file: Path, outcomes: Mapping[str, Outcome]) -> None:
    """Keep the outcomes for the next time."""
    kept = {name: outcomes[name].as_json() for name in sorted(outcomes)}
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
