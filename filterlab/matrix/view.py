"""A matrix on a terminal: a table that fills while it is played, or plain lines.

Colour is an addition only: every cell says its word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from filterlab.matrix.finding import CellId, Finding, Word
from filterlab.matrix.summary import Summary
from filterlab.matrix.tally import Tally, tallies
from filterlab.report.result import Verdict
from filterlab.report.terminal import short

STYLES = {
    Word.WORKS: "green",
    Word.SLOW: "yellow",
    Word.BLOCKED: "red",
    Word.EXPOSED: "bold red",
    Word.UNKNOWN: "magenta",
}
_VERDICT_STYLES = {
    Verdict.AS_EXPECTED: "bold green",
    Verdict.NOT_AS_EXPECTED: "bold red",
    Verdict.COULD_NOT_TELL: "bold magenta",
}


class View:
    """Shows each cell when it is known: in a live table, or in a line."""

    def __init__(self, console: Console, cells: Sequence[CellId], tries: int) -> None:
        self._console = console
        self._cells = cells
        self._tries = tries
        self._found: list[Finding] = []
        self._live: Live | None = None

    @contextmanager
    def open(self) -> Iterator[View]:
        """Show what comes, until the block ends."""
        if not self._console.is_terminal:
            yield self
            return
        with Live(console=self._console, transient=True, auto_refresh=False) as live:
            self._live = live
            self._refresh()
            yield self

    def known(self, finding: Finding, before: bool) -> None:
        """A cell's try is known."""
        self._found.append(finding)
        if self._live is not None:
            self._refresh()
            return
        line = Text(f"{finding.cell}  ")
        line.append(finding.word.value, STYLES[finding.word])
        if self._tries > len(self._cells):
            line.append(f"  (try {finding.number})")
        if text := short(finding.text):
            line.append(f"  {text}", "dim")
        line.append("  known before" if before else f"  {finding.seconds:.1f} s", "dim")
        self._console.print(line, soft_wrap=True)

    def _refresh(self) -> None:
        assert self._live is not None
        self._live.update(self._table_and_count(), refresh=True)

    def _table_and_count(self) -> Table:
        table = cell_table(self._cells, tallies(self._found))
        table.caption = f"{len(self._found)} of {self._tries}"
        return table


def cell_table(cells: Iterable[CellId], known: Mapping[CellId, Tally]) -> Table:
    """Tools down, policies across; a scenario's name stands with its tools."""
    cells = list(cells)
    scenarios = list(dict.fromkeys(cell.scenario for cell in cells))
    policies = list(dict.fromkeys(cell.policy for cell in cells))
    tools = list(dict.fromkeys(cell.tool for cell in cells))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for policy in policies:
        table.add_column(policy, overflow="fold")
    for scenario in scenarios:
        for tool in tools:
            row = [known.get(CellId(scenario, tool, policy)) for policy in policies]
            name = tool if len(scenarios) == 1 else f"{scenario}: {tool}"
            table.add_row(name, *map(_cell, row))
    return table


def _cell(tally: Tally | None) -> Text:
    if tally is None:
        return Text("...", "dim")
    text = Text(tally.text, STYLES[tally.word])
    if tally.word is not Word.WORKS and (how := tally.typical.how):
        text.append(f"\n{how}", "dim")
    return text


def print_summary(summary: Summary, console: Console) -> None:
    """The table, why cells are not well, what was skipped, and the verdict."""
    known = {cell: judged.tally for cell, judged in summary.cells.items()}
    console.print(cell_table(known, known))
    _print_reasons(summary, console)
    _print_without_control(known, console)
    for tool, why in {c.tool: why for c, why in summary.skipped.items()}.items():
        console.print(Text(f"skipped: {tool}: {why}", "yellow"), soft_wrap=True)
    _print_comparison(summary, console)
    console.print()
    line = Text(closing_line(summary), _VERDICT_STYLES[summary.verdict])
    console.print(line, soft_wrap=True)


def _print_reasons(summary: Summary, console: Console) -> None:
    for cell, judged in summary.cells.items():
        tally = judged.tally
        if tally.word is Word.WORKS and judged.met:
            continue
        console.print()
        head = Text.assemble((str(cell), "bold"), "  ")
        head.append(tally.text, STYLES[tally.word])
        console.print(head, soft_wrap=True)
        for line in (short(tally.typical.text), judged.why if not judged.met else ""):
            if line and line != tally.typical.why:
                console.print(Text(f"  {line}", "dim"), soft_wrap=True)
        if judged.standing.value == "known not to work":
            console.print(Text(f"  known: {judged.why}", "dim"), soft_wrap=True)


def _print_without_control(known: Mapping[CellId, Tally], console: Console) -> None:
    """Which policies do not block the page: there the tool itself is what is tested."""
    open_ = dict.fromkeys(
        cell.policy
        for cell, tally in known.items()
        if (alone := tally.typical.untooled) is not None and alone.reached
    )
    if open_:
        console.print()
        text = (
            f"the page itself is not blocked by {', '.join(open_)}:"
            " there a cell says only what becomes of the tool"
        )
        console.print(Text(text, "dim"), soft_wrap=True)


def _print_comparison(summary: Summary, console: Console) -> None:
    compared = summary.comparison
    if compared is None:
        return
    console.print()
    for change in compared.changes:
        style = "green" if change.better else "red"
        console.print(Text(f"changed: {short(change.text)}", style), soft_wrap=True)
    for change in compared.otherwise:
        text = f"for another reason: {short(change.text)}"
        console.print(Text(text, "dim"), soft_wrap=True)
    for says, cells in (
        ("not in the baseline", compared.new),
        ("only in the baseline", compared.gone),
        ("could not tell this time", compared.untold),
    ):
        if cells:
            console.print(Text(f"{says}: {', '.join(map(str, cells))}", "dim"))
    if not compared.changes:
        console.print("nothing has changed since the baseline")


def closing_line(summary: Summary) -> str:
    """The verdict in one line."""
    words = [judged.tally.word for judged in summary.cells.values()]
    counted = [f"{words.count(word)} {word.value}" for word in Word if word in words]
    return (
        f"{summary.verdict.value} · {len(words)} cells: {', '.join(counted)}"
        f" · {summary.seconds:.1f} s · {summary.folder}/"
    )
