"""Watches one flow: what the box reads of it, and what has been found so far.

The plan, shared by all flows of a box, says how carefully it reads. A box that reads
`piecewise` gives every packet or segment to fresh recognisers, so nothing is known of
a flow for good until its limits are reached; one that assembles feeds each recogniser
the stream until it has answered. Observers get every packet as it came, however the
box reads the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from filterlab.inspection.flow import TCP
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
    as_of: date = date.max  # nothing newer is known
    names: frozenset[str] = field(init=False)
    readers: tuple[type[Recogniser], ...] = field(init=False)
    observers: tuple[type[Observer], ...] = field(init=False)
    lasting: frozenset[str] = field(init=False)  # they remember earlier messages

    def __post_init__(self) -> None:
        every = self.recognisers
        parts = {
            "names": frozenset(r.name for r in every),
            "readers": tuple(r for r in every if not hasattr(r, "observe")),
            "observers": tuple(r for r in every if hasattr(r, "observe")),
            "lasting": frozenset(r.name for r in every if not r.each_message),
        }
        for name, value in parts.items():
            object.__setattr__(self, name, value)


class Watch:
    """The reading of one flow; `found` and `pending` are what conditions ask."""

    __slots__ = (
        "_live",
        "_observing",
        "_plan",
        "_server_sent",
        "_to_client",
        "_to_server",
        "bytes_seen",
        "found",
        "packets_seen",
        "pending",
        "piece_known",
    )

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._live: dict[str, Recogniser] | None = None
        self._observing: dict[str, Observer] | None = None
        self._to_server: InOrder | Reassembly | None = None
        self._to_client: InOrder | Reassembly | None = None
        self._server_sent: int | None = None  # what the client can acknowledge
        self.found: dict[str, Finding] = {}
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
    def each_message(self) -> bool:
        """Whether this flow's datagrams are questions of their own."""
        return self._plan.transport != TCP and any(
            r.each_message and r.name in self.found for r in self._plan.recognisers
        )

    def look(self, packet: Packet, from_client: bool, now: float = 0.0) -> bool:
        """Read one packet; true if something is known now that was not before."""
        observed = bool(self._plan.observers) and self._observe(
            packet, from_client, now
        )
        data = packet.payload
        if packet.protocol == TCP:
            if self._plan.checks_ack and not self._acknowledges(packet, from_client):
                return observed
            data = self._in_order(packet, from_client, data)
        if not data or not self._is_read(from_client):
            return observed
        self.bytes_seen += len(data)
        self.packets_seen += 1
        to_server = from_client or not self._plan.tells_ends
        direction = Direction.TO_SERVER if to_server else Direction.TO_CLIENT
        changed = (
            self._feed_piece(direction, data)
            if self._plan.piecewise
            else self._feed(direction, data)
        )
        if self._spent():
            self.conclude()
            return True
        return changed or observed

    def restart(self, from_client: bool, seq: int) -> None:
        """Take one end's stream up again at this sequence number."""
        stream = self._to_server if from_client else self._to_client
        if stream is None and self._plan.ordered:
            stream = self._new_stream()
            if from_client:
                self._to_server = stream
            else:
                self._to_client = stream
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
        self._live = {}
        self._observing = {}
        self.pending = frozenset()

    def next_message(self) -> Watch:
        """The watch for the next datagram of a flow whose messages are questions.

        What goes by several messages keeps its state and what it has found.
        """
        plan = self._plan
        watch = Watch(plan)
        if not plan.lasting or self._live is None:
            return watch
        fresh = {r.name: r for r in watch._recognisers() if r.each_message}
        kept = {n: r for n, r in self._live.items() if n in plan.lasting}
        watch._live = fresh | kept
        watch._observing = self._observing
        watch.found = {n: f for n, f in self.found.items() if n in plan.lasting}
        watch.pending = plan.names - (plan.lasting - self.pending)
        return watch

    def _spent(self) -> bool:
        return (
            self.bytes_seen >= self._plan.inspect_bytes
            or self.packets_seen >= self._plan.inspect_packets
        )

    def _is_read(self, from_client: bool) -> bool:
        reads = self._plan.reads
        return reads == "both" or (reads == "client") is from_client

    def _acknowledges(self, packet: Packet, from_client: bool) -> bool:
        """Whether the server would take a packet by what it acknowledges.

        A segment without ACK is dropped, and so is one that acknowledges what has not
        been sent (RFC 9293, 3.10.7.4); a SYN with data is another matter (RFC 7413).
        """
        flags = packet.flags
        if from_client:
            if flags & SYN:
                return True
            sent = self._server_sent
            return bool(flags & ACK) and (
                sent is None or distance(sent, packet.ack) <= 1  # its FIN, unseen
            )
        end, sent = packet.next_seq, self._server_sent
        if sent is None or distance(sent, end) > 0:
            self._server_sent = end
        return True

    def _in_order(self, packet: Packet, from_client: bool, data: bytes) -> bytes:
        if not self._plan.ordered:
            return data
        stream = self._to_server if from_client else self._to_client
        if stream is None:
            if not data and not packet.flags & SYN:
                return b""
            stream = self._new_stream()
            if from_client:
                self._to_server = stream
            else:
                self._to_client = stream
        seq = packet.seq
        if packet.flags & SYN:
            seq = (seq + 1) & 0xFFFFFFFF
            stream.begin(seq)
        return stream.push(seq, data) if data else b""

    def _new_stream(self) -> InOrder | Reassembly:
        if self._plan.piecewise or not self._plan.holds_early:
            return InOrder()
        return Reassembly(self._plan.inspect_bytes, self._plan.last_wins)

    def _recognisers(self) -> Iterable[Recogniser]:
        plan = self._plan
        return (make(plan.transport, plan.reading) for make in plan.readers)

    def _observe(self, packet: Packet, from_client: bool, now: float) -> bool:
        plan = self._plan
        if self._observing is None:
            self._observing = {
                make.name: make(plan.transport, plan.reading) for make in plan.observers
            }
        changed = False
        for name, observer in tuple(self._observing.items()):
            said = observer.observe(packet, from_client, now)
            if said is NEED_DATA:
                continue
            del self._observing[name]
            self.pending -= {name}
            self._take(name, said)
            changed = True
        return changed

    def _feed(self, direction: Direction, data: bytes) -> bool:
        if self._live is None:
            self._live = {r.name: r for r in self._recognisers()}
        changed = False
        for name, recogniser in tuple(self._live.items()):
            said = recogniser.feed(direction, data)
            if said is NEED_DATA:
                continue
            del self._live[name]
            self.pending -= {name}
            self._take(name, said)
            changed = True
        return changed

    def _feed_piece(self, direction: Direction, data: bytes) -> bool:
        observed = {r.name for r in self._plan.observers}
        self.found = {n: f for n, f in self.found.items() if n in observed}
        before = len(self.found)
        for recogniser in self._recognisers():
            said = recogniser.feed(direction, data)
            if said is NEED_DATA:
                said = recogniser.conclude()
            self._take(recogniser.name, said)
        enough = self._plan.gives_up_bytes
        self.piece_known = len(self.found) > before
        if enough is not None and not self.piece_known and len(data) >= enough:
            self.packets_seen = self._plan.inspect_packets
        return self.piece_known

    def _take(self, name: str, said: Finding | Answer) -> None:
        if isinstance(said, Finding):
            known = known_by(name, said, self._plan.as_of)
            if known is not None:
                self.found[name] = known
