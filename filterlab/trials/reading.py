"""Gives every flow of a capture to every recogniser, and counts what they find.

The flows are read as the most careful box reads them: streams put in order, QUIC's
first packets opened, each datagram of a protocol of questions on its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from filterlab.captures.index import read_index
from filterlab.inspection.catalogue import DETAILS, RECOGNISERS
from filterlab.inspection.flow import Ends
from filterlab.inspection.packet import SYN, Packet, dissect
from filterlab.inspection.plan import Plan
from filterlab.inspection.recogniser import QuicReading, Reading
from filterlab.inspection.watch import Watch
from filterlab.policy.ends import ends_of, is_from_server
from filterlab.replay.headers import ethernet_frame

_READ_BYTES, _READ_PACKETS = 65_536, 1_000  # more than any recogniser asks for
_MICRO = 1e-9


@dataclass(slots=True)
class Counted:
    """How many flows there are, and in how many each protocol was found."""

    flows: int = 0
    found: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Flow:
    """One flow and what has been found in it."""

    client: tuple[bytes, int]
    watch: Watch
    protocols: set[str] = field(default_factory=set)

    def take(self) -> None:
        """Keep what is known by now."""
        for name, finding in self.watch.found.items():
            if finding.protocol and name not in DETAILS:
                self.protocols.add(finding.protocol)


def read_capture(
    path: Path, client: tuple[str, ...], peers: tuple[str, ...]
) -> Counted:
    """What is found in the flows between the client and those it had business with."""
    ours = {ip_address(one).packed for one in client}
    theirs = {ip_address(one).packed for one in peers}
    index = read_index(path)
    flows: dict[tuple[int, frozenset[tuple[bytes, int]]], _Flow] = {}
    plans: dict[int, Plan] = {}
    for row in range(len(index)):
        packet = dissect(ethernet_frame(index, row))
        if packet is None or not packet.whole:
            continue
        pair = {packet.src, packet.dst}
        if not (pair & ours and pair & theirs):
            continue
        flow = _flow_of(packet, flows, plans)
        _look(flow, packet, int(index.nanoseconds[row]) * _MICRO)
    counted = Counted(len(flows))
    for flow in flows.values():
        flow.watch.conclude()
        flow.take()
        for protocol in flow.protocols:
            counted.found[protocol] = counted.found.get(protocol, 0) + 1
    return counted


def _flow_of(
    packet: Packet,
    flows: dict[tuple[int, frozenset[tuple[bytes, int]]], _Flow],
    plans: dict[int, Plan],
) -> _Flow:
    ends = ends_of(packet, from_client=True)
    key = ends[0], frozenset((ends[1:3], ends[3:5]))
    if key not in flows:
        opened: Ends = ends_of(packet, not is_from_server(packet))
        plan = plans.setdefault(packet.protocol, _plan(packet.protocol))
        flows[key] = _Flow((opened[1], opened[2]), Watch(plan))
    return flows[key]


def _plan(transport: int) -> Plan:
    every = tuple(r for r in RECOGNISERS.values() if transport in r.transports)
    return Plan(
        transport,
        every,
        reading=Reading(quic=QuicReading()),
        inspect_bytes=_READ_BYTES,
        inspect_packets=_READ_PACKETS,
    )


def _look(flow: _Flow, packet: Packet, now: float) -> None:
    if not packet.payload and not packet.flags & SYN:
        return
    if flow.watch.each_message:
        flow.watch = flow.watch.next_message()
    from_client = (packet.src, packet.src_port) == flow.client
    if packet.flags & SYN:
        flow.watch.restart(from_client, (packet.seq + 1) & 0xFFFFFFFF)
    if flow.watch.look(packet, from_client, now):
        flow.take()
