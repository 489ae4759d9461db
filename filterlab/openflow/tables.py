"""The exchange's OpenFlow tables, and which entries a policy and its verdicts become.

    guard    ARP, neighbour discovery and the like go on untouched; the rest of the
             IP traffic is marked with the side that it came from
    address  what a policy forbids by address, protocol and port alone
    verdict  one entry for each direction of a decided flow
    inspect  what is undecided: held for the controller, copied to it, or let through
    forward  by destination MAC address, or else across to the other side
    count    looked into by `guard` while records are kept: each connection's packets

A frame walks the tables from the top and leaves at `forward`; where no entry sends it
on, it is dropped. Values only: `filterlab.openflow.wire` turns them into messages.
Source: OpenFlow Switch Specification 1.3.5; design, section 5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from filterlab.inspection.flow import TCP, UDP, FlowKey
from filterlab.policy.effects import Settle, Side
from filterlab.policy.rules import Policy, Position

Network = IPv4Network | IPv6Network
Value = int | tuple[int, int]  # exact, or value and mask

CONTROLLER = 0xFFFFFFFD  # OFPP_CONTROLLER (7.2.1)
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806  # Ethernet types (IANA)
ANY_PROTOCOL, ICMPV6 = 0, 58  # 0 is no protocol that we match (IANA)
NEIGHBOUR_DISCOVERY = range(133, 138)  # ICMPv6 types (RFC 4861, 4)
LINK_MULTICAST = (0xFF02 << 112, 0xFFFF << 112)  # ff02::/16 (RFC 4291, 2.7)
GROUP_BIT = (
    1 << 40,
    1 << 40,
)  # in an Ethernet destination: to many (IEEE 802.3, 3.2.3)
SYN, ACK = 0x02, 0x10  # TCP flags (RFC 9293, 3.1)
LOG_METER = 0xFFFF  # static drops told to the controller; flows count up from 1
LOG_FRAMES_S = 200  # far below what the controller answers, plenty for a log
LONGEST_SECONDS = 0xFFFF  # timeouts are 16 bits (7.3.4.1)

# A cookie says which policy made an entry, what became of the frame that met it,
# and which meter it leads through.
GENERATION_SHIFT = 32
GENERATION_MASK = 0xFFFFFFFF << GENERATION_SHIFT
HELD = 1 << 31
METER_MASK = 0x00FFFFFF


class Table(IntEnum):
    """The tables, in the order that a frame meets them."""

    GUARD = 0
    ADDRESS = 1
    VERDICT = 2
    INSPECT = 3
    FORWARD = 4
    COUNT = 5


class MeterUnit(IntEnum):
    """What a meter counts (ofp_meter_flags, 7.3.4.6)."""

    KBIT = 1
    FRAMES = 2


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the exchange: its number, its side, and the MAC addresses behind it."""

    number: int
    side: Side
    macs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Meter:
    """A rate limit in the switch."""

    number: int
    rate: int  # kbit/s or frames a second
    burst: int  # kbit or frames
    unit: MeterUnit = MeterUnit.KBIT


