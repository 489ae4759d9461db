"""Keeps an exchange's ledger while a policy wants records, and has the switch count.

The switch counts each connection and tells when it is over. When its last packet came
the switch does not tell: now and then it is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from filterlab.openflow import wire
from filterlab.openflow.counting import LEARNT_COOKIE, learning_entries
from filterlab.openflow.ledger import Ledger
from filterlab.openflow.tables import LONGEST_SECONDS, Port, Table, guard_entries
from filterlab.openflow.wire import Counted
from filterlab.policy.effects import Led, Record, Side
from filterlab.policy.rules import Records
from filterlab.records.keeping import Passed

# So many entries a second may be asked for: reading one takes ten microseconds or so,
# which is a hundredth of the controller's time.
_ASKED_PER_SECOND = 1_000


class Account:
    """What one exchange tells of the connections that passed it."""

    def __init__(
        self,
        ports: Sequence[Port],
        clock_rate: float,
        tell: Callable[[Passed], None],
        unseen: Collection[bytes] = (),
    ) -> None:
        """`tell` gets each connection that is over, if neither end is `unseen`."""
        self._ports = ports
        self._clock_rate = clock_rate
        self._ledger = Ledger(tell, unseen)
        self._is_open = False  # the policy in force wants records
        self._waiting: list[Callable[[], Any]] = []
        self._seconds_unasked = 0.0
        self._asked = -math.inf

    def change(self, records: Records | None) -> Iterator[bytes]:
        """What the switch is told when a policy comes into force."""
        if records is None and not self._is_open:
            return
        self._is_open = records is not None
        if records is not None:
            idle = math.ceil(records.silence_seconds / self._clock_rate)
            for entry in learning_entries(min(LONGEST_SECONDS, max(1, idle))):
                yield wire.add_entry(entry)
        for entry in guard_entries(self._ports, counted=self._is_open):
            yield wire.add_entry(entry)
        if records is None:
            yield wire.remove_entries(Table.COUNT)

    def first(self, frame: bytes, side: Side, now: float) -> None:
        """Count a frame that no entry has counted."""
        self._ledger.first(frame, side, now)

    def told(self, effect: Record | Led) -> None:
        """Keep what was found of a connection, or who answers in its server's place."""
        if isinstance(effect, Record):
            self._ledger.found(effect)
        else:
            self._ledger.led(effect)

    def removed(self, entry: Counted, idle_since: float) -> bool:
        """Whether an entry that is gone was one that counts.

        One that was idle tells since when; what any other had left to tell came at some
        time after the last question.
        """
        if not entry.cookie & LEARNT_COOKIE:
            return False
        seen = idle_since if entry.idle_seconds else self._asked
        self._ledger.removed(entry.match, entry.bytes, entry.packets, seen)
        self.settle_up()
        return True

    def asks(self, now: float) -> float:
        """The switch is asked now; returns when it was asked before."""
        before, self._asked = self._asked, now
        return before

    def counted(self, entries: Iterable[Counted], since: float) -> None:
        """What the switch has answered, asked what has met its entries since then.

        Between two questions nobody knows when a packet came. The earlier one is taken:
        the clock may have leapt before the later one, and a connection's last packets
        were then years on the way.
        """
        for entry in entries:
            if entry.cookie & LEARNT_COOKIE:
                self._ledger.counted(entry.match, entry.packets, since)

    def wants_counts(self, seconds: float) -> bool:
        """Whether the switch should be asked now, so long after the last call."""
        self._seconds_unasked += seconds
        awaits = self._ledger.awaits
        if not awaits or self._seconds_unasked * _ASKED_PER_SECOND < awaits:
            return False
        self._seconds_unasked = 0.0
        return True

    def harvest(self, done: Callable[[], Any]) -> bytes:
        """Have the switch tell all counts, and call `done` once it has."""
        self._waiting.append(done)
        return wire.remove_entries(Table.COUNT, LEARNT_COOKIE, LEARNT_COOKIE)

    def close(self) -> None:
        """Tell all that is left."""
        self._ledger.close()

    def settle_up(self) -> None:
        """Call who waits, if the switch counts nothing any more."""
        if self._ledger.awaits:
            return
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done()
