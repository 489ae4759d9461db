"""Precision and recall, also where there is nothing to divide by."""

from __future__ import annotations

import pytest

from filterlab.attribution.score import Score, score


def test_counts_who_was_rightly_and_wrongly_found_and_missed() -> None:
    got = score(["boris", "vera", "karina"], ["boris", "vera", "sofia", "roman"])
    assert got == Score(right=2, wrong=1, missed=2)
    assert got.precision == pytest.approx(2 / 3)
    assert got.recall == pytest.approx(1 / 2)


def test_nobody_found_has_no_precision_and_no_users_no_recall() -> None:
    assert score([], ["boris"]).precision is None
    assert score([], ["boris"]).recall == 0.0
    assert score(["anna"], []).recall is None
    assert score(["anna"], []).precision == 0.0
