"""Which meters a switch has: one for each share of a rate, as long as flows use it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from filterlab.openflow import tables
from filterlab.openflow.tables import Meter
from filterlab.policy.effects import Limit


class Meters:
    """The meters of one policy at one switch."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}  # by share
        self._users: defaultdict[int, int] = defaultdict(int)  # entries, by number
        self._last = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def of(self, limit: Limit) -> tuple[int, Meter | None]:
        """The number for a limit, and the meter where there was none yet."""
        number = self._numbers.get(limit.share)
        if number is not None:
            return number, None
        number = self._numbers[limit.share] = self._free()
        return number, Meter(number, limit.kbit_s, limit.burst_kbit)

    def used(self, number: int, entries: int) -> None:
        """So many entries lead through a meter from now on."""
        self._users[number] += entries

    def left(self, number: int) -> bool:
        """An entry is gone; whether its meter can go as well."""
        self._users[number] -= 1
        if self._users[number] > 0:
            return False
        del self._users[number]
        self._numbers = {s: n for s, n in self._numbers.items() if n != number}
        return True

    def forget(self) -> Iterator[int]:
        """The numbers of all meters, which are none any more."""
        yield from self._numbers.values()
        self._numbers.clear()
        self._users.clear()

    def _free(self) -> int:
        """The next number, those that long-lived flows still use apart."""
        while True:
            self._last = self._last % (tables.LOG_METER - 1) + 1
            if self._last not in self._users:
                return self._last
