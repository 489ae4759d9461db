"""What each cause of the payment outage takes with it, and which sessions it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from filterlab.replay.rehearsal import compare
from filterlab.runner.plan import make_plan
from filterlab.scenario import content

SCENARIO = content.scenarios()["russia/2026-payment-outage"]
LOST = {"before": 0, "prefix": 2, "protocol": 1, "full": 5, "as meant": 0, "restart": 1}


def test_each_cause_has_its_collateral(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("openvpn")
    out = tmp_path / "run"
    command = [sys.executable, "-m", "filterlab.cli", "run", str(SCENARIO)]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prefix 2 of 5, protocol 1 of 5," in done.stdout.replace("\n", " ")
    result = json.loads((out / "result.json").read_text())
    by_phase = result["collateral"]["phases"]
    assert {phase: by_phase[phase]["lost"] for phase in LOST} == LOST
    # Who is turned away by a full box is told of, though no rule has struck.
    full = [p for p in result["probes"] if p["phase"] == "full"]
    assert {p["rule"].rpartition(" ")[2] for p in full} == {'full"'}
    scenario = make_plan(SCENARIO).scenario
    difference = compare(out, scenario.policies, scenario.clock)
    assert not difference, str(difference)
