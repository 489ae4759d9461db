"""A dead server, a broken lab and a blocked probe are three things, each told apart.

Real programs of a real run are killed at a moment of it. What is left must say "could
not tell", name what died with the end of its log, and keep all other evidence; the
same scenario without a murder says "blocked".
"""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from filterlab.captures.frames import read_frames
from filterlab.lab import links
from filterlab.lab.clock import wait_for
from filterlab.report.terminal import Narrator, print_result
from filterlab.runner import inside
from filterlab.runner.plan import make_plan
from filterlab.runner.stage import Stage

SCENARIOS = Path(__file__).parent / "scenarios"
WITHIN_SECONDS = 30.0
BEFORE_CONTROLS = "before the controls"


def running(needle: str) -> list[int]:
    """The programs of this seal in whose command line the needle stands."""
    # The seal's first process and this one have the needle among their arguments.
    ours = {1, os.getpid()}
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in ours:
            try:
                command = Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue
            if needle.encode() in command:
                found.append(int(entry))
    return found


def kill(needle: str) -> None:
    """End, with no chance to say anything, the programs of that name."""
    for pid in wait_for(needle, lambda: running(needle), WITHIN_SECONDS):
        os.kill(pid, signal.SIGKILL)
    wait_for(f"the end of {needle}", lambda: not running(needle), WITHIN_SECONDS)


class Murderer(Narrator):
    """Tells what happens, and kills when a phase begins."""

    def __init__(self, victim: str, moment: str) -> None:
        super().__init__(Console(stderr=True, width=80))
        self._victim, self._moment = victim, moment
        self.deed: threading.Thread | None = None

    def phase(self, name: str, policies: str) -> None:
        super().phase(name, policies)
        if name != self._moment:
            return
        if running(self._victim):
            kill(self._victim)
        else:  # a tool's programs start with each attempt
            self.deed = threading.Thread(target=self._kill_a_server)
            self.deed.start()

    def _kill_a_server(self) -> None:
        # The client is started once the server is ready.
        wait_for("ss-local", lambda: running("ss-local"), WITHIN_SECONDS)
        kill(self._victim)


def play(scenario: str, folder: str, victim: str, moment: str) -> dict[str, Any]:
    """A whole run, in which a program dies at a moment."""

    class Doomed(Stage):
        def up(self) -> None:
            super().up()
            if moment == BEFORE_CONTROLS:
                kill(victim)

    inside.Stage = Doomed  # type: ignore[misc]
    links.kernel_has_netem = lambda: False  # so that there is a wirefilter to kill
    order = {"folder": folder, "seed": None, "rootless": False, "json": False}
    murderer = Murderer(victim, moment)
    result = inside.Evening(order, make_plan(Path(scenario)), murderer).play()
    if murderer.deed is not None:
        murderer.deed.join()
    said = io.StringIO()
    print_result(result, Console(file=said, width=80, highlight=False))
    return {"status": result.verdict.exit_status, "said": said.getvalue()}


