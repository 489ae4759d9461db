"""The scenario's clock, and calls that are due later: injections, entries to delete."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from time import monotonic, time


class Clock:
    """The scenario's clock: it may run faster than the real one."""

    def __init__(self, rate: float = 1.0):
        self.rate = rate
        self._wall, self._monotonic = time(), monotonic()

    def now(self) -> float:
        """Seconds; at rate 1 the time of day, as captures have it."""
        return self._wall + (monotonic() - self._monotonic) * self.rate


class Timers:
    """One thread that makes each call at its time, in order of time."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()  # calls of the same moment keep their order
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="timers", daemon=True).start()

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Make this call once, so many seconds from now."""
        with self._changed:
            due = (monotonic() + seconds, next(self._count), call)
            heapq.heappush(self._due, due)
            if self._due[0] is due:
                self._changed.notify()

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Make this call again and again, with so many seconds between."""

        def again() -> None:
            call()
            self.after(seconds, again)

        self.after(seconds, again)

    def _run(self) -> None:
        while True:
            self._next()()

    def _next(self) -> Callable[[], None]:
        with self._changed:
            while True:
                left = self._due[0][0] - monotonic() if self._due else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)
