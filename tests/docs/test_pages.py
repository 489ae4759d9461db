"""What the documentation tells people to write and to run is sound, and runs.

What needs namespaces is in `tests/seal/test_docs.py`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from filterlab.cli import app
from filterlab.inspection.flow import UDP
from filterlab.inspection.recogniser import NEED_DATA, NOT_MINE, Direction, Reading
from filterlab.runner.catalogue import examine
from filterlab.scenario.policies import load_policy
from filterlab.scenario.strategies import load_strategy
from filterlab.tools.tool import load_tool
from tests.docs.blocks import DOCS, ROOT, Block, blocks, follow, name_of, pages

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
# What `./lab` does by itself.
BY_LAB = {"test", "docs"}
# It has a test of its own: its YAML is a workflow's, too.
ELSEWHERE = {"test-your-tool-in-ci"}
KINDS = {
    "scenario": examine,
    "policy": load_policy,
    "tool": load_tool,
    "strategy": load_strategy,
}
MARKS = {"topology": "scenario", "rules": "policy", "enters": "tool", "dna": "strategy"}
YAML = [
    pytest.param(page, block, id=f"{name_of(page)}:{block.line}")
    for page in pages()
    if name_of(page) not in ELSEWHERE
    for block in blocks(page, "yaml")
]
WITH_COMMANDS = [
    page
    for page in pages()
    if any(b.commands for b in blocks(page, "console") if "sealed" not in b.words)
]


def test_the_pages_have_what_the_other_tests_look_for() -> None:
    assert len(YAML) > 5
    assert len(WITH_COMMANDS) > 5


def kind_of(block: Block) -> str | None:
    """What a block is: by the word on its fence, or by its keys."""
    for word in block.words:
        if word in KINDS:
            return word
    written = yaml.safe_load(block.text)
    keys = written if isinstance(written, dict) else {}
    return next((kind for mark, kind in MARKS.items() if mark in keys), None)


def within_a_scenario(block: Block) -> Block:
    """Probes alone, in the country that the page about scenarios begins with."""
    country, *_ = blocks(DOCS / "write-a-scenario.md", "yaml")
    before, _, _ = country.text.partition("probes:")
    return replace(block, text=before + block.text)


@pytest.mark.parametrize(("page", "block"), YAML)
def test_each_yaml_is_sound(page: Path, block: Block, tmp_path: Path) -> None:
    # What a file names beside it stands on the same page.
    for other in blocks(page, "yaml", "python"):
        if other.file is not None and other.line <= block.line:
            (tmp_path / other.file).write_text(other.text)
    for other in blocks(page, "python"):
        if other.file is not None:
            (tmp_path / other.file).write_text(other.text)
    kind = kind_of(block)
    written = yaml.safe_load(block.text)
    if kind is None and isinstance(written, dict) and "probes" in written:
        kind, block = "scenario", within_a_scenario(block)
    if kind is not None:
        file = tmp_path / (block.file or "block.yaml")
        file.write_text(block.text)
        KINDS[kind](file)


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_each_cheap_command_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def run(words: list[str]) -> tuple[int, str]:
        # In this process: a command of a page takes less than its imports do.
        done = CliRunner().invoke(app, words)
        return done.exit_code, f"{done.output}{done.exception or ''}"

    assert follow(page, tmp_path, sealed=False, run=run)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_each_command_and_its_options_exist(page: Path) -> None:
    for block in blocks(page, "sh", "console"):
        for words in block.commands:
            if words[0] in BY_LAB or words[0].startswith("-"):
                continue
            assert words[0] in COMMANDS, words
            own = words[: words.index("--")] if "--" in words else words
            given = {w.partition("=")[0] for w in own if w.startswith("--")}
            known = {o for p in COMMANDS[words[0]].params for o in p.opts}
            assert given <= known | {"--help"}, words


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_each_scenario_that_a_text_runs_is_there(page: Path) -> None:
    named = re.findall(r"`(?:\./lab|filterlab) run (scenarios/\S+?)`", page.read_text())
    for name in named:
        assert (ROOT / name).is_file(), name


def test_each_page_names_files_that_there_are() -> None:
    folders = "filterlab|tests|scenarios|topologies|controllers|docs"
    for page in pages():
        for name in re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text()):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_the_recogniser_of_the_page_recognises() -> None:
    (block,) = (
        block
        for block in blocks(DOCS / "contribute" / "a-recogniser.md", "python")
        if "recogniser" in block.words
    )
    space: dict[str, type] = {}
    exec(block.text, space)
    one = space["Echo"](UDP, Reading())
    assert one.feed(Direction.TO_SERVER, b"hello") is NEED_DATA
    assert one.feed(Direction.TO_CLIENT, b"hello").protocol == "echo"
    assert space["Echo"](UDP, Reading()).feed(Direction.TO_CLIENT, b"x") is NOT_MINE


def test_the_function_of_the_page_takes_what_it_is_given() -> None:
    (block,) = (b for b in blocks(DOCS / "write-a-policy.md", "python") if b.file)
    space: dict[str, object] = {}
    exec(block.text, space)
    recognise = space["recognise"]
    assert callable(recognise)
    assert recognise({}, b"\xff" * 300) is True
    assert recognise({}, b"") is False
