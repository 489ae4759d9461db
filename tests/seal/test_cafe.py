"""The cafe's gate, as a real browser and the venue's journal see it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from filterlab.replay.rehearsal import compare
from filterlab.runner.plan import make_plan

SCENARIO = Path(__file__).parents[2] / "scenarios" / "kazakhstan" / "2011-cafe.yaml"
FILTERLAB = [sys.executable, "-m", "filterlab.cli"]
# All of a browser that need not be; what it asks of its maker ends in the seal.
BROWSER = """
visit() {
    chromium --headless --no-sandbox --disable-gpu --disable-background-networking \\
        --user-data-dir=/run/browser --timeout=20000 --dump-dom "$1"
}
visit http://news.example/
echo ------
visit 'http://portal.example/enter?name=Aigul&document=N04512345'
echo ------
visit http://news.example/
"""


def test_a_real_browser_meets_the_form_and_goes_on(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("caddy", "unbound", "chromium")
    command = [*FILTERLAB, "exec", str(SCENARIO), "--as", "guest", "--phase", "gate"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "run"), "--", "sh", "-c", BROWSER],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    led, entered, after = done.stdout.split("------")
    assert "<title>Say who you are</title>" in led
    assert "This is news.example" not in led
    assert "You may go on" in entered
    assert "This is news.example" in after


def test_the_journal_has_time_and_address_and_the_replay_the_same_gate(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("caddy", "unbound", "wg")
    out = tmp_path / "run"
    done = subprocess.run(
        [*FILTERLAB, "run", str(SCENARIO), "--out", str(out)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (log,) = (out / "logs").glob("*portal.example*")
    visits = [json.loads(line) for line in log.read_text().splitlines()]
    assert {visit["address"] for visit in visits} == {"100.65.2.2"}
    assert [visit["time"] for visit in visits] == sorted(v["time"] for v in visits)
    assert {visit["document"] for visit in visits} == {"N04512345"}
    book = sqlite3.connect(out / "records.sqlite")
    kept = book.execute(
        "SELECT line, internal_ip FROM session"
        " JOIN subscriber ON subscriber.id = subscriber_id"
    )
    assert ("regular", "100.65.2.2") in kept
    scenario = make_plan(SCENARIO).scenario
    difference = compare(out, scenario.policies, scenario.clock)
    assert not difference, str(difference)
