"""One cell of the result's table: what came of one probe in one phase."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from filterlab.probes.interval import wilson
from filterlab.probes.outcome import Outcome
from filterlab.probes.result import ProbeResult
from filterlab.report.arrival import Arrival
from filterlab.report.exposure import Exposure


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a probe, what it was judged to be, and the rule behind that."""

    result: ProbeResult
    outcome: Outcome
    rule: str | None = None

    @property
    def decided_by(self) -> str | None:
        """The rule's place and name, as people read them."""
        if self.outcome.rule is None:
            return None
        return f'{self.outcome.rule} "{self.rule}"'


@dataclass(frozen=True, slots=True)
class Cell:
    """All tries of one probe in one phase, beside the control of the same run."""

    probe: str
    client: str
    target: str
    through: str | None
    phase: str
    innocent: bool
    attempts: tuple[Attempt, ...]
    control: Attempt
    strategy: str | None = None
    exposed: bool = False  # the prober had confirmed its server by the phase's end
    exposure: Exposure | None = None  # what a log holds of it, if anybody asked
    arrived: Arrival | None = None  # what its server got, if anybody asked
    subscribers: int = 1  # how many its client stands for

    @property
    def typical(self) -> Attempt:
        """The attempt that stands for the cell: the first of the commonest outcome."""
        counted = Counter(attempt.outcome.outcome for attempt in self.attempts)
        commonest = counted.most_common(1)[0][0]
        return next(a for a in self.attempts if a.outcome.outcome == commonest)

    @property
    def outcome(self) -> Outcome:
        """The cell's outcome."""
        return self.typical.outcome

    @property
    def reached(self) -> int:
        """How many attempts got what they came for."""
        return sum(attempt.outcome.reached for attempt in self.attempts)

    @property
    def untellable(self) -> bool:
        """Whether any attempt says more about the lab than about the exchange."""
        return any(a.outcome.outcome in ("down", "unknown") for a in self.attempts)

    @property
    def interval(self) -> tuple[float, float]:
        """Between which rates of reaching the truth lies, with 95 % confidence."""
        return wilson(self.reached, len(self.attempts))

    @property
    def share_of_control(self) -> float | None:
        """The median throughput as a share of the control's, if both measured one."""
        rates = sorted(
            a.result.kbit_s for a in self.attempts if a.result.kbit_s is not None
        )
        if not rates or not self.control.result.kbit_s:
            return None
        return rates[len(rates) // 2] / self.control.result.kbit_s

    def as_json(self) -> list[dict[str, Any]]:
        """One object an attempt, as `result.json` lists them."""
        return [
            {
                "name": self.probe,
                "from": self.client,
                "subscribers": self.subscribers,
                "target": self.target,
                "through": self.through,
                "strategy": self.strategy,
                "phase": self.phase,
                "innocent": self.innocent,
                "exposed": self.exposed,
                "arrived": self.arrived.as_json() if self.arrived else None,
                "label": attempt.outcome.label,
                "rule": attempt.decided_by,
                "why": attempt.outcome.why,
                "decisions": list(attempt.outcome.decisions),
                **_fields(attempt),
                "control": {
                    **_fields(self.control),
                    "endpoints": self.control.result.as_json()["endpoints"],
                },
                "steps": [_short(step) for step in attempt.result.as_json()["steps"]],
                "endpoints": attempt.result.as_json()["endpoints"],
            }
            for attempt in self.attempts
        ]


def _fields(attempt: Attempt) -> dict[str, Any]:
    return {
        "outcome": attempt.outcome.outcome,
        "failure": attempt.outcome.failure,
        "reached": attempt.outcome.reached,
        "kbit_s": attempt.result.kbit_s,
        "seconds": round(attempt.result.seconds, 4),
        "began": attempt.result.began,
        "status": attempt.result.status,
        "location": attempt.result.location,
        "title": attempt.result.title,
        "answers": list(attempt.result.answers),
    }


def _short(step: dict[str, Any]) -> dict[str, Any]:
    """A step without whole certificates: `ooni.jsonl` has them."""
    listed = step["detail"].get("certificates")
    if not listed:
        return step
    told = [{k: v for k, v in one.items() if k != "der"} for one in listed]
    return {**step, "detail": {**step["detail"], "certificates": told}}
