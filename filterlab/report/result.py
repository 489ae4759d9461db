"""What a run came to, as its folder keeps it (design, section 8)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from filterlab.report.cell import Cell
from filterlab.report.detection import Detection
from filterlab.report.expectations import Check
from filterlab.report.exposure import Exposure
from filterlab.report.skipped import Skipped


class Verdict(StrEnum):
    """The three things that a run can say."""

    AS_EXPECTED = "as expected"
    NOT_AS_EXPECTED = "not as expected"
    COULD_NOT_TELL = "could not tell"

    @property
    def exit_status(self) -> int:
        """The status that the command line ends with."""
        return {"as expected": 0, "not as expected": 1, "could not tell": 3}[self.value]


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run."""

    scenario: str
    title: str
    seed: int
    rootless: bool
    seconds: Mapping[str, float]  # up, control, run, down
    phases: tuple[str, ...]
    cells: tuple[Cell, ...]
    checks: tuple[Check, ...]
    decisions: tuple[Mapping[str, Any], ...]
    faults: tuple[str, ...]  # what of the lab itself failed, with log lines
    folder: Path
    evidence: tuple[str, ...] = field(default=())
    timeline: tuple[Mapping[str, Any], ...] = ()  # phase, policies, since when
    skipped: tuple[Skipped, ...] = ()
    detections: tuple[Detection, ...] = ()  # what a detector made of each phase
    probers: tuple[str, ...] = ()  # addresses that the exchanges let pass unseen

    @property
    def verdict(self) -> Verdict:
        """A broken lab outweighs an unmet expectation, and that a met one."""
        if self.faults or any(check.met is None for check in self.checks):
            return Verdict.COULD_NOT_TELL
        if any(cell.untellable for cell in self.cells):
            return Verdict.COULD_NOT_TELL
        if not all(check.met for check in self.checks):
            return Verdict.NOT_AS_EXPECTED
        return Verdict.AS_EXPECTED

    @property
    def collateral(self) -> tuple[int, int]:
        """Innocent visits lost, of all innocent visits that an exchange filtered."""
        return _lost_of(self.cells)

    @property
    def collateral_by_phase(self) -> dict[str, tuple[int, int]]:
        """The same, of each phase by itself."""
        return {
            phase: _lost_of(cell for cell in self.cells if cell.phase == phase)
            for phase in self.phases
        }

    @property
    def exposure(self) -> list[Exposure]:
        """What a log holds of each probe, where somebody asked."""
        return [cell.exposure for cell in self.cells if cell.exposure is not None]

    def detail_of(self, cell: Cell) -> str:
        """Where the evidence for a cell's outcome is: frame and finding."""
        for index in cell.outcome.decisions:
            decision = self.decisions[index]
            finding = ", ".join(f"{k} = {v}" for k, v in decision["finding"].items())
            frame = decision.get("capture_frame")
            place = "no captured frame"
            if frame:
                place = f"frame {frame:,} of {decision['capture']}"
            return f"{place}, {finding}" if finding else place
        return ""

    def as_json(self) -> dict[str, Any]:
        """The contents of `result.json`."""
        return {
            "scenario": self.scenario,
            "title": self.title,
            "verdict": self.verdict.value,
            "seed": self.seed,
            "sealed": {"rootless": self.rootless},
            "seconds": {name: round(value, 4) for name, value in self.seconds.items()},
            "phases": list(self.phases),
            "timeline": list(self.timeline),
            "probers": list(self.probers),
            "probes": [entry for cell in self.cells for entry in cell.as_json()],
            "expectations": [check.as_json() for check in self.checks],
            "skipped": [one.as_json() for one in self.skipped],
            "collateral": {
                **_named(self.collateral),
                "phases": {p: _named(n) for p, n in self.collateral_by_phase.items()},
            },
            "faults": list(self.faults),
            "detections": [one.as_json() for one in self.detections],
            "exposure": [row.as_json() for row in self.exposure],
        }

    def write(self) -> None:
        """Write `result.json` into the run's folder."""
        text = json.dumps(self.as_json(), indent=1, ensure_ascii=False)
        (self.folder / "result.json").write_text(text + "\n")


def _lost_of(cells: Iterable[Cell]) -> tuple[int, int]:
    innocent = [cell for cell in cells if cell.innocent]
    return sum(cell.outcome.outcome != "ok" for cell in innocent), len(innocent)


def _named(lost_of: tuple[int, int]) -> dict[str, int]:
    return dict(zip(("lost", "innocent"), lost_of, strict=True))
