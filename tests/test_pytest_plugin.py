"""The pytest plugin, as a separate pytest uses it on scenario files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from filterlab.captures.frames import read_frames
from filterlab.lab.doctor import examine, missing

ROOT = Path(__file__).parents[1]
FIRST_STEPS = ROOT / "scenarios" / "first-steps.yaml"


@pytest.fixture
def pytest_on(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run pytest in an empty project, without this one's settings."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        variables = {k: v for k, v in os.environ.items() if "PYTEST" not in k}
        variables |= {"TMPDIR": str(tmp_path / "temporary"), "COLUMNS": "200"}
        (tmp_path / "temporary").mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def lab() -> None:
    """Skip, or fail where nothing may be skipped, if no scenario can run here."""
    lacks = missing(examine())
    if not lacks:
        return
    what = f"{lacks[0].name}: {lacks[0].found}; {lacks[0].mend}"
    if "seal" in os.environ.get("FILTERLAB_REQUIRE", "").split(","):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def runs_made(folder: Path) -> list[Path]:
    """The result of each run that the plugin made."""
    return sorted((folder / "temporary").glob("**/result.json"))


def two_scenarios(folder: Path) -> None:
    """One that holds, and one with an expectation reversed."""
    (folder / "good.yaml").write_text(FIRST_STEPS.read_text())
    right = "probe: blocked, during: first-steps, outcome: connection_reset, rule: list"
    wrong = "probe: blocked, during: first-steps, outcome: ok"
    text = FIRST_STEPS.read_text()
    assert right in text
    (folder / "reversed.yaml").write_text(text.replace(right, wrong))


def test_an_expectation_is_a_test_named_as_a_sentence(
    pytest_on: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    two_scenarios(tmp_path)
    (tmp_path / "policies").mkdir()
    policy = ROOT / "scenarios" / "policies" / "open.yaml"
    (tmp_path / "policies" / "open.yaml").write_text(policy.read_text())
    done = pytest_on("--collect-only", "-q", ".")
    assert done.returncode == 0, done.stdout + done.stderr
    found = [line for line in done.stdout.splitlines() if "::" in line]
    assert found[:4] == [
        "good.yaml::blocked comes to ok during open",
        "good.yaml::blocked comes to connection_reset and meets the rule list"
        " during first-steps",
        "good.yaml::other comes to ok during open",
        "good.yaml::other comes to ok during first-steps",
    ]
    assert len(found) == 8
    assert runs_made(tmp_path) == []


def test_a_scenario_that_cannot_be_read_is_an_error_with_its_place(
    pytest_on: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    text = FIRST_STEPS.read_text().replace("clock: 60x", "clok: 60x")
    (tmp_path / "bad.yaml").write_text(text)
    done = pytest_on(".")
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert "bad.yaml:18:1: error:" in done.stdout
    assert "did you mean 'clock'?" in done.stdout
    assert "Traceback" not in done.stdout
    assert 'File "' not in done.stdout


def test_a_faulty_scenario_keeps_no_other_from_its_tests(
    pytest_on: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    text = FIRST_STEPS.read_text().replace("clock: 60x", "clok: 60x")
    (tmp_path / "bad.yaml").write_text(text)
    (tmp_path / "good.yaml").write_text(FIRST_STEPS.read_text())
    done = pytest_on("--collect-only", "-q", ".")
    assert "bad.yaml:18:1: error:" in done.stdout
    assert "good.yaml::other comes to ok during open" in done.stdout


def test_what_an_exercise_gives_is_a_task_and_no_test(
    pytest_on: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    given = tmp_path / "one" / "given"
    given.mkdir(parents=True)
    (given / "scenario.yaml").write_text(FIRST_STEPS.read_text())
    (tmp_path / "one" / "exercise.yaml").write_text("title: an exercise\n")
    done = pytest_on("--collect-only", "one")
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED


THROUGH = """
title: Nothing but tools
topology: {use: single}
services: {news.example: {at: outside, speaks: [https]}}
clients: {alice: {at: inside}}
timeline: [{at: 0s, exchange: exchange, policy: open}]
probes: {page: {from: alice, fetch: https://news.example/, through: TOOL}}
expect: [{probe: page, outcome: ok}]
"""


@pytest.mark.parametrize(
    ("tool", "lack", "required"),
    [
        ("shadowsocks", "ss-server, ss-local", True),
        ("vless-reality-xray", "xray", False),
    ],
)
def test_what_goes_through_a_tool_that_is_not_installed_is_skipped_by_name(
    pytest_on: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tool: str,
    lack: str,
    required: bool,
) -> None:
    (tmp_path / "through.yaml").write_text(THROUGH.replace("TOOL", tool))
    monkeypatch.setenv("PATH", str(tmp_path))  # where no program lies
    monkeypatch.delenv("FILTERLAB_REQUIRE", raising=False)
    said = f"page is skipped: the tool '{tool}' lacks {lack}"
    done = pytest_on("-rs", "through.yaml")
    assert "1 skipped" in done.stdout
    assert said in done.stdout
    assert "install it: apt-get install" in done.stdout
    monkeypatch.setenv("FILTERLAB_REQUIRE", "seal")
    done = pytest_on("through.yaml")
    assert ("1 failed" if required else "1 skipped") in done.stdout
    assert runs_made(tmp_path) == []


OWN = """
import json
from pathlib import Path

def test_of_ones_own(filterlab_run):
    run = filterlab_run(Path("reversed.yaml"))
    assert run.status == 1
    assert "not as expected, 3 of 4" in run.stdout
    assert json.loads((run.folder / "result.json").read_text())["verdict"] in run.stdout
"""


@pytest.mark.seal
@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "two workers"])
def test_each_scenario_runs_once_and_a_failure_explains_itself(
    lab: None,
    pytest_on: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    workers: list[str],
) -> None:
    two_scenarios(tmp_path)
    (tmp_path / "test_own.py").write_text(OWN)
    done = pytest_on("-v", *workers, "reversed.yaml", "test_own.py")
    said = done.stdout
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, said
    assert re.search(r"\b1 failed, 4 passed in", said)
    assert len(runs_made(tmp_path)) == 1
    name = "blocked comes to ok during first-steps"
    assert re.search(rf"^(FAILED|.*FAILED).*reversed.yaml::{name}", said, re.M)
    assert f"reversed.yaml:26: not met: {name}" in said
    assert "expected ok, got connection_reset" in said
    assert re.search(r"^ +dns +ok +at \d", said, re.M)
    assert re.search(r"^ +tls +connection_reset +at \d", said, re.M)
    assert re.search(r'decided by .*first-steps.yaml:\d+ "list"', said)
    captured = re.search(r"captured in (\S+) frame (\d+)$", said, re.M)
    assert captured is not None
    assert len(read_frames(Path(captured[1]))) >= int(captured[2])
    assert Path(captured[1]).is_relative_to(runs_made(tmp_path)[0].parent)
    assert "Traceback" not in said


@pytest.mark.seal
@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "two workers"])
def test_a_session_that_passed_leaves_nothing(
    lab: None,
    pytest_on: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    workers: list[str],
) -> None:
    (tmp_path / "good.yaml").write_text(FIRST_STEPS.read_text())
    done = pytest_on(*workers, "good.yaml")
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert not list((tmp_path / "temporary").glob("filterlab-pytest-*/*"))
