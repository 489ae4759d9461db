"""What a terminal shows: all of it at 80 columns, and the same without colour."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from filterlab.report.result import Result
from filterlab.report.terminal import Narrator, cell_text, print_result
from tests.report.evening import DOWN, OK, RESET, SLOW, UNKNOWN, cell, check, result

PHASES = ("open", "blocking", "throttling", "shutdown")
NAMES = ("news", "news over shadowsocks", "a-very-long-name-without-any-space-in-it")
SHUT = replace(RESET, label="no route", why="tcp failed", decisions=())


def shown(made: Result, width: int = 80, colour: bool = False) -> str:
    said = io.StringIO()
    console = Console(
        file=said,
        width=width,
        force_terminal=colour,
        highlight=False,
        legacy_windows=False,
    )
    print_result(made, console)
    return said.getvalue()


def an_evening(folder: Path) -> Result:
    cells = [
        cell(outcome, probe=name, phase=phase)
        for name in NAMES
        for phase, outcome in zip(PHASES, (OK, RESET, SLOW, SHUT), strict=True)
    ]
    return result(folder, phases=PHASES, cells=tuple(cells))


@pytest.mark.parametrize("width", [80, 60, 200])
def test_nothing_is_cut(tmp_path: Path, width: int) -> None:
    said = shown(an_evening(Path("runs/election-1")), width)
    assert max(map(len, said.splitlines())) <= width
    assert "\u2026" not in said  # rich's sign for what it has cut
    table = said.partition("\n\n")[0]
    for word in ("reset", "after", "hello", "142", "9,300", "kbit/s", "route"):
        assert table.count(word) == len(NAMES)
    for phase in PHASES:
        assert phase in table
    squeezed = "".join(said.split())
    for name in NAMES:
        assert "".join(name.split()) in squeezed


def test_colour_only_adds(tmp_path: Path) -> None:
    made = an_evening(Path("runs/election-1"))
    plain, coloured = shown(made), shown(made, colour=True)
    assert "\x1b[" not in plain
    assert "\x1b[" in coloured
    for outcome in (OK, RESET, SLOW, DOWN, UNKNOWN):
        assert cell_text(cell(outcome)).plain == outcome.label


def test_repeats_are_counted() -> None:
    said = cell_text(cell(OK, OK, RESET)).plain
    assert said == "2 of 3 reached; mostly ok"


def test_reasons_are_told_once_for_all_probes_that_met_them(tmp_path: Path) -> None:
    said = shown(an_evening(Path("runs/election-1")), 200)
    assert said.count('by-2020.yaml:14 "list"  frame 412') == 1
    assert "a/by-2020" not in said.partition("\n\n")[2].split("as expected")[0]
    assert "as expected, 1 of 1 · seed 7 · runs/election-1/" in said


def test_what_is_not_as_expected_says_where_and_why(tmp_path: Path) -> None:
    made = result(
        tmp_path,
        checks=(check(True), check(False), check(None)),
        faults=("the controller ended\n    | ZeroDivisionError",),
    )
    said = shown(made, 200)
    assert "election.yaml:30: not met: news comes to ok during open" in said
    assert "election.yaml:30: could not tell: news comes to ok during open" in said
    assert said.count("because it is so") == 2
    assert "the lab failed: the controller ended" in said
    assert "    | ZeroDivisionError" in said
    assert "could not tell, 1 of 3" in said


def test_a_run_without_any_cell_has_its_say(tmp_path: Path) -> None:
    said = shown(result(tmp_path, cells=(), faults=("no network",)))
    assert "the lab failed: no network" in said


def test_markup_in_names_is_text(tmp_path: Path) -> None:
    made = result(tmp_path, cells=(cell(RESET, probe="[red]news[/red]"),))
    assert "[red]news[/red]" in shown(made, 200)


def test_progress_is_plain_lines_elsewhere() -> None:
    said = io.StringIO()
    narrator = Narrator(Console(file=said, width=80, highlight=False))
    narrator.title("An [election]")
    narrator.note("sealed, without root")
    narrator.phase("blocking", "first: by-2020")
    narrator.probe(cell(RESET))
    lines = said.getvalue().splitlines()
    assert lines[:3] == [
        "An [election]",
        "sealed, without root",
        "blocking  first: by-2020",
    ]
    assert lines[3].split() == ["news", "reset", "after", "hello", "0.1", "s"]