@pytest.fixture
def evening(in_seal: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Play a scenario of this folder; its result.json, exit status and last words."""

    def run(name: str, victim: str = "", moment: str = "") -> dict[str, Any]:
        folder = tmp_path / "run"
        folder.mkdir()
        scenario = str(SCENARIOS / f"{name}.yaml")
        told: dict[str, Any] = in_seal(play, scenario, str(folder), victim, moment)
        told |= json.loads((folder / "result.json").read_text())
        told["folder"] = folder
        print(told["said"], *told["faults"], sep="\n")
        return told

    return run


def in_one_line(text: str) -> str:
    """What a terminal of 80 columns has broken into lines."""
    return " ".join(text.split())


def outcomes(told: dict[str, Any], phase: str) -> dict[str, str]:
    """What came of each probe in a phase."""
    return {p["name"]: p["outcome"] for p in told["probes"] if p["phase"] == phase}


def test_a_blocked_probe_is_called_blocked(evening: Callable[..., Any]) -> None:
    told = evening("short-evening")
    assert told["status"] == 0
    assert told["faults"] == []
    assert outcomes(told, "blocking") == {"blocked": "tls", "other": "ok"}


@pytest.mark.parametrize("moment", [BEFORE_CONTROLS, "blocking"])
@pytest.mark.parametrize("name", ["blocked", "other"])
def test_a_dead_server_is_never_called_blocked(
    evening: Callable[..., Any], moment: str, name: str
) -> None:
    told = evening("short-evening", f"/services/{name}.example/", moment)
    assert told["status"] == 3
    assert told["verdict"] == "could not tell"
    phase = "open" if moment == BEFORE_CONTROLS else moment
    assert outcomes(told, phase)[name] == "down"
    assert "server down" in told["said"]
    assert f"{name}.example caddy" in told["faults"][0]
    assert "SIGKILL" in told["faults"][0]
    if moment == BEFORE_CONTROLS:
        (entry,) = (p for p in told["probes"] if p["name"] == name)
        assert not entry["control"]["reached"]


# Who dies, and how the result calls it.
PARTS = {
    "filterlab.openflow.launch": "the controller ended",
    "ovs-vswitchd": "ovs-vswitchd ended",
    "wirefilter": "wirefilter",
    "recorder.py": "capture",
    "filterlab.probes.zygote": "probes' process",
}


@pytest.mark.parametrize("victim", PARTS)
def test_a_broken_lab_is_never_called_blocked(
    evening: Callable[..., Any], victim: str
) -> None:
    told = evening("short-evening", victim, "still blocking")
    assert told["status"] == 3
    assert told["verdict"] == "could not tell"
    assert PARTS[victim] in in_one_line(told["said"])
    if victim != "recorder.py":  # it only watches
        last = outcomes(told, "still blocking")
        assert set(last.values()) <= {"unknown", "down", "ok"}
        assert last["blocked"] == "unknown"
    keeps_the_evidence_before(told)


def keeps_the_evidence_before(told: dict[str, Any]) -> None:
    """What was known when something died is there, and readable."""
    assert outcomes(told, "blocking") == {"blocked": "tls", "other": "ok"}
    folder: Path = told["folder"]
    decisions = (folder / "decisions.jsonl").read_text().splitlines()
    assert json.loads(decisions[0])["rule"] == "list"
    for side in ("inside", "outside"):
        assert read_frames(folder / f"exchange-{side}.pcapng")
    assert json.loads(decisions[0])["capture_frame"] > 0
    assert (folder / "junit.xml").stat().st_size > 0
    assert any((folder / "logs").iterdir())


def test_a_dead_tool_server_is_never_called_blocked(
    evening: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("ss-server", "ss-local")
    told = evening("tunnel", "ss-server", "shut")
    assert told["status"] == 3
    assert outcomes(told, "open") == {"tunnel": "ok"}
    assert outcomes(told, "shut") == {"tunnel": "unknown"}
    assert "SIGKILL" in told["said"]
    assert "blocked" not in told["said"]


def test_a_mistake_in_a_students_handler_is_told_with_its_traceback(
    in_seal: Callable[..., Any], tmp_path: Path
) -> None:
    scenario = tmp_path / "scenario.yaml"
    for name in ("students-app.yaml", "students_app.py"):
        (tmp_path / name).write_text((SCENARIOS / name).read_text())
    (tmp_path / "students-app.yaml").rename(scenario)
    app = tmp_path / "students_app.py"
    right = "flood = [parser"
    assert right in app.read_text()
    app.write_text(app.read_text().replace(right, "flood = [parsr"))
    told = in_seal(play, str(scenario), str(tmp_path), "", "")
    assert told["status"] == 3
    said = in_one_line(told["said"])
    assert "NameError: name 'parsr' is not defined" in said
    assert "in switch_is_here" in said
    assert "2 captures" in said
