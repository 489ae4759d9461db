"""What each cause of the payment outage takes with it, and which sessions it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from filterlab.pytest_plugin import Run
from filterlab.scenario import content

SCENARIO = content.scenarios()["russia/2026-payment-outage"]
LOST = {"before": 0, "prefix": 2, "protocol": 1, "full": 5, "as meant": 0, "restart": 1}


def test_each_cause_has_its_collateral(
    needs: Callable[..., None], filterlab_run: Callable[[Path], Run]
) -> None:
    needs("openvpn")
    run = filterlab_run(SCENARIO)
    assert run.status == 0, run.stdout + run.stderr
    assert "prefix 2 of 5, protocol 1 of 5," in run.stdout.replace("\n", " ")
    result = json.loads((run.folder / "result.json").read_text())
    by_phase = result["collateral"]["phases"]
    assert {phase: by_phase[phase]["lost"] for phase in LOST} == LOST
    # Who is turned away by a full box is told of, though no rule has struck.
    full = [p for p in result["probes"] if p["phase"] == "full"]
    assert {p["rule"].rpartition(" ")[2] for p in full} == {'full"'}
