"""Times as people write them, and as records keep them: in ms since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def shown(ms: int, timespec: str = "milliseconds") -> str:
    """A time in words: 2016-03-01 10:00:05.460."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(sep=" ", timespec=timespec).removesuffix("+00:00")


def span(text: str) -> tuple[int, int]:
    """The first and the last millisecond that a time means; ValueError for none.

    Whoever names a second, a minute or a day means all of it.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    first = round(moment.timestamp() * 1000)
    clock = text.replace(" ", "T").partition("T")[2]
    clock = clock.partition("+")[0].removesuffix("Z")
    if "." in clock:
        return first, first
    seconds = {0: 86_400, 1: 60}.get(clock.count(":"), 1) if clock else 86_400
    return first, first + seconds * 1000 - 1
