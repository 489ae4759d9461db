"""Waiting says what it waited for; the scenario's clock keeps its rate."""

from __future__ import annotations

import pytest

from filterlab.lab.clock import NotInTime, ScenarioClock, wait_for


def test_waiting_returns_what_was_waited_for() -> None:
    answers = iter([None, "", "there"])
    assert wait_for("it", lambda: next(answers), within=10) == "there"


def test_waiting_in_vain_says_what_was_last_seen() -> None:
    with pytest.raises(NotInTime, match=r"waited 0 s for a sign; last saw \[\]"):
        wait_for("a sign", list, within=0)


def test_the_scenario_runs_at_its_rate_and_can_be_advanced() -> None:
    real = [100.0]
    clock = ScenarioClock(60, real=lambda: real[0])
    real[0] += 2
    assert clock.now() == 120
    assert clock.real_seconds_until(180) == 1
    clock.advance_to(600)
    assert clock.now() == 600
    clock.advance_to(1)
    assert clock.now() == 600
