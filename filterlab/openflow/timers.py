"""The scenario's clock, and calls that are due later: injections, entries to delete."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from time import monotonic, time

Call = Callable[[], None]
_Due = tuple[float, int, Call]


class Clock:
    """The scenario's clock: it may run faster than the real one, and leap ahead.

    `starts` is what it shows when it is made, in seconds since 1970; without it, the
    time of day.
    """

    def __init__(self, rate: float = 1.0, starts: float | None = None):
        self.rate = rate
        self._monotonic = monotonic()
        self._zero = self._shown = time() if starts is None else starts
        self._begun = False
        self._leaps: list[tuple[float, float]] = []  # when, by the real clock; how far
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds since 1970; they never go back."""
        with self._lock:
            return self._now()

    def ago(self, seconds: float) -> float:
        """What it showed so many real seconds ago: before a leap, if that was since."""
        with self._lock:
            then = monotonic() - seconds
            leapt = sum(far for moment, far in self._leaps if moment > then)
            return self._now() - seconds * self.rate - leapt

    def _now(self) -> float:
        return self._shown + (monotonic() - self._monotonic) * self.rate

    def advance_to(self, at_seconds: float) -> None:
        """Leap to so many seconds after the start, unless they have passed.

        The start is the first call: what came before, controls and all, takes no time.
        """
        with self._lock:
            if not self._begun:
                self._begun = True
                self._zero, self._monotonic = self._shown, monotonic()
            ahead = self._zero + at_seconds - self._now()
            if ahead > 0:
                self._shown += ahead
                self._leaps.append((monotonic(), ahead))


class Timers:
    """One thread that makes each call at its time, in order of time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[_Due] = []  # by the real clock
        self._due_on_clock: list[_Due] = []  # by the scenario's
        self._count = itertools.count()  # calls of the same moment keep their order
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="timers", daemon=True).start()

    def after(self, seconds: float, call: Call) -> None:
        """Make this call once, so many real seconds from now."""
        self._put(self._due, monotonic() + seconds, call)

    def at(self, moment: float, call: Call) -> None:
        """Make this call once, when the scenario's clock shows this."""
        self._put(self._due_on_clock, moment, call)

    def every(self, seconds: float, call: Call) -> None:
        """Make this call again and again, with so many real seconds between."""

        def again() -> None:
            call()
            self.after(seconds, again)

        self.after(seconds, again)

    def leap(self, at_seconds: float) -> None:
        """Let the scenario's clock leap, and make what has become due by that.

        The calls are made here, so that they have been when this returns.
        """
        self._clock.advance_to(at_seconds)
        while True:
            with self._changed:
                queue = self._due_on_clock
                if not queue or queue[0][0] > self._clock.now():
                    self._changed.notify()
                    return
                call = heapq.heappop(queue)[2]
            call()

    def _put(self, queue: list[_Due], moment: float, call: Call) -> None:
        with self._changed:
            due = (moment, next(self._count), call)
            heapq.heappush(queue, due)
            if queue[0] is due:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            self._next()()

    def _next(self) -> Call:
        with self._changed:
            while True:
                left = self._left()
                ready = min(left, key=lambda pair: pair[0], default=None)
                if ready is not None and ready[0] <= 0:
                    return heapq.heappop(ready[1])[2]
                self._changed.wait(None if ready is None else ready[0])

    def _left(self) -> list[tuple[float, list[_Due]]]:
        """The real seconds until the first call of each kind."""
        left = []
        if self._due:
            left.append((self._due[0][0] - monotonic(), self._due))
        if self._due_on_clock:
            ahead = self._due_on_clock[0][0] - self._clock.now()
            left.append((ahead / self._clock.rate, self._due_on_clock))
        return left
