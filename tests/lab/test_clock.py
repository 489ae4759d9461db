"""Waiting says what it waited for."""

from __future__ import annotations

import pytest

from filterlab.lab.clock import NotInTime, wait_for


def test_waiting_returns_what_was_waited_for() -> None:
    answers = iter([None, "", "there"])
    assert wait_for("it", lambda: next(answers), within=10) == "there"


def test_waiting_in_vain_says_what_was_last_seen() -> None:
    with pytest.raises(NotInTime, match=r"waited 0 s for a sign; last saw \[\]"):
        wait_for("a sign", list, within=0)
