"""What a run's captures replay to is what was decided live."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from filterlab.policy.rules import Record
from filterlab.pytest_plugin import Run
from filterlab.replay.rehearsal import compare
from filterlab.runner.plan import make_plan
from filterlab.runner.sealing import BAD_INPUT
from filterlab.scenario.content import scenarios


@pytest.mark.parametrize("name", scenarios())
def test_live_and_replay_decide_the_same(
    name: str, needs: Callable[..., None], filterlab_run: Callable[[Path], Run]
) -> None:
    needs()
    path = scenarios()[name]
    # The same run as its expectations look at, in `pytest tests scenarios`.
    run = filterlab_run(path)
    # Whether it came to what was expected is for those to say.
    assert run.status != BAD_INPUT, run.stderr
    assert json.loads((run.folder / "result.json").read_text())["faults"] == []
    scenario = make_plan(path).scenario
    difference = compare(run.folder, scenario.policies, scenario.clock)
    assert not difference, str(difference)
    # A policy that only records decides nothing.
    decides = any(
        not isinstance(rule.then, Record)
        for policy in scenario.policies.values()
        for rule in policy.rules
    )
    assert difference.same > 0 or not decides
