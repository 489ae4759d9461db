"""Every bad file says what is wrong with it, in exactly the words beside it.

`FILTERLAB_WRITE_GOLDENS=1 pytest tests/scenario/test_bad_input.py` writes the words
anew; read the difference before keeping it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from filterlab.scenario import source
from filterlab.scenario.facts import Facts
from filterlab.scenario.load import load, load_scenario
from filterlab.scenario.problem import KINDS, BadInput

HERE = Path(__file__).parent
BAD = HERE / "bad"
FILES = sorted(path.name for path in BAD.glob("*.yaml"))
WRITE = os.environ.get("FILTERLAB_WRITE_GOLDENS") == "1"


def complaints(file: str, facts: Facts) -> BadInput:
    with pytest.raises(BadInput) as raised:
        load(file, facts)
    return raised.value


def compare(bad: BadInput, golden: Path) -> None:
    text = bad.render() + "\n"
    if WRITE:
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("file", FILES)
def test_says_what_is_wrong(
    file: str, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE)
    compare(complaints(f"bad/{file}", facts), (BAD / file).with_suffix(".txt"))


def _folder(path: Path) -> None:
    path.mkdir()


def _latin(path: Path) -> None:
    path.write_bytes("title: a\ntitel: \xe9t\xe9\n".encode("latin-1"))


def _large(path: Path) -> None:
    path.write_bytes(b"a: b\n" * 2_000_000)


def _nothing(path: Path) -> None:
    pass


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


MADE: dict[str, Callable[[Path], None]] = {
    "made_folder": _folder,
    "made_latin": _latin,
    "made_large": _large,
    "made_missing": _nothing,
    "made_loop": _loop,
}


@pytest.mark.parametrize("name", MADE)
def test_says_why_there_is_nothing_to_read(
    name: str, facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    MADE[name](tmp_path / f"{name}.yaml")
    compare(complaints(f"{name}.yaml", facts), BAD / f"{name}.txt")


@pytest.mark.usefixtures("world")
def test_every_kind_of_problem_has_an_example(
    facts: Facts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = set()
    monkeypatch.chdir(HERE)
    for file in FILES:
        bad = complaints(f"bad/{file}", facts)
        seen |= {problem.kind for problem in bad.problems}
    monkeypatch.chdir(tmp_path)
    for name, make in MADE.items():
        make(tmp_path / f"{name}.yaml")
        bad = complaints(f"{name}.yaml", facts)
        seen |= {problem.kind for problem in bad.problems}
    # The hook is for checks that other rooms make of a scenario that is sound.
    assert seen == KINDS - {"hook"}


def test_every_golden_has_its_file() -> None:
    goldens = {path.stem for path in BAD.glob("*.txt")}
    assert goldens == {Path(file).stem for file in FILES} | set(MADE)


@pytest.mark.parametrize(
    "golden", sorted(BAD.glob("*.txt")), ids=lambda path: path.stem
)
def test_no_golden_speaks_python(golden: Path) -> None:
    words = r"Traceback|<class|\b(NoneType|dict|pydantic|ValueError|str|int)\b"
    assert not re.search(words, golden.read_text())


@pytest.mark.usefixtures("world")
def test_all_problems_come_in_the_order_of_the_file(
    facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE)
    bad = complaints("bad/unknown_key_everywhere.yaml", facts)
    lines = [problem.place.line for problem in bad.problems]
    assert len(lines) >= 3
    assert lines == sorted(lines)


def test_a_file_too_large_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(*_: object, **__: object) -> None:
        raise AssertionError("the file was parsed")

    monkeypatch.setattr("yaml.parse", parse)
    _large(tmp_path / "large.yaml")
    with pytest.raises(BadInput, match="too large"):
        source.read(tmp_path / "large.yaml")


def test_a_bomb_is_refused_before_it_goes_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expanded, the file would hold 10 ** 9 values; the reader makes a few dozen."""
    made = []

    class CountedText(source.Text):
        def __init__(self, *values: object) -> None:
            made.append(values)
            super().__init__(*values)  # type: ignore[arg-type]

    monkeypatch.setattr(source, "Text", CountedText)
    with pytest.raises(BadInput, match="too much"):
        source.read(BAD / "alias_bomb.yaml")
    assert len(made) < 100


@pytest.mark.usefixtures("world")
def test_policies_of_a_scenario_are_checked_with_it(
    facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE)
    with pytest.raises(BadInput) as raised:
        load_scenario("bad/policy_with_a_problem.yaml", facts)
    files = {Path(problem.place.file).name for problem in raised.value.problems}
    assert files == {"policy_with_a_problem.yaml", "broken.yaml"}
