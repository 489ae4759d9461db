"""A matrix as JUnit, as GitHub reads it, and on a terminal."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from filterlab.matrix.baseline import compare
from filterlab.matrix.expected import Entry, judge
from filterlab.matrix.finding import Untooled, Word
from filterlab.matrix.github import tell
from filterlab.matrix.junit import write_junit
from filterlab.matrix.summary import Summary
from filterlab.matrix.view import View, print_summary
from tests.matrix.cells import cell, finding, several, tally

TALLIES = (
    tally([Word.WORKS], cell=cell("ssh"), untooled=Untooled(True, "ok")),
    tally([Word.BLOCKED], cell=cell("openvpn-udp")),
    tally([Word.BLOCKED], cell=cell("http-proxy")),
    tally([Word.UNKNOWN], cell=cell("tor"), why="its bridge: 50 % lost\nfor ever"),
)
ENTRIES = [Entry(tool="http-proxy", xfail="as it was meant to be")]


@pytest.fixture
def summary() -> Summary:
    cells = {one.cell: judge(one, ENTRIES) for one in TALLIES}
    skipped = {cell("nebula"): "nebula missing; apt-get install nebula"}
    return Summary(cells, skipped, seconds=3.25, folder=Path("runs/matrix-1"))


def test_junit_has_a_case_with_a_stable_id_for_each_cell(
    summary: Summary, tmp_path: Path
) -> None:
    write_junit(summary, tmp_path / "sub" / "junit.xml")
    suite = ElementTree.parse(tmp_path / "sub" / "junit.xml").getroot()
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "5", "failures": "1", "errors": "1", "skipped": "2"}
    told = {case.get("name"): [part.tag for part in case] for case in suite}
    assert told == {
        "matrix::ssh::cn-sni-rst": ["system-out"],
        "matrix::openvpn-udp::cn-sni-rst": ["failure"],
        "matrix::http-proxy::cn-sni-rst": ["skipped"],
        "matrix::tor::cn-sni-rst": ["error"],
        "matrix::nebula::cn-sni-rst": ["skipped"],
    }
    failure = suite.find(".//failure")
    assert failure is not None
    assert "frame 1,412" in str(failure.get("message"))


def test_junit_can_hold_what_a_tool_says(tmp_path: Path) -> None:
    odd = tally([Word.UNKNOWN], why="\x1b[31mred\x00\x0b, at last\ud800")
    write_junit(Summary({odd.cell: judge(odd, None)}), tmp_path / "junit.xml")
    error = ElementTree.parse(tmp_path / "junit.xml").getroot().find(".//error")
    assert error is not None
    assert error.get("message") == "[31mred, at last"


def test_beside_a_baseline_only_a_change_fails(tmp_path: Path) -> None:
    now = {cell("ssh"): several(0, 1), cell("tor"): several(0, 1)}
    before = {cell("ssh"): several(1, 0), cell("tor"): several(0, 1)}
    judged = {place: judge(one, []) for place, one in now.items()}
    compared = Summary(judged, comparison=compare(before, now))
    write_junit(compared, tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert suite.get("failures") == "1"


def test_github_gets_annotations_and_a_page(summary: Summary, tmp_path: Path) -> None:
    page = tmp_path / "summary.md"
    told = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(page)}
    lines = list(tell(summary, told))
    title = "title=matrix%3A%3Aopenvpn-udp%3A%3Acn-sni-rst"
    assert lines[0].startswith(f"::error {title}::expected works, got blocked: reset")
    assert lines[1].endswith("::its bridge: 50 %25 lost%0Afor ever")
    assert lines[2] == (
        "::warning title=nebula::skipped: nebula missing; apt-get install nebula"
    )
    text = page.read_text()
    assert "| ssh | works |" in text
    assert "| openvpn-udp | **blocked**<br>reset after hello |" in text
    assert list(tell(summary, {})) == []


def test_github_gets_no_more_than_it_shows(tmp_path: Path) -> None:
    many = [tally([Word.BLOCKED], cell=cell(f"tool{n}")) for n in range(30)]
    summary = Summary({one.cell: judge(one, []) for one in many})
    lines = list(tell(summary, {"GITHUB_ACTIONS": "true"}))
    assert len(lines) == 10


def test_the_terminal_says_what_a_colour_says(summary: Summary) -> None:
    said = io.StringIO()
    print_summary(summary, Console(file=said, width=120))
    text = said.getvalue()
    for words in (
        "could not tell",
        "expected works, got blocked",
        "known: as it was meant to be",
        "skipped: nebula: nebula missing; apt-get install nebula",
        "the page itself is not blocked by cn-sni-rst",
        "not as expected · 4 cells: 1 works, 2 blocked, 1 could not tell · 3.2 s",
    ):
        assert words in text


@pytest.mark.parametrize("terminal", [True, False])
def test_cells_are_shown_as_they_come(terminal: bool) -> None:
    said = io.StringIO()
    console = Console(file=said, width=120, force_terminal=terminal)
    view = View(console, [cell(), cell("ssh")], 2)
    with view.open():
        view.known(finding(Word.BLOCKED), before=False)
        view.known(finding(cell=cell("ssh")), before=True)
    text = said.getvalue()
    assert "blocked" in text
    assert "2 of 2" in text if terminal else "known before" in text
