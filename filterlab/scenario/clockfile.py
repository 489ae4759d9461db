"""The scenario's clock, in YAML: how fast it runs, and what it shows at the start."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from filterlab.scenario.item import Item
from filterlab.scenario.values import ClockRate, Reads, Unreadable, text

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?", re.ASCII)


def _moment(value: Any) -> float:
    """Seconds since 1970 of a time of day in UTC, as captures count them."""
    written = text(value)
    expected = "a date and a time of day in UTC, such as 2020-08-09T22:00"
    if not _MOMENT.fullmatch(written):
        raise Unreadable(expected)
    try:
        moment = datetime.fromisoformat(written).replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable(expected, says="is no day of the calendar") from None
    # Before 1970 the scenario's clock would be below zero, which no timer expects.
    if moment.timestamp() < 0:
        raise Unreadable("a date of 1970 or later", says="is before all clocks")
    return moment.timestamp()


Moment = Annotated[
    float,
    Reads(_moment, type="string", format="date-time", examples=["2020-08-09T22:00"]),
]


class ClockText(Item):
    """How fast time runs and when it begins; the short form is the rate."""

    rate: ClockRate = 1.0
    starts: Moment | None = None

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A bare rate."""
        return value if isinstance(value, dict) else {"rate": value}
