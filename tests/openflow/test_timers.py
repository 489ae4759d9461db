"""The scenario's clock leaps, and what is due by then is done by then."""

from __future__ import annotations

import threading

from filterlab.openflow.timers import Clock, Timers

STARTS = 1_597_010_400.0  # 9 August 2020, 22:00 UTC
PATIENCE = 10.0  # real seconds, never waited for where all is well


def test_a_clock_begins_with_its_first_leap_and_never_goes_back() -> None:
    clock = Clock(60.0, STARTS)
    clock.advance_to(0.0)
    assert STARTS <= clock.now() < STARTS + 3600
    clock.advance_to(3600.0)
    there = clock.now()
    assert there >= STARTS + 3600
    clock.advance_to(10.0)
    assert clock.now() >= there


def test_what_it_showed_before_a_leap_is_no_leap_ago() -> None:
    clock = Clock(60.0, STARTS)
    clock.advance_to(0.0)
    clock.advance_to(86_400.0)
    assert clock.ago(0.0) >= STARTS + 86_400
    assert clock.ago(3600.0) < STARTS  # an hour ago, as good as the day before


def test_a_leap_makes_what_has_become_due_in_its_order() -> None:
    clock = Clock(1.0, STARTS)
    timers = Timers(clock)
    timers.leap(0.0)
    made: list[str] = []
    timers.at(STARTS + 9_000, lambda: made.append("never"))
    timers.at(STARTS + 200, lambda: made.append("second"))
    timers.at(STARTS + 100, lambda: made.append("first"))
    timers.leap(3600.0)
    assert made == ["first", "second"]


def test_calls_come_by_themselves_on_either_clock() -> None:
    timers = Timers(clock := Clock(60.0, STARTS))
    real, scaled = threading.Event(), threading.Event()
    timers.at(clock.now() + 30.0, scaled.set)  # half a real second
    timers.after(0.01, real.set)
    assert real.wait(PATIENCE)
    assert scaled.wait(PATIENCE)