@dataclass(frozen=True, slots=True)
class Learn:
    """An entry that the switch is to add for the connection of a packet.

    It has the packet's addresses and ports (`ports` is how their fields begin), the
    other way round if it is for the way `back`; `protocol` of None is the packet's.
    """

    table: Table
    priority: int
    cookie: int
    idle_seconds: int
    closed_seconds: int  # idle so long, where TCP has said that it ends
    eth_type: int
    protocol: int | None
    ports: str | None
    back: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One flow entry; without `goto` and `outputs` it drops what it matches."""

    table: Table
    priority: int
    match: Mapping[str, Value]
    goto: Table | None = None
    outputs: tuple[int, ...] = ()
    meter: int | None = None
    side: Side | None = None  # written to the metadata
    idle_seconds: int = 0
    hard_seconds: int = 0
    cookie: int = 0
    resubmit: Table | None = None  # that table's entry acts as well
    learns: tuple[Learn, ...] = ()
    apart: bool = False  # each connection has flows of its own in the datapath


class StaticMatch(Protocol):
    """What a rule that needs no inspection forbids; None and 0 stand for anything."""

    @property
    def src_net(self) -> Network | None: ...
    @property
    def dst_net(self) -> Network | None: ...
    @property
    def protocol(self) -> int | None: ...
    @property
    def dst_port(self) -> int | None: ...


def generation_of(cookie: int) -> int:
    """Which policy, counted from 1, an entry belongs to; 0 for the fixed ones."""
    return cookie >> GENERATION_SHIFT


def cookie_of(generation: int, held: bool = False, meter: int = 0) -> int:
    """The cookie for an entry of this policy."""
    return generation << GENERATION_SHIFT | (HELD if held else 0) | meter


# --- guard -----------------------------------------------------------------------


def guard_entries(ports: Iterable[Port], counted: bool = False) -> Iterator[Entry]:
    """What is no traffic passes; IP goes on, marked with the side it came from.

    Fragments need no entry: a later one has no ports, so it meets only entries that
    name none, and reaches the controller when its flow needs looking at.

    A SYN goes on like any other, and is named here so that the datapath's flows are
    all of one shape: of two that overlap, Open vSwitch before 3.1.3 changes the wrong.
    """
    yield Entry(Table.GUARD, 300, {"eth_type": ARP}, Table.FORWARD)
    for kind in NEIGHBOUR_DISCOVERY:
        found: dict[str, Value] = {
            "eth_type": IPV6,
            "ip_proto": ICMPV6,
            "icmpv6_type": kind,
        }
        yield Entry(Table.GUARD, 300, found, Table.FORWARD)
    link_local: dict[str, Value] = {"eth_type": IPV6, "ipv6_dst": LINK_MULTICAST}
    yield Entry(Table.GUARD, 200, link_local, Table.FORWARD)
    kinds: list[dict[str, Value]] = [{"eth_type": kind} for kind in (IPV4, IPV6)]
    for port in ports:
        for match in (*_openings(), *kinds):
            yield Entry(
                Table.GUARD,
                100 if match in kinds else 110,
                {"in_port": port.number, **match},
                Table.ADDRESS,
                side=port.side,
                resubmit=Table.COUNT if counted else None,
                apart=True,
            )
        yield Entry(Table.GUARD, 10, {"in_port": port.number}, Table.FORWARD)


# --- address ---------------------------------------------------------------------

_EXEMPT_PRIORITY = 300
_STATIC_PRIORITY = 100
_SILENCED_PRIORITY = 200  # a static drop that has been logged


def exempt_entries(addresses: Iterable[bytes]) -> Iterator[Entry]:
    """The box's own probers pass, both ways, whatever the policy says."""
    for address in addresses:
        version = 4 if len(address) == 4 else 6
        for way in ("src", "dst"):
            match: dict[str, Value] = {
                "eth_type": IPV4 if version == 4 else IPV6,
                f"ipv{version}_{way}": int.from_bytes(address),
            }
            yield Entry(Table.ADDRESS, _EXEMPT_PRIORITY, match, Table.FORWARD)


def address_entries(
    forbidden: Iterable[StaticMatch], generation: int
) -> Iterator[Entry]:
    """What a policy forbids outright, both ways, told to the controller for the log."""
    cookie = cookie_of(generation, held=True)
    for static in forbidden:
        for match in static_matches(static):
            yield Entry(
                Table.ADDRESS,
                _STATIC_PRIORITY,
                match,
                outputs=(CONTROLLER,),
                meter=LOG_METER,
                cookie=cookie,
            )


def static_matches(static: StaticMatch) -> Iterator[dict[str, Value]]:
    """The matches of a static rule: to the server, and back from it."""
    networks = [net for net in (static.src_net, static.dst_net) if net is not None]
    versions = {net.version for net in networks} or {4, 6}
    if len(versions) == 2 and networks:
        return  # from IPv4 to IPv6: nothing is
    protocols = [static.protocol or ANY_PROTOCOL]
    if static.dst_port and not static.protocol:
        protocols = [TCP, UDP]
    for version in sorted(versions):
        for protocol in protocols:
            for near, far in (("src", "dst"), ("dst", "src")):
                match: dict[str, Value] = {"eth_type": IPV4 if version == 4 else IPV6}
                if protocol != ANY_PROTOCOL:
                    match["ip_proto"] = protocol
                _match_network(match, f"ipv{version}_{near}", static.src_net)
                _match_network(match, f"ipv{version}_{far}", static.dst_net)
                if static.dst_port:
                    match[f"{_PORT_PREFIX[protocol]}_{far}"] = static.dst_port
                yield match
                if static.src_net == static.dst_net and not static.dst_port:
                    break  # the way back is the same match


def _match_network(match: dict[str, Value], field: str, net: Network | None) -> None:
    if net is None or net.prefixlen == 0:
        return
    address, mask = int(net.network_address), int(net.netmask)
    match[field] = address if net.prefixlen == net.max_prefixlen else (address, mask)


# --- verdict ---------------------------------------------------------------------

# A drop outweighs all; a new connection is looked at although an old one with the
# same ports was let through or slowed down; the narrower match outweighs the wider.
_ACTION_PRIORITY = {"drop": 3000, "limit": 1000, "forward": 500}
_NEW_CONNECTION_PRIORITY = 2000
_MATCH_PRIORITY = {
    "client": -10,
    "server": -10,
    "server-port": -5,
    "2-tuple": 0,
    "3-tuple": 10,
    "4-tuple": 20,
}
_PORT_PREFIX = {TCP: "tcp", UDP: "udp"}


