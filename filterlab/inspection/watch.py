"""Watches one flow: what the box reads of it, and what has been found so far.

The plan, shared by all flows of a box, says how carefully it reads. A box that reads
`piecewise` gives every packet or segment to fresh recognisers, so nothing is known of
a flow for good until its limits are reached; one that assembles feeds each recogniser
the stream until it has answered. Observers get every packet as it came, however the
box reads the rest. A recogniser is made when the flow's first bytes have not ruled it
out (`filterlab.inspection.opening`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import cast

from filterlab.inspection.features import Window
from filterlab.inspection.flow import TCP
from filterlab.inspection.ordering import Ordering, Segment
from filterlab.inspection.packet import ACK, SYN, Packet
from filterlab.inspection.plan import Plan
from filterlab.inspection.recogniser import (
    NEED_DATA,
    Answer,
    Direction,
    Finding,
    Observer,
    Recogniser,
    Sizer,
)
from filterlab.inspection.signatures import known_by

Sized = tuple[bool, int, float, Segment | None]
"""Of a packet with a payload: whether the client's, bytes, when; of TCP its place."""

_Sizers = list[tuple[str, Sizer]]


class Watch(Ordering):
    """The reading of one flow; `found` and `pending` are what conditions ask."""

    __slots__ = (
        "_live",
        "_observing",
        "_unmade",
        "_window",
        "bytes_seen",
        "foreseen",
        "found",
        "packets_seen",
        "pending",
        "piece_known",
    )

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        # What nothing has been said to is made later: most flows never say anything.
        self._unmade: int = -1  # the readers that wait for first bytes; -1: all
        self._live: dict[str, Recogniser] | None = None
        self._observing: dict[str, Observer] | None = None
        # A time while nothing but a SYN has been seen; closed once all have measured.
        self._window: Window | float | None = None
        self.foreseen = False  # the next packet has been read, and says something
        self.found: dict[str, Finding] = _NOTHING
        self.pending = plan.names
        self.bytes_seen = 0
        self.packets_seen = 0
        self.piece_known = False  # the piece read last is something

    def values(self, key: str) -> tuple[str, ...] | None:
        """What was found for a field; None if no finding has it."""
        for finding in self.found.values():
            if key in finding.fields:
                return finding.fields[key]
        return None

    @property
    def piecewise(self) -> bool:
        """Whether every packet or segment is read on its own."""
        return self._plan.piecewise

    @property
    def knows_no_flow(self) -> bool:
        """Whether nothing is remembered from one datagram to the next."""
        return self._plan.each_datagram and self._plan.transport != TCP

    @property
    def each_message(self) -> bool:
        """Whether this flow's datagrams are questions of their own."""
        plan = self._plan
        if plan.transport == TCP:
            return False
        return plan.each_datagram or not plan.questions.isdisjoint(self.found)

    def look(self, packet: Packet, from_client: bool, now: float = 0.0) -> bool:
        """Read one packet; true if something is known now that was not before."""
        if self.foreseen:
            self.foreseen = False
            return True
        plan = self._plan
        observed = bool(plan.by_packets) and self._see(packet, from_client, now)
        data = packet.frame[packet.start : packet.end]
        if packet.protocol == TCP:
            if plan.checks_ack and not self._acknowledges(packet, from_client):
                return observed
            if plan.ordered:
                data = self._in_order(packet, from_client, data)
        if not data:
            return observed
        if plan.reads != "both" and (plan.reads == "client") is not from_client:
            return observed
        short = plan.short_first and from_client and not self.bytes_seen
        if short and self._is_too_short(packet):
            self.conclude()
            return True
        changed = False
        if plan.piecewise or self._live or self._unmade:
            to_server = from_client or not plan.tells_ends
            direction = Direction.TO_SERVER if to_server else Direction.TO_CLIENT
            feed = self._feed_piece if plan.piecewise else self._feed
            changed = feed(direction, data)
        if self._is_over(len(data)):
            return True
        return changed or observed

    def look_ahead(self, packet: Packet, from_client: bool, now: float) -> None:
        """Read a packet before its turn; `foreseen` if `look` is to say so then."""
        self.foreseen = self.look(packet, from_client, now)

    def count_ahead(self, packets: Iterable[Sized]) -> int:
        """Read packets of which the sizes are enough, as far as they are; how many.

        If one says something it is the last, and `look` in its turn says so again.
        """
        sizers = self._sizers()
        if sizers is None:
            return 0
        window = self._window if isinstance(self._window, Window) else None
        if window is _CLOSED:
            window = None
        count, measurers = 0, self._plan.measurers
        for from_client, size, now, segment in packets:
            if from_client and window is not None and not window.first_payload:
                break
            if segment is not None and not self._goes_on(from_client, size, segment):
                break
            count += 1
            told = bool(sizers) and self._sized(sizers, from_client, size, now, segment)
            if window is not None:
                window.note(from_client, size, now)
                if len(window.samples) in measurers:
                    told |= self._is_due(window)
            if self._is_over(size) or told:
                self.foreseen = True
                break
        return count

    def _sized(
        self,
        sizers: _Sizers,
        from_client: bool,
        size: int,
        now: float,
        segment: Segment | None,
    ) -> bool:
        """Show a size to those that go by it; true if one of them spoke."""
        end = 0 if segment is None else segment[0] + size & 0xFFFFFFFF
        answers = [(n, s.sized(from_client, size, end, now)) for n, s in sizers]
        said_so = [(name, said) for name, said in answers if said is not NEED_DATA]
        self._observed(said_so)
        return bool(said_so)

    def _sizers(self) -> _Sizers | None:
        """Who goes by sizes, if nobody goes by anything else any more."""
        plan, observing = self._plan, self._observing
        if self._unmade or self._live or not plan.counts:
            return None
        if plan.measurers and not isinstance(self._window, Window):
            return None
        if observing is None:
            return None if plan.observers else []
        sizers = cast(dict[str, Sizer], observing)
        if not all(getattr(sizer, "by_size", False) for sizer in sizers.values()):
            return None
        return list(sizers.items())

    def _is_over(self, size: int) -> bool:
        """Count what has been read; true if that was the last."""
        plan = self._plan
        self.bytes_seen += size
        self.packets_seen += 1
        if (
            self.bytes_seen < plan.inspect_bytes
            and self.packets_seen < plan.inspect_packets
        ):
            return False
        self.conclude()
        return True

    def conclude(self) -> None:
        """Stop looking: what is not known by now is not there."""
        for live in (self._live, self._observing):
            for name, recogniser in (live or {}).items():
                self._take(name, recogniser.conclude())
        if isinstance(self._window, Window):
            self._close(self._window)
        self._window = _CLOSED
        self._unmade = 0
        self._live = {}
        self._observing = {}
        self.pending = _NO_NAMES

    def next_message(self) -> Watch:
        """The watch for the next datagram of a flow whose messages are questions.

        What goes by several messages keeps its state and what it has found.
        """
        plan = self._plan
        watch = Watch(plan)
        if not plan.lasting or self._live is None or plan.each_datagram:
            return watch
        watch._unmade = plan.fresh
        watch._live = {n: r for n, r in self._live.items() if n in plan.lasting}
        watch._observing = self._observing
        watch._window = self._window
        watch.found = {n: f for n, f in self.found.items() if n in plan.lasting}
        watch.pending = plan.names - (plan.lasting - self.pending)
        return watch

    def _is_too_short(self, packet: Packet) -> bool:
        least = self._plan.short_first
        return packet.protocol == TCP and packet.end - packet.start <= least

    def _see(self, packet: Packet, from_client: bool, now: float) -> bool:
        """Show a packet to those that go by packets; true if one of them spoke."""
        plan, observing = self._plan, self._observing
        observed = False
        is_news = packet.end > packet.start or not plan.patient
        if is_news and plan.observers and (observing or observing is None):
            observed = self._observe(packet, from_client, now)
        if plan.measurers and self._window is not _CLOSED:
            observed |= self._measure(packet, from_client, now)
        return observed

    def _observe(self, packet: Packet, from_client: bool, now: float) -> bool:
        observing = self._observing
        if observing is None:
            plan = self._plan
            observing = self._observing = {
                make.name: make(plan.transport, plan.reading) for make in plan.observers
            }
        said_so = None
        for name, observer in observing.items():
            said = observer.observe(packet, from_client, now)
            if said is not NEED_DATA:
                said_so = said_so or []
                said_so.append((name, said))
        if said_so is None:
            return False
        self._observed(said_so)
        return True

    def _observed(self, said_so: Sequence[tuple[str, Finding | Answer]]) -> None:
        """Take what observers have said."""
        if not said_so:
            return
        for name, said in said_so:
            if self._observing is not None:
                del self._observing[name]
            self._take(name, said)
        self.pending = self.pending.difference([name for name, _ in said_so])

    def _measure(self, packet: Packet, from_client: bool, now: float) -> bool:
        window = self._window
        if not isinstance(window, Window):
            opens = packet.flags & (SYN | ACK) == SYN and packet.start == packet.end
            if window is None and opens:
                self._window = now
                return False
            window = self._window = Window(window)
        return window.add(packet, from_client, now) and self._is_due(window)

    def _is_due(self, window: Window) -> bool:
        """Ask those who measure so many packets; true if there are any."""
        due = self._plan.measurers.get(len(window.samples))
        if due is None:
            return False
        for measurer in due:
            self._take(measurer.name, measurer.measured(window))
        self.pending = self.pending.difference([measurer.name for measurer in due])
        if len(window.samples) >= self._plan.measured:
            self._window = _CLOSED
        return True

    def _close(self, window: Window) -> None:
        """What has not been measured by now is measured as it is."""
        count = len(window.samples)
        for packets, measurers in self._plan.measurers.items():
            for measurer in measurers if packets > count else ():
                self._take(measurer.name, measurer.measured(window))

    def _feed(self, direction: Direction, data: bytes) -> bool:
        gone = self._make(direction, data) if self._unmade else _NO_NAMES
        live = self._live
        said_so = None
        for name, recogniser in live.items() if live else ():
            said = recogniser.feed(direction, data)
            if said is not NEED_DATA:
                said_so = said_so or []
                said_so.append((name, said))
        if said_so is not None and live is not None:
            for name, said in said_so:
                del live[name]
                self._take(name, said)
            gone = gone.union([name for name, _ in said_so])
        if not gone:
            return False
        self.pending -= gone
        return True

    def _make(self, direction: Direction, data: bytes) -> frozenset[str]:
        """Make the readers that these first bytes leave; the names of the others."""
        plan = self._plan
        openings = plan.openings[direction]
        unmade = openings.every if self._unmade < 0 else self._unmade
        left = openings.left(data) & unmade
        made: dict[str, Recogniser] = {
            make.name: make(plan.transport, plan.reading) for make in plan.chosen(left)
        }
        self._live = made | self._live if self._live else made
        self._unmade = 0
        return plan.named(unmade & ~left)

    def _feed_piece(self, direction: Direction, data: bytes) -> bool:
        plan = self._plan
        self.found = {n: f for n, f in self.found.items() if n in plan.by_packets}
        before, may_be = len(self.found), False
        for make in plan.chosen(plan.openings[direction].left(data)):
            recogniser = make(plan.transport, plan.reading)
            said = recogniser.feed(direction, data)
            if said is NEED_DATA:
                said, may_be = recogniser.conclude(), True
            self._take(make.name, said)
        enough = plan.gives_up_bytes
        self.piece_known = len(self.found) > before
        is_long = enough is not None and len(data) >= enough
        decides = plan.known_once and (self.piece_known or may_be)
        if decides or (is_long and not self.piece_known):
            self.packets_seen = plan.inspect_packets
        return self.piece_known

    def _take(self, name: str, said: Finding | Answer) -> None:
        if isinstance(said, Finding):
            as_of = self._plan.as_of
            known = said if as_of is date.max else known_by(name, said, as_of)
            if known is not None:
                if self.found is _NOTHING:
                    self.found = {}
                self.found[name] = known


_CLOSED = Window()  # of all flows that nothing more is measured of
_NOTHING: dict[str, Finding] = {}  # of every flow until something is; never filled
_NO_NAMES: frozenset[str] = frozenset()
