"""What a run's captures replay to is what was decided live."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from filterlab.policy.rules import Record
from filterlab.replay.rehearsal import compare
from filterlab.runner.plan import make_plan
from filterlab.runner.sealing import BAD_INPUT
from filterlab.scenario.content import scenarios


@pytest.mark.parametrize("name", scenarios())
def test_live_and_replay_decide_the_same(
    name: str, needs: Callable[..., None], tmp_path: Path
) -> None:
    needs()
    path = scenarios()[name]
    out = tmp_path / "run"
    command = [sys.executable, "-m", "filterlab.cli", "run", str(path), "--out"]
    done = subprocess.run([*command, str(out)], capture_output=True, text=True)
    # What a busy machine does to the probes is not the question here.
    assert done.returncode != BAD_INPUT, done.stderr
    assert json.loads((out / "result.json").read_text())["faults"] == []
    scenario = make_plan(path).scenario
    difference = compare(out, scenario.policies, scenario.clock)
    assert not difference, str(difference)
    # A policy that only records decides nothing.
    decides = any(
        not isinstance(rule.then, Record)
        for policy in scenario.policies.values()
        for rule in policy.rules
    )
    assert difference.same > 0 or not decides