def fixed_entries() -> Iterator[Entry]:
    """What never changes between the tables."""
    yield Entry(Table.ADDRESS, 0, {}, Table.VERDICT)
    yield Entry(Table.VERDICT, 0, {}, Table.INSPECT)
    for match in _openings():
        yield Entry(Table.VERDICT, _NEW_CONNECTION_PRIORITY, match, Table.INSPECT)


def _openings() -> Iterator[dict[str, Value]]:
    """The first packets of connections."""
    for kind in (IPV4, IPV6):
        yield {"eth_type": kind, "ip_proto": TCP, "tcp_flags": (SYN, SYN | ACK)}


def verdict_entries(
    settle: Settle, generation: int, meter: int = 0, clock_rate: float = 1.0
) -> list[Entry]:
    """The entries of a decided flow, one for each direction that it covers.

    Switches count whole seconds, so times are rounded up; a scaled clock makes
    them shorter. Whoever needs the exact moment deletes the entry then. A drop of more
    than one flow tells the controller, which says of each flow why it was dropped.
    """
    told = settle.action == "drop" and settle.match != "4-tuple"
    hard = _whole_seconds(settle.seconds, clock_rate)
    idle = 0 if hard else _whole_seconds(settle.idle_seconds, clock_rate)
    priority = _ACTION_PRIORITY[settle.action] + _MATCH_PRIORITY[settle.match]
    goto = None if settle.action == "drop" else Table.FORWARD
    cookie = cookie_of(generation, held=told, meter=meter)
    ways = [way for way in (True, False) if _covers(settle, way)]
    return [
        Entry(
            Table.VERDICT,
            priority,
            flow_match(settle.flow, settle.match, to_server),
            goto,
            outputs=(CONTROLLER,) if told else (),
            meter=LOG_METER if told else meter or None,
            idle_seconds=idle,
            hard_seconds=hard,
            cookie=cookie,
        )
        for to_server in ways
    ]


def silencing_entries(entries: Iterable[Entry]) -> list[Entry]:
    """The same drops one table earlier, where a static rule has already struck."""
    return [
        Entry(
            Table.ADDRESS,
            _SILENCED_PRIORITY,
            entry.match,
            idle_seconds=entry.idle_seconds,
            hard_seconds=entry.hard_seconds,
            cookie=entry.cookie,
        )
        for entry in entries
    ]


def flow_match(flow: FlowKey, width: str, to_server: bool) -> dict[str, Value]:
    """How the packets of a flow look in one direction."""
    version = "ipv4" if len(flow.client) == 4 else "ipv6"
    near, far = ("src", "dst") if to_server else ("dst", "src")
    match: dict[str, Value] = {"eth_type": IPV4 if version == "ipv4" else IPV6}
    if width not in ("server", "server-port"):
        match[f"{version}_{near}"] = int.from_bytes(flow.client)
    if width != "client":
        match[f"{version}_{far}"] = int.from_bytes(flow.server)
    if width in ("client", "server", "2-tuple"):
        return match
    match["ip_proto"] = flow.protocol
    prefix = _PORT_PREFIX.get(flow.protocol)
    if prefix is not None:
        match[f"{prefix}_{far}"] = flow.server_port
        if width == "4-tuple":
            match[f"{prefix}_{near}"] = flow.client_port
    return match


def _covers(settle: Settle, to_server: bool) -> bool:
    return settle.to_server if to_server else settle.to_client


def _whole_seconds(seconds: float | None, clock_rate: float) -> int:
    if seconds is None:
        return 0
    return min(LONGEST_SECONDS, max(1, math.ceil(seconds / clock_rate)))


# --- inspect ---------------------------------------------------------------------


def inspect_entry(policy: Policy | None, generation: int) -> Entry:
    """What happens to undecided traffic under this policy; None is no policy."""
    if policy is None or not (policy.rules or policy.records):
        cookie = cookie_of(generation)
        return Entry(Table.INSPECT, 0, {}, Table.FORWARD, cookie=cookie)
    held = policy.position in (Position.IN_PATH, Position.RESOLVER)
    return Entry(
        Table.INSPECT,
        0,
        {},
        goto=None if held else Table.FORWARD,
        outputs=(CONTROLLER,),
        cookie=cookie_of(generation, held=held),
    )


# --- forward ---------------------------------------------------------------------


def forward_entries(ports: Sequence[Port]) -> Iterator[Entry]:
    """By MAC address where it is known, to all for groups, across for the rest."""
    for port in ports:
        others = tuple(other.number for other in ports if other is not port)
        across = tuple(p.number for p in ports if p.side is not port.side)
        for mac in port.macs:
            yield Entry(Table.FORWARD, 300, {"eth_dst": mac}, outputs=(port.number,))
        group: dict[str, Value] = {"in_port": port.number, "eth_dst": GROUP_BIT}
        yield Entry(Table.FORWARD, 200, group, outputs=others)
        unknown: dict[str, Value] = {"in_port": port.number}
        yield Entry(Table.FORWARD, 100, unknown, outputs=across)
