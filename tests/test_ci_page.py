"""The page "Test your tool in CI" and the action parse, and name what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from filterlab.cli import app
from filterlab.matrix.expected import load_expected
from filterlab.scenario import content
from filterlab.tools.tool import load_tool

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "test-your-tool-in-ci.md").read_text()
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def options() -> set[str]:
    """The options of `filterlab matrix`."""
    command = typer.main.get_command(app)
    matrix = command.commands["matrix"]  # type: ignore[attr-defined]
    return {word for one in matrix.params for word in one.opts}


def test_the_workflow_is_ten_lines_and_gives_the_action_what_it_takes() -> None:
    text = blocks("yaml")[0]
    assert len(text.splitlines()) == 10
    step = yaml.safe_load(text)["jobs"]["matrix"]["steps"][-1]
    assert set(step["with"]) <= set(ACTION["inputs"])
    required = {n for n, one in ACTION["inputs"].items() if one.get("required")}
    assert required <= set(step["with"])
    for pattern in step["with"]["policies"].split(","):
        assert any(name.startswith(pattern[:-1]) for name in content.policies())


def test_the_tool_and_the_expectations_can_be_read(tmp_path: Path) -> None:
    _, tool, expect = blocks("yaml")
    (tmp_path / "mytool.yaml").write_text(tool)
    (tmp_path / "expect.yaml").write_text(expect)
    assert load_tool(tmp_path / "mytool.yaml").file.enters.socks5 == ("127.0.0.1", 1080)
    entries = load_expected(tmp_path / "expect.yaml")
    named = [name for name in content.policies() if name.startswith("cn-fet-")]
    assert named
    assert entries[0].policy in content.policies()


def test_every_command_exists(options: set[str]) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    ours = [shlex.split(line) for line in lines if line.startswith("filterlab")]
    assert len(ours) == 3
    for words in ours:
        assert words[1] == "matrix"
        assert {word for word in words if word.startswith("--")} <= options


def test_every_option_that_the_page_speaks_of_exists(options: set[str]) -> None:
    spoken = set(re.findall(r"`(--[a-z-]+)", PAGE))
    assert spoken
    assert spoken <= options


def test_the_action_gives_the_matrix_what_it_understands(options: set[str]) -> None:
    steps = ACTION["runs"]["steps"]
    assert ACTION["runs"]["using"] == "composite"
    permits = "kernel.apparmor_restrict_unprivileged_userns"
    assert permits in steps[0]["run"]
    script = steps[1]["run"]
    assert set(re.findall(r"--[a-z-]+", script)) <= options
    # What a workflow is given never becomes a part of the script itself.
    assert not any("${{" in step.get("run", "") for step in steps)
    used = set(re.findall(r"inputs\.([a-z]+)", str(steps[1:])))
    assert used == set(ACTION["inputs"])
