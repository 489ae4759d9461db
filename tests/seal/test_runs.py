"""`filterlab run` as people start it: its exit status, its words, and its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.clock import wait_for
from filterlab.lab.seal import SEAL_VARIABLE

ROOT = Path(__file__).parents[2]
SCENARIOS = Path(__file__).parent / "scenarios"
FIRST_STEPS = ROOT / "scenarios" / "first-steps.yaml"
POLICY = ROOT / "scenarios" / "policies" / "first-steps.yaml"
WITHIN_SECONDS = 60.0


class Run:
    """A `filterlab run` in a folder of its own, its standard error read as it comes."""

    def __init__(
        self, *arguments: str, folder: Path, through: tuple[str, ...] = ()
    ) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "filterlab.cli", "run", *arguments]
        self.process = subprocess.Popen(
            [*through, *command],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "250"},
        )

    def comes_to(self, words: str) -> None:
        """Return when a line on standard error begins with these words."""
        assert self.process.stderr is not None
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            if line.startswith(words):
                return
        raise AssertionError(f"no line began with {words!r}:\n{''.join(seen)}")

    def ends(self) -> tuple[int, str, str]:
        """Exit status, standard output, standard error (what was not read yet)."""
        said, complained = self.process.communicate(timeout=WITHIN_SECONDS)
        return self.process.returncode, said, complained

    def alive(self) -> list[int]:
        """Every process of this machine that belongs to this run."""
        mark = f"{SEAL_VARIABLE}={self.process.pid}".encode()
        return [pid for pid in pids() if mark in environment(pid).split(b"\0")]


def pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it has ended, or is somebody else's
        return b""


@pytest.fixture
def run(needs: Callable[..., None], tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Start runs; what is left of them ends with the test."""
    needs()
    started: list[Run] = []

    def start(*arguments: str, **options: Any) -> Run:
        options.setdefault("folder", tmp_path)
        started.append(Run(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def copied(folder: Path, source: Path, *changes: tuple[str, str]) -> Path:
    """A copy of a file in which some words are others."""
    text = source.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    folder.mkdir(exist_ok=True)
    copy = folder / source.name
    copy.write_text(text)
    return copy


# --- what came of it ---------------------------------------------------------------


def test_one_expectation_reversed_is_not_met_and_says_why(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    reverse = ("probe: other, outcome: ok", "probe: other, outcome: connection_reset")
    scenario = copied(tmp_path, FIRST_STEPS, reverse)
    status, said, _ = run(str(scenario), "--out", "evidence").ends()
    assert status == 1
    assert "not as expected, 2 of 4" in said
    line = 1 + scenario.read_text().splitlines().index(
        "  - {probe: other, outcome: connection_reset}"
    )
    unmet = f"first-steps.yaml:{line}: not met: other comes to connection_reset during"
    assert said.count(unmet) == 2
    assert "expected connection_reset, got ok" in said


def test_without_its_rule_the_scenario_is_red(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    rule = POLICY.read_text().partition("rules:")[2]
    copied(tmp_path / "policies", POLICY, (rule, " []\n"))
    # Without the rule no expectation may name it: that would be a mistake in the file.
    scenario = copied(tmp_path, FIRST_STEPS, (", rule: list", ""))
    status, said, _ = run(str(scenario), "--out", "evidence").ends()
    assert status == 1
    assert "not as expected, 3 of 4" in said
    assert "expected connection_reset, got ok: as in its control" in said


def test_two_runs_at_the_same_time_do_not_know_of_each_other(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    both = [run("first-steps"), run("first-steps", "--json", "--seed", "5")]
    (plain, said, _), (as_json, result, told) = [one.ends() for one in both]
    assert (plain, as_json) == (0, 0), said + told
    assert "as expected, 4 of 4" in said
    parsed = json.loads(result)
    assert (parsed["verdict"], parsed["seed"]) == ("as expected", 5)
    assert sorted(os.listdir(tmp_path / "runs")) == ["first-steps-1", "first-steps-2"]
    for folder in (tmp_path / "runs").iterdir():
        kept = {"result.json", "decisions.jsonl", "junit.xml", "logs"}
        kept |= {"exchange-inside.pcapng", "exchange-outside.pcapng"}
        assert kept <= set(os.listdir(folder))
    command = [sys.executable, "-m", "filterlab.cli", "explain", "runs/first-steps-1"]
    why = subprocess.check_output(command, cwd=tmp_path, text=True)
    assert why.startswith("blocked during first-steps: reset after hello")
    assert "finding  tls.sni = blocked.example" in why
    assert "exchange-inside.pcapng frame" in why


def test_a_faulty_application_ends_in_could_not_tell(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    copied(tmp_path, SCENARIOS / "students_app.py", ("flood = [parser", "flood = [prs"))
    scenario = copied(tmp_path, SCENARIOS / "students-app.yaml")
    status, said, _ = run(str(scenario), "--out", "evidence").ends()
    assert status == 3
    assert "NameError: name 'prs' is not defined" in said
    assert "could not tell, 0 of 2" in said
    result = json.loads((tmp_path / "evidence" / "result.json").read_text())
    assert result["verdict"] == "could not tell"


def test_an_ordinary_user_gets_the_same(
    tmp_path: Path, run: Callable[..., Run]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("all tests here are an ordinary user's")
    become = ("setpriv", "--reuid=23456", "--regid=23456", "--clear-groups")
    mapped = [*become, "unshare", "--user", "--map-root-user"]
    reach = [*mapped, sys.executable, "-c", "import filterlab.cli"]
    if subprocess.run(reach, cwd="/", capture_output=True).returncode != 0:
        pytest.skip("this checkout or its environment is closed to other users")
    own = Path(subprocess.check_output([*become, "mktemp", "-d"], text=True).strip())
    try:
        one = run("first-steps", folder=own, through=become)
        status, said, told = one.ends()
    finally:
        shutil.rmtree(own)
    assert status == 0, said + told
    assert "sealed, without root" in told


# --- its end -----------------------------------------------------------------------

MOMENTS = ["at once", "A short evening", "sealed", "still blocking"]


def waiting(tmp_path: Path) -> str:
    """A scenario that takes its time in its last phase: nothing answers any more."""
    last = "phase: still blocking, exchange: all, policy: "
    change = (last + "first-steps", last + "shutdown")
    return str(copied(tmp_path, SCENARIOS / "short-evening.yaml", change))


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_nothing_is_left(
    run: Callable[..., Run], tmp_path: Path, moment: str
) -> None:
    one = run(waiting(tmp_path))
    if moment != MOMENTS[0]:
        one.comes_to(moment)
        assert one.alive()
    one.process.kill()
    one.ends()
    wait_for("the end of all", lambda: not one.alive(), WITHIN_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_by_a_signal_it_is_no_success_and_leaves_nothing(
    run: Callable[..., Run], tmp_path: Path, number: signal.Signals
) -> None:
    one = run(waiting(tmp_path))
    one.comes_to("still blocking")
    one.process.send_signal(number)
    status, said, complained = one.ends()
    assert status == 128 + number
    assert "Traceback" not in said + complained
    wait_for("the end of all", lambda: not one.alive(), WITHIN_SECONDS)
