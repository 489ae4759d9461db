"""Watches one flow: what the box reads of it, and what has been found so far.

The plan, shared by all flows of a box, says how carefully it reads. A box that reads
`piecewise` gives every packet or segment to fresh recognisers, so nothing is known of
a flow for good until its limits are reached; one that assembles feeds each recogniser
the stream until it has answered. Observers get every packet as it came, however the
box reads the rest. A recogniser is made when the flow's first bytes have not ruled it
out (`filterlab.inspection.opening`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from filterlab.inspection.flow import TCP
from filterlab.inspection.opening import Openings, opening_of
from filterlab.inspection.packet import ACK, SYN, Packet
from filterlab.inspection.recogniser import (
    NEED_DATA,
    Answer,
    Direction,
    Finding,
    Observer,
    Reading,
    Recogniser,
)
from filterlab.inspection.signatures import known_by
from filterlab.inspection.stream import InOrder, Reassembly, distance


@dataclass(frozen=True, slots=True)
class Plan:
    """How a box reads the flows of one transport, and what it looks for in them."""

    transport: int
    recognisers: tuple[type[Recogniser], ...]
    piecewise: bool = False
    ordered: bool = True
    reading: Reading = field(default_factory=Reading)
    inspect_bytes: int = 16_384
    inspect_packets: int = 64
    reads_answers: bool = False  # of messages that are questions of their own
    holds_early: bool = True  # segments that come before their turn
    last_wins: bool = False  # where held segments overlap
    checks_ack: bool = True
    reads: Literal["client", "server", "both"] = "both"
    tells_ends: bool = True  # else what either end says is read as a client's
    gives_up_bytes: int | None = None  # a piece so long in which nothing is found
    syn_data: bool = True  # what a SYN carries counts
    short_first: int = 0  # a client that opens with no more bytes is left alone
    each_datagram: bool = False  # no datagram has one before it
    known_once: bool = False  # of pieces, the first that may be something decides
    as_of: date = date.max  # nothing newer is known
    names: frozenset[str] = field(init=False)
    readers: tuple[type[Recogniser], ...] = field(init=False)
    observers: tuple[type[Observer], ...] = field(init=False)
    lasting: frozenset[str] = field(init=False)  # they remember earlier messages
    questions: frozenset[str] = field(init=False)  # they take each message anew
    openings: Mapping[Direction, Openings] = field(init=False)
    # Of the readers, each a bit: those that take each message anew, and kept answers.
    fresh: int = field(init=False)
    _names: dict[int, frozenset[str]] = field(init=False)
    _chosen: dict[int, tuple[type[Recogniser], ...]] = field(init=False)

    def __post_init__(self) -> None:
        every = self.recognisers
        readers = tuple(r for r in every if not hasattr(r, "observe"))
        parts = {
            "names": frozenset(r.name for r in every),
            "readers": readers,
            "observers": tuple(r for r in every if hasattr(r, "observe")),
            "lasting": frozenset(r.name for r in every if not r.each_message),
            "questions": frozenset(r.name for r in every if r.each_message),
            "openings": _openings(readers, self.transport, self.reading),
            "fresh": sum(1 << n for n, r in enumerate(readers) if r.each_message),
            "_names": {},
            "_chosen": {},
        }
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    def chosen(self, bits: int) -> tuple[type[Recogniser], ...]:
        """The readers of these bits, in their order."""
        found = self._chosen.get(bits)
        if found is None:
            every = enumerate(self.readers)
            found = tuple(reader for n, reader in every if bits >> n & 1)
            self._chosen[bits] = found
        return found

    def named(self, bits: int) -> frozenset[str]:
        """The names of the readers of these bits."""
        found = self._names.get(bits)
        if found is None:
            found = frozenset(reader.name for reader in self.chosen(bits))
            self._names[bits] = found
        return found


def _openings(
    readers: tuple[type[Recogniser], ...], transport: int, reading: Reading
) -> dict[Direction, Openings]:
    declared = [opening_of(reader, transport, reading) for reader in readers]
    return {way: Openings(declared, way is Direction.TO_SERVER) for way in Direction}


class Watch:
    """The reading of one flow; `found` and `pending` are what conditions ask."""

    __slots__ = (
        "_live",
        "_observing",
        "_plan",
        "_server_sent",
        "_to_client",
        "_to_server",
        "_unmade",
        "bytes_seen",
        "found",
        "packets_seen",
        "pending",
        "piece_known",
    )

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # What nothing has been said to is made later: most flows never say anything.
        self._unmade: int = -1  # the readers that wait for first bytes; -1: all
        self._live: dict[str, Recogniser] | None = None
        self._observing: dict[str, Observer] | None = None
        self._to_server: InOrder | Reassembly | None = None
        self._to_client: InOrder | Reassembly | None = None
        self._server_sent: int | None = None  # what the client can acknowledge
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
        plan = self._plan
        observed = bool(plan.observers) and self._observe(packet, from_client, now)
        is_stream = packet.protocol == TCP
        if (
            is_stream
            and plan.checks_ack
            and not self._acknowledges(packet, from_client)
        ):
            return observed
        data = packet.frame[packet.start : packet.end]
        if is_stream and plan.ordered:
            data = self._in_order(packet, from_client, data)
        if not data:
            return observed
        if plan.reads != "both" and (plan.reads == "client") is not from_client:
            return observed
        short = plan.short_first and from_client and not self.bytes_seen
        if short and self._is_too_short(packet):
            self.conclude()
            return True
        self.bytes_seen += len(data)
        self.packets_seen += 1
        to_server = from_client or not plan.tells_ends
        direction = Direction.TO_SERVER if to_server else Direction.TO_CLIENT
        changed = (
            self._feed_piece(direction, data)
            if plan.piecewise
            else self._feed(direction, data)
        )
        if (
            self.bytes_seen >= plan.inspect_bytes
            or self.packets_seen >= plan.inspect_packets
        ):
            self.conclude()
            return True
        return changed or observed

    def restart(self, from_client: bool, seq: int) -> None:
        """Take one end's stream up again at this sequence number."""
        stream = self._to_server if from_client else self._to_client
        if stream is None and self._plan.ordered:
            stream = self._new_stream(from_client)
        if stream is not None:
            stream.restart(seq)

    def server_expects(self) -> int | None:
        """The next sequence number of the client's stream, where it is followed."""
        return None if self._to_server is None else self._to_server.next_seq

    def conclude(self) -> None:
        """Stop looking: what is not known by now is not there."""
        for live in (self._live, self._observing):
            for name, recogniser in (live or {}).items():
                self._take(name, recogniser.conclude())
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
        watch.found = {n: f for n, f in self.found.items() if n in plan.lasting}
        watch.pending = plan.names - (plan.lasting - self.pending)
        return watch

    def _is_too_short(self, packet: Packet) -> bool:
        least = self._plan.short_first
        return packet.protocol == TCP and packet.end - packet.start <= least

    def _acknowledges(self, packet: Packet, from_client: bool) -> bool:
        """Whether the server would take a packet by what it acknowledges.

        A segment without ACK is dropped, and so is one that acknowledges what has not
        been sent (RFC 9293, 3.10.7.4); a SYN with data is another matter (RFC 7413).
        """
        flags, sent = packet.flags, self._server_sent
        if from_client:
            if flags & SYN:
                return True
            if not flags & ACK:
                return False
            if sent is None or sent == packet.ack:
                return True
            return distance(sent, packet.ack) <= 1  # its FIN, unseen
        end = packet.next_seq
        if sent is None or distance(sent, end) > 0:
            self._server_sent = end
        return True

    def _in_order(self, packet: Packet, from_client: bool, data: bytes) -> bytes:
        stream = self._to_server if from_client else self._to_client
        if stream is None:
            if not data and not packet.flags & SYN:
                return b""
            stream = self._new_stream(from_client)
        seq = packet.seq
        if packet.flags & SYN:
            seq = (seq + 1) & 0xFFFFFFFF
            stream.begin(seq)
            data = data if self._plan.syn_data else b""
        return stream.push(seq, data) if data else b""

    def _new_stream(self, from_client: bool) -> InOrder | Reassembly:
        plan = self._plan
        stream = (
            InOrder()
            if plan.piecewise or not plan.holds_early
            else Reassembly(plan.inspect_bytes, plan.last_wins)
        )
        if from_client:
            self._to_server = stream
        else:
            self._to_client = stream
        return stream

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
        for name, said in said_so:
            del observing[name]
            self._take(name, said)
        self.pending = self.pending.difference([name for name, _ in said_so])
        return True

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
        observed = {r.name for r in plan.observers}
        self.found = {n: f for n, f in self.found.items() if n in observed}
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
            known = known_by(name, said, self._plan.as_of)
            if known is not None:
                if self.found is _NOTHING:
                    self.found = {}
                self.found[name] = known


_NOTHING: dict[str, Finding] = {}  # of every flow until something is; never filled
_NO_NAMES: frozenset[str] = frozenset()
