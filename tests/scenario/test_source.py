"""Reading never raises anything but BadInput, and keeps every scalar as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filterlab.scenario import source
from filterlab.scenario.facts import Facts
from filterlab.scenario.load import load
from filterlab.scenario.problem import BadInput, Place, Problem

GOOD = (Path(__file__).parent / "good" / "everything.yaml").read_text()
POLICY = (Path(__file__).parent / "good" / "policy.yaml").read_text()
ANY_FIXTURE = [HealthCheck.function_scoped_fixture]


def outcome(tmp_path: Path, facts: Facts, data: bytes) -> None:
    file = tmp_path / "any.yaml"
    file.write_bytes(data)
    try:
        load(file, facts)
    except BadInput as bad:
        assert bad.problems
        assert "Traceback" not in bad.render()


@settings(max_examples=150, deadline=None, suppress_health_check=ANY_FIXTURE)
@given(data=st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, facts: Facts, data: bytes) -> None:
    outcome(tmp_path, facts, data)


@settings(max_examples=200, deadline=None, suppress_health_check=ANY_FIXTURE)
@given(text=st.text(alphabet="ab:-[]{}&*!|>'\"%@`#?,. \n\t\x85x0~<=", max_size=80))
def test_any_yaml_like_text(tmp_path: Path, facts: Facts, text: str) -> None:
    outcome(tmp_path, facts, text.encode())


WORDS = st.sampled_from(
    ["[]", "{}", "''", "[[a]]", "{a: b}", "-1", "1e400", "9" * 40, "*abroad", "null",
     "http://[", "//", "a:b:c", "٣s", "\u0130x", "[x, [y]]", "{file: /}", "{file: .}"]
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=ANY_FIXTURE)
@given(which=st.sampled_from([GOOD, POLICY]), at=st.integers(0, 400), word=WORDS)
def test_a_sound_file_with_one_value_exchanged(
    tmp_path: Path, facts: Facts, which: str, at: int, word: str
) -> None:
    pieces = which.replace("}", " }").replace(",", " ,").split(" ")
    pieces[at % len(pieces)] = word
    outcome(tmp_path, facts, " ".join(pieces).encode())


def plain(tmp_path: Path, text: str) -> dict[str, object]:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    return source.read(tmp_path / "a.yaml").plain()


@pytest.mark.parametrize("written", ["22:00", "no", "010", "1.10", "1e6", "null", "~"])
def test_scalars_are_texts(tmp_path: Path, written: str) -> None:
    assert plain(tmp_path, f"a: {written}") == {"a": written}
    assert plain(tmp_path, f"{written}: a") == {written: "a"}


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    assert plain(tmp_path, "\ufeffa: b") == {"a": "b"}


def test_aliases_stand_for_what_they_name(tmp_path: Path) -> None:
    text = "a: &one [x, y]\nb: *one\n"
    assert plain(tmp_path, text) == {"a": ["x", "y"], "b": ["x", "y"]}


def test_places_are_exact(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a:\n  - {b: déjà, c: d}\n", encoding="utf-8")
    document = source.read(tmp_path / "a.yaml")
    at = document.place(("a", 0, "c"))
    assert (at.line, at.column, at.width) == (2, 18, 1)
    assert document.place(("a", 0, "c"), on_key=True).column == 15
    assert document.place(("a", 0, "nothing")).line == 2


def test_a_long_line_is_cut_around_its_caret() -> None:
    text = "x" * 400 + "HERE" + "y" * 400
    shown = Problem("hook", Place("f", 1, 401, 4, text), "wrong").render()
    line, caret = (row[8:] for row in shown.splitlines()[1:3])
    assert line[caret.index("^") : caret.rindex("^") + 1] == "HERE"
    assert len(line) < 120


def test_what_is_quoted_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text('title: x\n"\\e[31mred": 1\nrules: []\n')
    with pytest.raises(BadInput) as raised:
        load(file)
    assert "\x1b" not in raised.value.render()
