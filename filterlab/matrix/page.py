"""Makes `report.html` of a matrix's folder: the heat map of tools and policies.

One file like the report of a run, and of the same making; what comes from tools and
the wire is escaped. A cell says its word, its sign and its rate; the bar below is as
long as the share of tries that worked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterlab.matrix.finding import CellId, Word
from filterlab.matrix.matrix import MATRIX
from filterlab.matrix.record import read
from filterlab.matrix.tally import Tally, tallies
from filterlab.report.page import REPORT, environment
from filterlab.report.terminal import short

# The kinds of the report of a run, which its styles know; signs need no colour.
KINDS = {
    Word.WORKS: "ok",
    Word.SLOW: "slow",
    Word.BLOCKED: "blocked",
    Word.EXPOSED: "blocked",
    Word.UNKNOWN: "unknown",
}
SIGNS = {
    Word.WORKS: "✓",
    Word.SLOW: "≈",
    Word.BLOCKED: "✕",
    Word.EXPOSED: "◉",
    Word.UNKNOWN: "?",
}


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of the heat map."""

    cell: CellId
    tally: Tally
    anchor: str
    standing: str

    @property
    def word(self) -> str:
        """What it came to."""
        return self.tally.word.value

    @property
    def kind(self) -> str:
        """How it looks."""
        return KINDS[self.tally.word]

    @property
    def sign(self) -> str:
        """The same without colour."""
        return SIGNS[self.tally.word]

    @property
    def rate(self) -> str:
        """How many of the tries that tell anything worked, and how sure that is."""
        works, told = self.tally.share(Word.WORKS)
        if not told:
            return ""
        low, high = self.tally.interval(Word.WORKS)
        sure = f", {low:.0%} to {high:.0%}" if told > 1 else ""
        return f"{works} of {told}{sure}"

    @property
    def percent(self) -> int:
        """The share of tries that worked, for the bar."""
        works, told = self.tally.share(Word.WORKS)
        return round(100 * works / told) if told else 0

    @property
    def how(self) -> str:
        """In two words, what happened to it."""
        return "" if self.tally.word is Word.WORKS else self.tally.typical.how


def write_report(folder: Path) -> Path:
    """Make the report of a matrix, anew if there is one; raises Refusal."""
    path = folder / REPORT
    path.write_text(render(folder), "utf-8")
    return path


def render(folder: Path) -> str:
    """The report of a matrix as HTML; raises Refusal."""
    known = tallies(read(folder))
    summary = _summary(folder)
    standings = {one["id"]: one["standing"] for one in summary.get("cells", ())}
    cells = {
        cell: HeatCell(cell, tally, f"cell-{n}", standings.get(str(cell), ""))
        for n, (cell, tally) in enumerate(known.items(), start=1)
    }
    return (
        environment()
        .get_template("matrix.html")
        .render(
            answer=answer(cells, summary),
            cells=list(cells.values()),
            rows=_rows(cells),
            policies=list(dict.fromkeys(cell.policy for cell in cells)),
            skipped=_skipped(summary),
            changes=summary.get("changes"),
            short=short,
            exists=lambda name: bool(name) and (folder / name).exists(),
        )
    )


def _summary(folder: Path) -> dict[str, Any]:
    """`matrix.json`, which an interrupted matrix has not."""
    path = folder / MATRIX
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def answer(cells: Mapping[CellId, HeatCell], summary: Mapping[str, Any]) -> str:
    """The whole matrix in one sentence."""
    words = Counter(cell.tally.word for cell in cells.values())
    tools = len({(cell.scenario, cell.tool) for cell in cells})
    policies = len({cell.policy for cell in cells})
    said = ", ".join(f"{words[word]} {word.value}" for word in Word if words[word])
    verdict = str(summary.get("verdict", "not finished")).capitalize()
    return (
        f"{verdict}: {_counted(tools, 'tool')} under"
        f" {_counted(policies, 'policy')}, {_counted(len(cells), 'cell')}"
        f"{': ' + said if said else ''}."
    )


def _counted(count: int, what: str) -> str:
    if count == 1:
        return f"1 {what}"
    return f"{count} {what[:-1]}ies" if what.endswith("y") else f"{count} {what}s"


def _rows(
    cells: Mapping[CellId, HeatCell],
) -> list[tuple[str, list[HeatCell | None]]]:
    """A row for each tool, a place in it for each policy."""
    scenarios = {cell.scenario for cell in cells}
    policies = list(dict.fromkeys(cell.policy for cell in cells))
    found = []
    for scenario, tool in dict.fromkeys((cell.scenario, cell.tool) for cell in cells):
        name = tool if len(scenarios) == 1 else f"{scenario}: {tool}"
        row = [cells.get(CellId(scenario, tool, policy)) for policy in policies]
        found.append((name, row))
    return found


def _skipped(summary: Mapping[str, Any]) -> dict[str, str]:
    """Tools that were not tried, and why."""
    skipped = summary.get("skipped", {})
    return {cell.split("::")[1]: why for cell, why in skipped.items()}
