"""Makes the table of programs and recognisers: what was found, missed, or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from filterlab.trials.reading import Counted
from filterlab.trials.trial import Trial
from filterlab.trials.truth import TRUTH

FOUND, MISSED, WRONG = "found", "missed", "wrong"
_HEAD = """\
# Recognisers and real programs

Each program fetched a page across an exchange of the lab, with no policy in force;
every recogniser was given what passed on the censored side, between the client and
the program's own hosts. **found**: what the program is, and was recognised as.
**missed**: what it is, and was not recognised as. **wrong**: what it was taken for,
and is not; where a program plays another protocol, that is what it is made for. What
looks random gives another answer now and then; what a recogniser is known to mistake
stands in its own file.

Made on {day} by `{command}`.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One program's line: its cells by protocol."""

    trial: Trial
    counted: Counted
    cells: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """For recognisers.json."""
        return {
            "program": self.trial.name,
            "versions": self.trial.versions,
            "failure": self.trial.failure,
            "flows": self.counted.flows,
            "found_in": self.counted.found,
            "cells": self.cells,
        }


def row_of(trial: Trial, counted: Counted) -> Row:
    """Judge what was found in a program's flows by what it is.

    One that did not get through is not judged: it may not have said who it is.
    """
    if trial.failure or not trial.captured:
        return Row(trial, counted, {})
    truth = TRUTH.get(trial.name, frozenset())
    cells = {}
    for protocol in sorted(truth | set(counted.found)):
        is_found = protocol in counted.found
        cells[protocol] = WRONG if protocol not in truth else MISSED
        if is_found and protocol in truth:
            cells[protocol] = FOUND
    return Row(trial, counted, cells)


def summary(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """How often each protocol was found, missed and wrong, over all programs."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        for protocol, cell in row.cells.items():
            of = counts.setdefault(protocol, {FOUND: 0, MISSED: 0, WRONG: 0})
            of[cell] += 1
    return dict(sorted(counts.items()))


def markdown(
    rows: Sequence[Row], command: str, day: date, others: Sequence[str]
) -> str:
    """The page with both tables; `others` are protocols that nothing was taken for."""
    counts = summary(rows)
    tried = [row for row in rows if not row.trial.failure]
    lines = [_HEAD.format(day=day.isoformat(), command=command)]
    lines += ["| protocol | found | missed | wrong |", "|---|---|---|---|"]
    for protocol, of in counts.items():
        numbers = " | ".join(str(of[cell]) for cell in (FOUND, MISSED, WRONG))
        lines.append(f"| {protocol} | {numbers} |")
    if others:
        silent = ", ".join(others)
        lines += ["", f"Of no program, and found in none: {silent}."]
    lines += [
        "",
        "| program | flows | found | missed | wrong |",
        "|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in tried]
    failed = [row.trial for row in rows if row.trial.failure]
    if failed:
        lines += ["", "Not captured, or captured without reaching the page:", ""]
        lines += [f"- {trial.name}: {trial.failure}" for trial in failed]
    lines += ["", "## Versions", "", "| program | packages |", "|---|---|"]
    lines += [f"| {row.trial.name} | {row.trial.versions} |" for row in tried]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    def those(cell: str) -> str:
        return ", ".join(p for p, said in row.cells.items() if said == cell)

    cells = " | ".join(those(cell) for cell in (FOUND, MISSED, WRONG))
    return f"| {row.trial.name} | {row.counted.flows} | {cells} |"
