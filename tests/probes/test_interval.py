"""Wilson's interval against published values, and its bounds for any k of n."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.probes.interval import wilson


# R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_bounds(a: int, b: int) -> None:
    k, n = min(a, b), max(a, b)
    low, high = wilson(k, n)
    assert 0.0 <= low <= high <= 1.0
    if n:
        assert low <= k / n + 1e-12
        assert k / n <= high + 1e-12


def test_no_share() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)
