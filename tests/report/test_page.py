"""The report says what is to be said, and takes no word of a stranger for its own."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from filterlab.report.explain import NoRun
from filterlab.report.page import render, write_report
from filterlab.report.rule import rule_lines
from tests.report.evening import DOWN, OK, attempt, cell
from tests.report.folder import HOSTILE, INJECTED, POLICY, write_folder


class Reader(HTMLParser):
    """What a browser would make of the page: its tags, and the text between."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """The text as it is read."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def page(tmp_path: Path) -> Reader:
    """The report of the run with hostile names."""
    return Reader(write_report(write_folder(tmp_path)).read_text())


def test_the_answer_is_one_sentence_at_the_top(page: Reader) -> None:
    assert (
        "Could not tell: 1 probe in 2 phases, 1 of 2 attempts got through unharmed,"
        " 1 was blocked (by 1 rule); 1 of 3 expectations met." in page.text
    )


def test_a_failure_says_what_was_seen_done_and_why(page: Reader) -> None:
    assert "then the TLS handshake failed after 0.0 s: the connection was reset" in (
        page.text
    )
    assert "The exchange first (by-2020) cut the connection with a reset" in page.text
    assert f"In the packet stood tls.sni = {HOSTILE}." in page.text
    assert "Frame 3 of first-inside.pcapng" in page.text
    assert "decided here: list" in page.text


def test_what_came_otherwise_than_expected_stands_first(
    page: Reader, tmp_path: Path
) -> None:
    parts = [str(attrs["id"]) for tag, attrs in page.tags if tag == "h2"]
    assert parts[:2] == ["expected", "reasons"]
    met = Reader(render(write_folder(tmp_path, checks=())))
    parts = [str(attrs["id"]) for tag, attrs in met.tags if tag == "h2"]
    assert parts[0] == "reasons"
    assert parts[-2:] == ["expected", "files"]


def test_the_ladder_tells_passed_stopped_and_made(page: Reader) -> None:
    text = page.text
    assert "5 in all, 1 stopped there, 1 made by it" in text
    for words in ("passes after 30 ms", "✕ stops", "✱ made here", "TLS ClientHello"):
        assert words in text


def test_the_recognisers_bytes_stand_in_it(page: Reader) -> None:
    assert f"tls: tls.sni = {HOSTILE}"[:20] in page.text
    assert "recognisers said that it is not theirs" in page.text


def test_the_rules_own_lines_are_marked() -> None:
    files = {"a.yaml": POLICY}
    decision = {"source": "a.yaml:7", "finding": {"tls.sni": "x"}, "action": "reset"}
    lines = rule_lines(decision, files)
    assert [line.number for line in lines] == [7, 8, 9, 10, 11]
    assert [line.number for line in lines if line.spoke] == [10, 11]


def test_no_word_of_a_stranger_becomes_markup(page: Reader) -> None:
    scripts = [attrs for tag, attrs in page.tags if tag == "script"]
    assert len(scripts) == 1  # the page's own
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert all(str(attrs["src"]).startswith("data:image/svg+xml") for attrs in images)
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    assert INJECTED in page.text
    assert HOSTILE in page.text


def test_nothing_is_asked_of_a_network(page: Reader) -> None:
    asked = [
        value or ""
        for tag, attrs in page.tags
        for name, value in attrs.items()
        if name in ("src", "href", "srcset", "data", "action")
    ]
    assert not [one for one in asked if re.match(r"(?:\w+:)?//", one)]
    (policy,) = [
        attrs["content"] or ""
        for tag, attrs in page.tags
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy


def test_every_part_has_a_heading_and_every_table_headers(page: Reader) -> None:
    names = [tag for tag, _ in page.tags]
    assert names.count("h1") == 1
    assert {"header", "nav", "main", "footer"} <= set(names)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in page.tags:
        if tag == "a" and str(attrs.get("href", "")).startswith("#"):
            assert str(attrs["href"])[1:] in ids
        if tag == "th":
            assert attrs["scope"] in ("col", "row")
        if tag == "img":
            assert attrs["alt"]


def test_a_lab_that_failed_is_no_censorship(tmp_path: Path) -> None:
    cells = (cell(OK), cell(attempt(DOWN), phase="later"))
    folder = write_folder(
        tmp_path, cells=cells, phases=("open", "later"), faults=("a switch died",)
    )
    text = Reader(render(folder)).text
    assert "The lab itself failed" in text
    assert "a switch died" in text
    assert "of 1 nothing can be told" in text


def test_what_a_log_holds_is_a_table(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    path = folder / "result.json"
    result = json.loads(path.read_text())
    row = {"probe": "news", "seen": "site", "names": ["a.example", "b.example"]}
    result["exposure"] = [row | {"protocol": None, "bytes_up": 12_345}]
    path.write_text(json.dumps(result))
    text = Reader(render(folder)).text
    assert "probe seen names protocol bytes up" in text
    assert "news site a.example, b.example 12,345" in text


def test_without_setting_and_captures_there_is_a_report_still(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    for path in [*folder.glob("*.pcapng"), folder / "setting.json"]:
        path.unlink()
    assert "reset after hello" in Reader(render(folder)).text


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoRun, match=r"result\.json"):
        write_report(tmp_path)


def test_a_run_that_broke_off_before_its_first_probe_has_a_report(
    tmp_path: Path,
) -> None:
    folder = write_folder(tmp_path)
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**result, "probes": []}))
    assert "Nothing was tried" in Reader(render(folder)).text


def test_what_was_skipped_is_named_with_what_installs_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    result = json.loads((folder / "result.json").read_text())
    skipped = {"probe": "a", "why": "no nebula", "install": "apt-get install nebula"}
    (folder / "result.json").write_text(json.dumps({**result, "skipped": [skipped]}))
    text = Reader(render(folder)).text
    assert "a (no nebula). To install it: apt-get install nebula" in text
