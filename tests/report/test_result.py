"""The result of a run: its verdict, and every key that the design promises."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filterlab.report.result import Verdict
from tests.report.evening import DOWN, OK, RESET, SLOW, UNKNOWN, cell, check, result

LOST = cell(DOWN)


@pytest.mark.parametrize(
    ("changes", "verdict", "status"),
    [
        ({}, Verdict.AS_EXPECTED, 0),
        ({"checks": (check(True), check(False))}, Verdict.NOT_AS_EXPECTED, 1),
        ({"checks": (check(False), check(None))}, Verdict.COULD_NOT_TELL, 3),
        ({"faults": ("the controller ended",)}, Verdict.COULD_NOT_TELL, 3),
        ({"cells": (cell(OK), LOST)}, Verdict.COULD_NOT_TELL, 3),
        ({"cells": (cell(UNKNOWN),), "checks": ()}, Verdict.COULD_NOT_TELL, 3),
        ({"checks": ()}, Verdict.AS_EXPECTED, 0),
    ],
)
def test_a_broken_lab_outweighs_all(
    tmp_path: Path, changes: dict[str, Any], verdict: Verdict, status: int
) -> None:
    made = result(tmp_path, **changes)
    assert made.verdict is verdict
    assert made.verdict.exit_status == status


def test_result_json_has_every_key_of_the_design(tmp_path: Path) -> None:
    made = result(tmp_path, cells=(cell(OK), cell(RESET)), checks=(check(False),))
    made.write()
    written = json.loads((tmp_path / "result.json").read_text())
    assert {
        *("scenario", "verdict", "seed", "sealed"),
        *("seconds", "probes", "expectations"),
    } <= set(written)
    assert written["sealed"]["rootless"] is True
    assert {"up", "control", "run", "down"} <= set(written["seconds"])
    control = {"outcome", "failure", "reached", "kbit_s", "seconds"}
    for probe in written["probes"]:
        named = {"name", "from", "target", "through", "phase", "control", "decisions"}
        assert named | control <= set(probe)
        assert control <= set(probe["control"])
    for expectation in written["expectations"]:
        assert {"text", "source", "met", "why"} <= set(expectation)
    assert written["probes"][1]["decisions"] == [0]


def test_collateral_counts_the_innocent_only(tmp_path: Path) -> None:
    cells = [cell(outcome, innocent=True) for outcome in (OK, RESET, SLOW)]
    made = result(tmp_path, cells=(*cells, cell(RESET)))
    assert made.collateral == (2, 3)
    by_phase = made.collateral_by_phase
    assert list(by_phase) == list(made.phases)
    assert tuple(map(sum, zip(*by_phase.values(), strict=True))) == (2, 3)
    told = made.as_json()["collateral"]
    assert (told["lost"], told["innocent"]) == (2, 3)
    assert {
        p: (n["lost"], n["innocent"]) for p, n in told["phases"].items()
    } == by_phase


def test_the_detail_names_frame_and_finding(tmp_path: Path) -> None:
    made = result(tmp_path)
    detail = made.detail_of(cell(RESET))
    assert "frame 412" in detail
    assert "tls.sni = news.example" in detail
    assert made.detail_of(cell(OK)) == ""
    unseen = replace(RESET, decisions=(1,))
    assert made.detail_of(cell(unseen)) == "no captured frame"
