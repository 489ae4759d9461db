"""A time means all of what it names."""

from __future__ import annotations

import pytest

from filterlab.records.moments import shown, span

TEN = 1456826400_000  # 2016-03-01T10:00:00Z


@pytest.mark.parametrize(
    ("text", "first", "lasts"),
    [
        ("2016-03-01T10:00:00.250", TEN + 250, 1),
        ("2016-03-01T10:00:00", TEN, 1000),
        ("2016-03-01 10:00:00Z", TEN, 1000),
        ("2016-03-01T13:00:00+03:00", TEN, 1000),
        ("2016-03-01T10:00", TEN, 60_000),
        ("2016-03-01", TEN - 10 * 3_600_000, 86_400_000),
    ],
)
def test_a_time_is_as_long_as_it_is_written(text: str, first: int, lasts: int) -> None:
    assert span(text) == (first, first + lasts - 1)


def test_what_is_no_time_is_none() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        span("yesterday")


def test_a_time_is_shown_to_the_millisecond() -> None:
    assert shown(TEN + 7) == "2016-03-01 10:00:00.007"
    assert shown(TEN + 7, "seconds") == "2016-03-01 10:00:00"
