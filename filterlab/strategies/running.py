"""Applies a strategy to packets: which tree a packet pulls, and what comes out of it.

The order is Geneva's: the trees of the forest one after the other, each on the packet
as it was; in a tree the left branch before the right one. A sleep holds for all that
comes out of its branches. An inbound packet gives at most one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Protocol

from filterlab.strategies import dns, tampering
from filterlab.strategies.fields import FIELDS
from filterlab.strategies.notation import (
    Action,
    Drop,
    Duplicate,
    Fragment,
    Sleep,
    Strategy,
    Tamper,
    Trace,
    Tree,
    Trigger,
)
from filterlab.strategies.packet import Packet, fragments, read, segments

_TTLS = 256  # eight bits (RFC 791, 3.1)
_TRACE_SECONDS = 1.0  # between two packets of a trace, as Geneva sends them


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A packet to send, and how long to hold it back."""

    data: bytes
    delay_seconds: float = 0.0


class Manipulation(Protocol):
    """What a strategy's process does to the packets of its host."""

    def outbound(self, data: bytes) -> list[Outgoing]:
        """What is sent instead of a packet that leaves."""

    def inbound(self, data: bytes) -> bytes | None:
        """What the host gets instead of a packet that comes; None for nothing."""


def _silent(text: str) -> None:
    """Say nothing."""


class Running:
    """A strategy at work on one host, with the gas that its triggers have left.

    Nothing of the strategy may be left to chance any more: `drawing.drawn`.
    """

    def __init__(
        self, strategy: Strategy, random: Random, say: Callable[[str], None] = _silent
    ) -> None:
        self._strategy = strategy
        self._random = random
        self._say = say
        trees = (*strategy.outbound, *strategy.inbound)
        self._gas = {id(tree): tree.trigger.gas for tree in trees}
        self._traced: set[int] = set()

    def outbound(self, data: bytes) -> list[Outgoing]:
        """What is sent instead of a packet that leaves."""
        packets = self._through(self._strategy.outbound, data)
        if packets is None:
            return [Outgoing(data)]
        return [Outgoing(one.build(), one.delay_seconds) for one in packets]

    def inbound(self, data: bytes) -> bytes | None:
        """What the host gets instead of a packet that comes; None for nothing."""
        packets = self._through(self._strategy.inbound, data)
        if packets is None:
            return data
        return packets[0].build() if packets else None

    def _through(self, forest: tuple[Tree, ...], data: bytes) -> list[Packet] | None:
        """The packets that come out of the trees; None if the packet pulls none."""
        packet = read(data) if forest else None
        if packet is None:
            return None
        pulled = [tree for tree in forest if self._fires(tree, packet)]
        if not pulled:
            return None
        return [out for tree in pulled for out in self._run(tree.action, packet.copy())]

    def _fires(self, tree: Tree, packet: Packet) -> bool:
        if not matches(tree.trigger, packet):
            return False
        gas = self._gas[id(tree)]
        if gas is None:
            return True
        if gas == 0:
            return tree.trigger.gas is not None and tree.trigger.gas < 0
        self._gas[id(tree)] = gas - 1 if gas > 0 else gas + 1
        return gas > 0

    def _run(self, action: Action | None, packet: Packet) -> Iterator[Packet]:
        if action is None:
            yield packet
            return
        if isinstance(action, Drop):
            return
        if isinstance(action, Trace):
            yield from self._trace(action, packet)
            return
        if isinstance(action, Sleep) and not 0 <= float(action.seconds) < math.inf:
            return  # Geneva's thread that should send it ends with an error
        left, right = self._act(action, packet)
        yield from self._run(action.left, left)
        if right is not None:
            yield from self._run(action.right, right)

    def _act(self, action: Action, packet: Packet) -> tuple[Packet, Packet | None]:
        """What goes into the left branch, and into the right one if there is one."""
        if isinstance(action, Tamper):
            self._tamper(action, packet)
        elif isinstance(action, Sleep):
            packet.delay_seconds += float(action.seconds)
        elif isinstance(action, Duplicate):
            return packet, packet.copy()
        elif isinstance(action, Fragment):
            pair = _cut(action, packet) or (packet, packet.copy())
            return pair if action.in_order else (pair[1], pair[0])
        return packet, None

    def _tamper(self, action: Tamper, packet: Packet) -> None:
        protocol = (action.protocol or "").upper()
        if action.how == "compress":
            if tampering.has(packet, "DNSQR"):
                packet.load = dns.compressed(packet.load)
                packet.fixed.clear()
            return
        if not tampering.has(packet, protocol):
            return
        if action.field not in FIELDS[protocol]:
            return
        try:
            value = self._value(action, protocol, packet)
            tampering.put(packet, protocol, action.field, value)
        except tampering.Unusable as why:
            self._say(f"{why}: the packet stays as it is")

    def _value(self, action: Tamper, protocol: str, packet: Packet) -> str:
        if action.how == "corrupt":
            return tampering.corrupted(protocol, action.field, self._random)
        assert action.value is not None  # if it lacked one, it has been drawn
        if action.how != "add":
            return action.value
        try:
            old = tampering.get(packet, protocol, action.field)
            return str(int(old) + int(action.value))
        except ValueError:
            raise tampering.Unusable(f"{action} adds to what is no number") from None

    def _trace(self, action: Trace, packet: Packet) -> Iterator[Packet]:
        if id(action) in self._traced or action.unusable:
            return
        if packet.ipv6:  # no header whose TTL could be set: it goes on as it is
            yield packet
            return
        self._traced.add(id(action))
        for number, ttl in enumerate(_ttls(action)):
            one = packet.copy()
            tampering.put(one, "IP", "ttl", str(ttl))
            one.delay_seconds += number * _TRACE_SECONDS
            yield one


def _ttls(action: Trace) -> range:
    """The TTLs of a trace; no more than a header can have (RFC 791, 3.1)."""
    return range(max(0, action.first_ttl), min(_TTLS, action.last_ttl))


def _cut(action: Fragment, packet: Packet) -> tuple[Packet, Packet] | None:
    """The two pieces; None if there is nothing to cut."""
    if action.layer == "ip":
        return fragments(packet, action.at)
    if packet.transport != "TCP" or not packet.load:
        return None
    return segments(packet, action.at, action.overlap_bytes)


def matches(trigger: Trigger, packet: Packet) -> bool:
    """Whether a packet pulls a trigger, whatever gas that has."""
    protocol = trigger.protocol.upper()
    if not tampering.has(packet, protocol):
        return False
    found = tampering.get(packet, protocol, trigger.field)
    wanted = trigger.value
    if wanted.endswith("*"):
        return wanted[:-1] in str(found)
    if trigger.field == "flags":
        try:
            bits = tampering.flag_bits(protocol, wanted)
        except ValueError:
            return False
        return bits == tampering.flag_bits(protocol, str(found))
    if isinstance(found, int):
        return wanted.lstrip("+-").isdigit() and int(wanted) == found
    return wanted == found
