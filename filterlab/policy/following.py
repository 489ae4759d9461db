"""How a box follows TCP connections under its stack model: one at a time, or by hosts.

Some boxes forget all that they know of two hosts at a reset between any of their ports:
such a reset is remembered by hosts, and a flow that is older than it is left alone. One
with a single memory, which a reset empties for good (the sixth laboratory censor of
Geneva), follows nothing any more.
"""

from __future__ import annotations

from filterlab.inspection.packet import Packet
from filterlab.inspection.tracking import Place, Step, Tracker
from filterlab.policy.case import Case
from filterlab.policy.stack import Grade, StackModel

_MOST_HOSTS = 100_000  # pairs; the oldest are forgotten first


class Following:
    """A box's tracker, and what resets have torn down by hosts.

    A flow of which `most_packets` have come is left alone.
    """

    def __init__(self, tracker: Tracker, most_packets: int | None = None) -> None:
        self._tracker = tracker
        self._most_packets = most_packets
        self._by_hosts = tracker.tears_by_hosts
        self._torn: dict[frozenset[bytes], int] = {}  # hosts: count of frames
        self._is_blind = False

    def note(self, packet: Packet, frame: int) -> None:
        """See a packet of a flow that is not read."""
        torn = self._tracker.torn_by(packet) if self._by_hosts else ()
        self._is_blind = self._is_blind or "all" in torn
        if "2-tuple" not in torn:
            return
        hosts = frozenset((packet.src, packet.dst))
        self._torn.pop(hosts, None)
        self._torn[hosts] = frame
        if len(self._torn) > _MOST_HOSTS:
            del self._torn[next(iter(self._torn))]

    def meet(self, case: Case, place: Place, frame: int) -> Step:
        """What the box does with a packet of a flow that it follows."""
        packet = case.packet
        place.met += 1
        if self._most_packets is not None and place.met > self._most_packets:
            return Step.FORGET
        step = self._tracker.meet(place, packet, case.from_client, case.chance)
        if self._by_hosts:
            self.note(packet, frame)
            hosts = frozenset((packet.src, packet.dst))
            if self._is_blind or self._torn.get(hosts, -1) >= place.began:
                return Step.FORGET
        return step


def following_for(stack: StackModel) -> Following | None:
    """How the box follows TCP; None if its streams alone do what it does."""
    keeps_order = stack.grade is not Grade.PACKET
    tracker = Tracker(
        stack.teardown + stack.resync,
        stack.needs_syn_ack,
        stack.checks_seq and not keeps_order,
        stack.checks_ack,
        stack.hops,
        stack.options,
    )
    is_plain = tracker == Tracker(checks_ack=stack.checks_ack)
    if is_plain and stack.most_packets is None:
        return None
    return Following(tracker, stack.most_packets)
