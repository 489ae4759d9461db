"""Waiting for events.

Nothing in the lab sleeps for a guessed time: `wait_for` asks again until the thing
is so, and says what it last saw when it never is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# The first questions come fast, as most things are ready at once; then a question
# costs more than the wait it saves.
_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.02


class NotInTime(TimeoutError):  # noqa: N818 - reads as what it is
    """Something waited for did not happen; says what it was and what was last seen."""

    def __init__(self, what: str, within: float, last: object) -> None:
        """Keep the three things that a reader needs."""
        super().__init__(f"waited {within:g} s for {what}; last saw {last!r}")
        self.what = what
        self.within = within
        self.last = last


def wait_for(what: str, until: Callable[[], T], within: float) -> T:
    """Ask `until` again and again until it answers something true, and return that.

    Raises `NotInTime` when `within` seconds pass without it.
    """
    end = time.monotonic() + within
    pause = _FIRST_PAUSE_SECONDS
    while True:
        last = until()
        if last:
            return last
        left = end - time.monotonic()
        if left <= 0:
            raise NotInTime(what, within, last)
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
