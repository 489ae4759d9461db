"""The sealed program's exit status, when something goes wrong in itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from filterlab.runner import inside
from filterlab.runner.plan import Plan

FIRST_STEPS = Path(__file__).parents[2] / "scenarios" / "first-steps.yaml"


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (KeyError("a mistake of ours"), 3, "KeyError: 'a mistake of ours'"),
        (KeyboardInterrupt(), 130, "filterlab: interrupted"),
    ],
)
def test_a_mistake_in_the_lab_is_never_an_outcome(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    word: str,
) -> None:
    """Python's own status for an exception would be 1: not as expected."""

    def fail(order: Mapping[str, Any], plan: Plan) -> int:
        raise error

    monkeypatch.setitem(inside.VERBS, "play", fail)
    order = json.dumps({"verb": "play", "scenario": str(FIRST_STEPS)})
    monkeypatch.setattr(sys, "argv", ["inside", order])
    assert inside.main() == status
    assert word in capsys.readouterr().err


def test_a_mistake_in_mid_run_costs_no_evidence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Mistaken(inside.Stage):
        def up(self) -> None:
            raise KeyError("a mistake of ours")

    monkeypatch.setattr(inside, "Stage", Mistaken)
    order = {"folder": str(tmp_path), "seed": 5, "rootless": True, "json": True}
    narrator = inside.Narrator(inside.Console(stderr=True))
    result = inside.Evening(order, inside.make_plan(FIRST_STEPS), narrator).play()
    assert result.verdict.exit_status == 3
    assert "KeyError: 'a mistake of ours'" in result.faults[0]
    assert json.loads((tmp_path / "result.json").read_text())["seed"] == 5
    assert (tmp_path / "junit.xml").exists()
    assert (tmp_path / "decisions.jsonl").exists()
