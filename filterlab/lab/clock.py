"""Waiting for events, and the scenario's own clock, which may run faster than ours.

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


class ScenarioClock:
    """Seconds of the scenario since its start, `rate` of them to one of ours."""

    def __init__(
        self, rate: float = 1.0, real: Callable[[], float] = time.monotonic
    ) -> None:
        """Start at zero, now."""
        if not rate > 0:
            raise ValueError("a clock's rate is more than zero")
        self.rate = rate
        self._real = real
        self._zero = real()

    def now(self) -> float:
        """Seconds of the scenario since its start."""
        return (self._real() - self._zero) * self.rate

    def real_seconds_until(self, moment: float) -> float:
        """How long a person waits until that second of the scenario; 0 if past."""
        return max(0.0, (moment - self.now()) / self.rate)

    def advance_to(self, moment: float) -> None:
        """Let the scenario's time pass at once up to that second; never backwards."""
        ahead = moment - self.now()
        if ahead > 0:
            self._zero -= ahead / self.rate
