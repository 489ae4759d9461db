"""A finished matrix: what each cell says, how that stands to what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filterlab.matrix.baseline import Comparison
from filterlab.matrix.expected import Judged, Standing
from filterlab.matrix.finding import CellId, Word
from filterlab.report.result import Verdict


@dataclass(frozen=True)
class Summary:
    """All that a matrix came to."""

    cells: Mapping[CellId, Judged]
    skipped: Mapping[CellId, str] = field(default_factory=dict)
    comparison: Comparison | None = None
    seconds: float = 0.0
    folder: Path = Path()

    @property
    def verdict(self) -> Verdict:
        """Beside a baseline only a change is not as expected.

        What is certain comes first: a cell that could not be told does not hide
        another one that was lost.
        """
        if self.comparison is not None:
            if self.comparison.changes:
                return Verdict.NOT_AS_EXPECTED
            if self.comparison.untold:
                return Verdict.COULD_NOT_TELL
            return Verdict.AS_EXPECTED
        standings = {judged.standing for judged in self.cells.values()}
        if standings & {Standing.NOT_AS_EXPECTED, Standing.UNEXPECTEDLY_WORKS}:
            return Verdict.NOT_AS_EXPECTED
        if Standing.COULD_NOT_TELL in standings or not self.cells:
            return Verdict.COULD_NOT_TELL
        return Verdict.AS_EXPECTED

    def failed(self, cell: CellId) -> str | None:
        """Why a cell is not as it should be; None where it is."""
        if self.comparison is not None:
            changed = [c for c in self.comparison.changes if c.cell == cell]
            return changed[0].text if changed else None
        judged = self.cells[cell]
        if judged.met or judged.standing is Standing.COULD_NOT_TELL:
            return None
        return judged.why

    def as_json(self) -> dict[str, Any]:
        """The contents of `matrix.json`."""
        compared = self.comparison
        return {
            "verdict": self.verdict.value,
            "seconds": round(self.seconds, 3),
            "cells": [self._cell(cell, j) for cell, j in self.cells.items()],
            "skipped": {str(cell): why for cell, why in self.skipped.items()},
            "changes": None
            if compared is None
            else [
                {"id": str(c.cell), "text": c.text, "better": c.better}
                for c in compared.changes
            ],
        }

    def _cell(self, cell: CellId, judged: Judged) -> dict[str, Any]:
        tally = judged.tally
        return {
            "id": str(cell),
            "scenario": cell.scenario,
            "tool": cell.tool,
            "policy": cell.policy,
            "word": tally.word.value,
            "text": tally.typical.text,
            "tries": [found.word.value for found in tally.tries],
            "works": list(tally.share(Word.WORKS)),
            "standing": judged.standing.value,
            "why": judged.why,
            "rule": tally.typical.rule,
            "frame": tally.typical.frame,
            "capture": tally.typical.capture,
            "folder": tally.typical.folder,
        }
