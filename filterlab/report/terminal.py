"""What a run looks like on a terminal: lines while it goes, a table at its end.

Colour is an addition only: every cell says in words what its colour says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from filterlab.report.cell import Cell
from filterlab.report.detection import detection_table
from filterlab.report.exposure import exposure_table
from filterlab.report.result import Result, Verdict

_STYLES = {
    "ok": "green",
    "throttled": "yellow",
    "down": "magenta",
    "unknown": "magenta",
}
_VERDICT_STYLES = {
    Verdict.AS_EXPECTED: "bold green",
    Verdict.NOT_AS_EXPECTED: "bold red",
    Verdict.COULD_NOT_TELL: "bold magenta",
}


class Narrator:
    """Says on standard error what a run is doing, as it happens."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def title(self, text: str) -> None:
        """The scenario's name."""
        self._console.print(Text(text, "bold"))

    def note(self, text: str) -> None:
        """One line about the lab itself."""
        self._console.print(Text(text, "dim"))

    def phase(self, name: str, policies: str) -> None:
        """A phase begins."""
        self._console.print(Text.assemble((name, "bold"), ("  " + policies, "dim")))

    def probe(self, cell: Cell) -> None:
        """A probe has finished."""
        label = cell_text(cell)
        line = Text("  ")
        line.append(f"{cell.probe:<26} ")
        line.append_text(label)
        line.append(f"  {cell.typical.result.seconds:.1f} s", "dim")
        if cell.strategy is not None:
            line.append(f"  with {cell.strategy}", "dim")
        self._console.print(line)


def cell_text(cell: Cell) -> Text:
    """A cell in words, coloured by what they mean."""
    outcome = cell.outcome
    text = outcome.label
    if len(cell.attempts) > 1:
        text = f"{cell.reached} of {len(cell.attempts)} reached; mostly {text}"
    return Text(text, _STYLES.get(outcome.outcome, "red"))


def print_result(result: Result, console: Console) -> None:
    """The table probe x phase, the rules that decided, and the verdict."""
    console.print()
    console.print(_table(result.cells, result.phases))
    _print_reasons(result, console)
    if rows := result.exposure:
        console.print()
        console.print(exposure_table(rows, result.phases))
    for detection in result.detections:
        console.print()
        console.print(detection_table(detection))
    _print_unmet(result, console)
    console.print()
    for one in result.skipped:
        console.print(Text(one.text, "yellow"))
    console.print(Text(closing_line(result), _VERDICT_STYLES[result.verdict]))


def closing_line(result: Result) -> str:
    """The verdict in one line, with where the evidence lies."""
    met = sum(check.met is True for check in result.checks)
    skipped = f", {len(result.skipped)} skipped" if result.skipped else ""
    return (
        f"{result.verdict.value}, {met} of {len(result.checks)}{skipped}"
        f" · seed {result.seed} · {result.folder}/ ({', '.join(result.evidence)})"
    )


def _table(cells: Sequence[Cell], phases: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    table.add_column("", overflow="fold")
    for phase in phases:
        table.add_column(phase, overflow="fold")
    by_place = {(cell.probe, cell.phase): cell for cell in cells}
    for probe in dict.fromkeys(cell.probe for cell in cells):
        row = [by_place.get((probe, phase)) for phase in phases]
        table.add_row(probe, *map(_cell_and_rule, row))
    return table


def _cell_and_rule(cell: Cell | None) -> Text:
    """What a table's cell holds: the outcome, and below it the rule that did it."""
    if cell is None:
        return Text("-")
    text = cell_text(cell)
    if cell.typical.rule is not None:
        text.append(f"\n{cell.typical.rule}", "dim")
    return text


def _print_reasons(result: Result, console: Console) -> None:
    """Why cells were not ok: what came of which probes, and the rule behind it."""
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in result.cells:
        if cell.outcome.outcome != "ok":
            reason = cell.typical.decided_by or cell.outcome.why
            key = cell.phase, cell.outcome.label, reason
            groups.setdefault(key, []).append(cell)
    order = list(result.phases)
    for phase, label, reason in sorted(groups, key=lambda key: order.index(key[0])):
        cells = groups[phase, label, reason]
        console.print()
        line = Text.assemble((phase, "bold"), "  ", cell_text(cells[0]), "  ")
        line.append(", ".join(cell.probe for cell in cells))
        console.print(line)
        detail = result.detail_of(cells[0])
        console.print(Text(f"  {short(reason)}  {detail}".rstrip(), "dim"))
    lost, innocent = result.collateral
    console.print()
    if not innocent:
        console.print("collateral: not measured, no probe is innocent")
    else:
        console.print(f"collateral: {lost} of {innocent} innocent visits lost")
        by_phase = result.collateral_by_phase.items()
        parts = [f"{phase} {lost} of {of}" for phase, (lost, of) in by_phase if lost]
        if len(parts) > 1:
            console.print(Text(f"  {', '.join(parts)}", "dim"))


def short(reason: str) -> str:
    """A rule's place without its folders: by-2020.yaml:14 instead of a whole path."""
    return re.sub(r"[^ (]*/([^/ ]+\.yaml:)", r"\1", reason)


def _print_unmet(result: Result, console: Console) -> None:
    unmet = [check for check in result.checks if check.met is not True]
    for fault in result.faults:
        console.print()
        console.print(Text(f"the lab failed: {fault}", "magenta"))
    if not unmet:
        return
    console.print()
    for check in unmet:
        mark = "could not tell" if check.met is None else "not met"
        console.print(Text(f"{check.source}: {mark}: {check.text}", "red"))
        console.print(Text(f"    {check.why}"))
