"""Follows a TCP connection as a box does: takes a packet in, passes it over, forgets.

Boxes differ most in this. What moves a box's place in the stream, and what makes it
forget the connection, are `Event`s of its stack model; `Tracker` applies them to the
`Place` of one flow. Source: Bock et al., "Geneva" (CCS 2019), 5.2 (resynchronisation
with a probability, teardown) and "Come as You Are" (SIGCOMM 2020), 5.1; RFC 9293,
3.10.7.4 (which segments are acceptable).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from filterlab.inspection.packet import ACK, FIN, PSH, RST, SYN, Packet
from filterlab.inspection.stream import distance

# What tells one kind of segment from another; urgent and congestion bits do not.
KIND_OF_SEGMENT = FIN | SYN | RST | PSH | ACK
WINDOW = 65_535  # the largest that needs no scaling (RFC 9293, 3.1)
_MASK = 0xFFFFFFFF

Sender = Literal["client", "server", "either"]
Next = Literal["any", "client", "client-ack", "server-syn-ack", "expected"]


@dataclass(frozen=True, slots=True)
class Event:
    """Packets by which a box forgets a connection, or moves its place in it.

    `then`: "forget" leaves the connection alone from here on; "sync" takes its place
    from this packet; "sync-next" takes it from the first packet to come that is one of
    `on`. `seq` asks where the packet lies: "exact" on the next byte expected, "window"
    near it, "unexpected" anywhere else. `match` says what a box forgets: this
    connection, all that these hosts have had, or all that there are and will be (of
    one memory, which nothing fills again). With `reads` the packet by which the box
    found its place is searched as well. `flags` empty stands for any.
    """

    then: Literal["forget", "sync", "sync-next"]
    flags: frozenset[int] = frozenset()
    sender: Sender = "either"
    seq: Literal["any", "window", "exact", "unexpected"] = "any"
    match: Literal["2-tuple", "4-tuple", "all"] = "4-tuple"
    payload: bool | None = None  # None: with or without
    opening: bool | None = None  # True: only before the client's first bare ACK
    probability: float = 1.0
    on: frozenset[Next] = frozenset(("client",))
    reads: bool = True


class Step(Enum):
    """What a box does with a packet of a connection that it follows."""

    READ = "take it in"
    SKIP = "pass it over"
    FORGET = "leave the connection alone from here on"


class Place:
    """Where a box believes that each end of one connection is."""

    __slots__ = ("began", "client", "met", "open", "restart", "server", "waits_for")

    def __init__(self, began: int) -> None:
        self.began = began  # count of frames when the flow was first seen
        self.met = 0  # packets, empty ones too
        self.client: int | None = None  # next byte of the client
        self.server: int | None = None
        self.restart: int | None = None  # where this packet makes its stream go on
        self.open = False  # the client has acknowledged something
        self.waits_for: Event | None = None

    def expects(self, from_client: bool) -> int | None:
        """The next sequence number of one end, where it is known."""
        return self.client if from_client else self.server

    def move(self, from_client: bool, seq: int) -> None:
        """Believe that this end goes on here."""
        if from_client:
            self.client = seq
        else:
            self.server = seq


@dataclass(frozen=True, slots=True)
class Tracker:
    """How one box follows connections; shared by all of its flows."""

    events: tuple[Event, ...] = ()
    needs_syn_ack: bool = False
    checks_seq: bool = False
    checks_ack: bool = True
    least_ttl: int = 0
    options: Literal["any", "known", "none"] = "any"

    @property
    def tears_by_hosts(self) -> bool:
        """Whether a packet may end what another flow of its hosts was known for."""
        return any(event.match != "4-tuple" for event in self.events)

    def torn_by(self, packet: Packet) -> frozenset[str]:
        """What a packet ends for the box besides its own connection, by `match`."""
        kind = packet.flags & KIND_OF_SEGMENT
        return frozenset(
            event.match
            for event in self.events
            if event.match != "4-tuple" and (not event.flags or kind in event.flags)
        )

    def is_acceptable(self, packet: Packet, from_client: bool, place: Place) -> bool:
        """Whether the server, or a careful box in its stead, would take the packet."""
        if packet.ttl < self.least_ttl and from_client:
            return False
        if self.options != "any" and not _options_fit(packet, self.options):
            return False
        expected = place.expects(from_client)
        if self.checks_seq and expected is not None and not packet.flags & SYN:
            # One byte before it is a keep-alive (RFC 9293, 3.8.4).
            ahead = distance(expected, packet.seq)
            if not -1 <= ahead <= WINDOW:
                return False
        if self.checks_ack and not packet.flags & (SYN | RST):
            if not packet.flags & ACK:
                return False
            other = place.expects(not from_client)
            return other is None or distance(other, packet.ack) <= 0
        return True

    def meet(
        self,
        place: Place,
        packet: Packet,
        from_client: bool,
        chance: Callable[[], float],
    ) -> Step:
        """What the box does with a packet, and where it is afterwards."""
        place.restart = None
        if not self.is_acceptable(packet, from_client, place):
            return Step.SKIP
        if (waits := place.waits_for) is not None and _is_awaited(
            waits.on, packet, from_client, place
        ):
            place.waits_for = None
            return self._sync(waits, place, packet, from_client)
        for event in self.events:
            if not _is_event(event, packet, from_client, place):
                continue
            if event.probability < 1 and chance() >= event.probability:
                continue
            if event.then == "forget":
                return Step.FORGET
            if event.then == "sync":
                return self._sync(event, place, packet, from_client)
            place.waits_for = event
            break
        self._advance(place, packet, from_client)
        return Step.SKIP if self.needs_syn_ack and place.server is None else Step.READ

    def _sync(
        self, event: Event, place: Place, packet: Packet, from_client: bool
    ) -> Step:
        # A client that answers a simultaneous open keeps its number on the SYN+ACK; a
        # box that synchronises by it is off by one (SIGCOMM 2020, 5.1).
        is_syn = packet.flags & (SYN | ACK) == SYN
        start = (packet.seq + is_syn) & _MASK
        end = (start + packet.end - packet.start) & _MASK
        place.restart = start if event.reads else end
        place.move(from_client, end)
        return Step.READ if event.reads else Step.SKIP

    def _advance(self, place: Place, packet: Packet, from_client: bool) -> None:
        """Go on past a packet that continues the stream."""
        flags = packet.flags
        expected = place.expects(from_client)
        # The first SYN says where a stream begins; what follows must continue it.
        begins = expected is None
        # A FIN's own number is not counted: nothing comes after it in earnest.
        size = packet.end - packet.start + (flags & SYN) // SYN
        end = (packet.seq + size) & _MASK
        if begins or (
            distance(expected or 0, packet.seq) <= 0 < distance(expected or 0, end)
        ):
            place.move(from_client, end)
        if from_client and flags & (SYN | ACK | RST) == ACK:
            place.open = True


def _is_event(event: Event, packet: Packet, from_client: bool, place: Place) -> bool:
    if event.flags and packet.flags & KIND_OF_SEGMENT not in event.flags:
        return False
    if event.sender != "either" and (event.sender == "client") is not from_client:
        return False
    if event.payload is not None and event.payload is not (packet.end > packet.start):
        return False
    if event.opening is not None and event.opening is place.open:
        return False
    return event.seq == "any" or _lies(
        event.seq, packet.seq, place.expects(from_client)
    )


def _lies(where: str, seq: int, expected: int | None) -> bool:
    if expected is None:
        return where == "unexpected"
    ahead = distance(expected, seq)
    if where == "window":
        return 0 <= ahead <= WINDOW
    return (ahead == 0) is (where == "exact")


def _is_awaited(
    on: frozenset[Next], packet: Packet, from_client: bool, place: Place
) -> bool:
    if "any" in on:
        return True
    flags = packet.flags
    if from_client:
        if "client" in on or ("client-ack" in on and flags & ACK):
            return True
    elif "server-syn-ack" in on and flags & (SYN | ACK) == SYN | ACK:
        return True
    return "expected" in on and _lies("exact", packet.seq, place.expects(from_client))


# IANA, TCP option kinds that common stacks send: end, nothing, segment size, window
# scale, selective acknowledgement (allowed, blocks), timestamps, fast open.
_KNOWN_OPTIONS = frozenset((0, 1, 2, 3, 4, 5, 8, 34))
_HEADER_BYTES = 20  # RFC 9293, 3.1


def _options_fit(packet: Packet, wanted: Literal["any", "known", "none"]) -> bool:
    at, end = packet.transport + _HEADER_BYTES, packet.start
    if wanted == "none":
        return at == end
    frame = packet.frame
    while at < end:
        kind = frame[at]
        if kind not in _KNOWN_OPTIONS:
            return False
        if kind == 0:
            return True
        if kind == 1:
            at += 1
            continue
        if at + 1 >= end or frame[at + 1] < 2:
            return False
        at += frame[at + 1]
    return True
