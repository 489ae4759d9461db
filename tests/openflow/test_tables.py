"""Where a frame goes through the tables, on a switch written in Python."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether

from filterlab.openflow import tables, wire
from filterlab.openflow.tables import Entry, Meter, Port, Table
from filterlab.openflow.ways import Ways
from filterlab.policy.effects import Limit, Settle, Side
from filterlab.policy.rules import Drop, Policy, Position, Records, Rule, Source
from tests.openflow.fake_switch import FakeSwitch
from tests.openflow.frames import (
    CLIENT6,
    FLOW,
    INSIDE,
    INSIDE_MAC,
    OUTSIDE,
    OUTSIDE_MAC,
    PORTS,
    SERVER6,
    to_client,
    to_server,
)

SOURCE = Source("policy.yaml", 1)
RULES = (Rule("all", SOURCE, None, Drop()),)


@dataclass(frozen=True)
class Forbidden:
    """What `filterlab.policy.static` would give."""

    src_net: IPv4Network | IPv6Network | None = None
    dst_net: IPv4Network | IPv6Network | None = None
    protocol: int | None = None
    dst_port: int | None = None


def policy(position: Position) -> Policy:
    return Policy("p", "p", SOURCE, position, rules=RULES)


def switch(
    position: Position | None = None,
    more: Iterable[Entry] = (),
    ports: tuple[Port, ...] = PORTS,
) -> FakeSwitch:
    made = FakeSwitch()
    made.apply(wire.add_meter(Meter(tables.LOG_METER, 200, 200)))
    entries: Iterator[Entry] | list[Entry] = [
        *tables.fixed_entries(),
        *tables.guard_entries(ports),
        *tables.forward_entries(ports),
        tables.inspect_entry(policy(position) if position else None, 1),
        *more,
    ]
    for entry in entries:
        made.apply(wire.add_entry(entry))
    return made


def settle(action: str = "forward", **changed: object) -> Settle:
    return Settle(FLOW, action, **changed)  # type: ignore[arg-type]


# --- no policy -------------------------------------------------------------------


def test_without_a_policy_traffic_crosses_once_and_only_once() -> None:
    open_switch = switch()
    assert open_switch.where(to_server(), INSIDE).ports == [OUTSIDE]
    assert open_switch.where(to_client(), OUTSIDE).ports == [INSIDE]


def test_a_frame_does_not_go_back_by_the_port_that_it_came_by() -> None:
    assert switch().where(to_client(), INSIDE).ports == []


def test_an_unknown_destination_crosses_to_the_other_side() -> None:
    ports = (Port(1, Side.INSIDE), Port(2, Side.OUTSIDE))
    assert switch(ports=ports).where(to_server(), 1).ports == [2]
    assert switch(ports=ports).where(to_server(), 2).ports == [1]


def test_a_broadcast_reaches_every_other_port() -> None:
    ports = (*PORTS, Port(3, Side.INSIDE))
    who_has = bytes(Ether(src=INSIDE_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP())
    assert switch(ports=ports).where(who_has, INSIDE).ports == [2, 3]


def test_a_port_that_nobody_named_carries_nothing() -> None:
    assert switch().where(to_server(), 9).ports == []


# --- guard -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        Ether(src=INSIDE_MAC, dst=OUTSIDE_MAC) / ARP(),
        Ether(src=INSIDE_MAC, dst=OUTSIDE_MAC)
        / IPv6(src=CLIENT6, dst=SERVER6)
        / ICMPv6ND_NS(tgt=SERVER6),
        Ether(src=INSIDE_MAC, dst=OUTSIDE_MAC, type=0x88CC) / b"lldp",
    ],
    ids=["arp", "neighbour solicitation", "not IP"],
)
def test_what_is_no_traffic_passes_any_policy(frame: Ether) -> None:
    everything = tables.address_entries([Forbidden()], 1)
    way = switch(Position.IN_PATH, everything).where(bytes(frame), INSIDE)
    assert (way.ports, way.controller_cookies) == ([OUTSIDE], [])


@pytest.mark.parametrize(
    "frame",
    [
        to_server(),
        to_server(src=CLIENT6, dst=SERVER6),
        bytes(
            Ether(dst=OUTSIDE_MAC)
            / IPv6(src=CLIENT6, dst=SERVER6)
            / ICMPv6EchoRequest()
        ),
        bytes(Ether(dst=OUTSIDE_MAC) / IP(frag=100, proto=17) / b"later fragment"),
    ],
    ids=["IPv4", "IPv6", "ping", "later fragment"],
)
def test_a_box_in_the_path_holds_what_is_undecided(frame: bytes) -> None:
    for position in (Position.IN_PATH, Position.RESOLVER):
        assert switch(position).where(frame, INSIDE).held


@pytest.mark.parametrize("position", [Position.ON_PATH, Position.RESIDUAL])
def test_a_box_beside_the_path_lets_it_go_and_gets_a_copy(position: Position) -> None:
    way = switch(position).where(to_server(), INSIDE)
    assert way.ports == [OUTSIDE]
    assert len(way.controller_cookies) == 1
    assert not way.controller_cookies[0] & tables.HELD


# --- address ---------------------------------------------------------------------


def test_a_forbidden_prefix_is_dropped_both_ways_and_told() -> None:
    listed = Forbidden(dst_net=IPv4Network("198.18.0.0/24"))
    shut = switch(Position.IN_PATH, tables.address_entries([listed], 1))
    for frame, port in ((to_server(), INSIDE), (to_client(), OUTSIDE)):
        way = shut.where(frame, port)
        assert way.held
        assert way.controller_tables == [Table.ADDRESS]
        assert way.meters == [tables.LOG_METER]
        assert way.controller_cookies[0] & tables.HELD


@pytest.mark.parametrize(
    ("forbidden", "frame", "is_shut"),
    [
        (Forbidden(dst_port=443), to_server(), True),
        (Forbidden(dst_port=443), to_server(udp=True), True),
        (Forbidden(protocol=17, dst_port=443), to_server(udp=True), True),
        (Forbidden(protocol=17, dst_port=443), to_server(), False),
        (Forbidden(dst_port=443), to_server(dport=80), False),
        (Forbidden(dst_port=443), to_server(sport=443, dport=80), True),
        (Forbidden(protocol=6), to_server(src=CLIENT6, dst=SERVER6), True),
        (Forbidden(src_net=IPv4Network("100.64.0.1/32")), to_server(), True),
        (Forbidden(src_net=IPv4Network("100.64.0.2/32")), to_server(), False),
        (Forbidden(dst_net=ip_network("2001:db8:2::/48")), to_server(), False),
        (
            Forbidden(dst_net=ip_network("2001:db8:2::/48")),
            to_server(src=CLIENT6, dst=SERVER6),
            True,
        ),
        (Forbidden(), to_server(), True),
    ],
    ids=range(12),
)
def test_static_rules_by_address_protocol_and_port(
    forbidden: Forbidden, frame: bytes, is_shut: bool
) -> None:
    made = switch(None, tables.address_entries([forbidden], 1))
    assert (made.where(frame, INSIDE).ports == []) is is_shut


def test_a_logged_static_drop_is_silent_from_then_on() -> None:
    listed = Forbidden(dst_net=IPv4Network("198.18.0.0/24"))
    silent = tables.silencing_entries(tables.verdict_entries(settle("drop"), 1))
    more = [*tables.address_entries([listed], 1), *silent]
    shut = switch(Position.IN_PATH, more)
    way = shut.where(to_server(), INSIDE)
    assert (way.ports, way.controller_cookies) == ([], [])
    assert shut.where(to_server(sport=40001), INSIDE).held


def test_rules_across_ip_versions_match_nothing() -> None:
    mixed = Forbidden(IPv4Network("10.0.0.0/8"), IPv6Network("2001:db8::/32"))
    assert list(tables.static_matches(mixed)) == []


def test_a_hundred_thousand_static_rules_are_one_stream_of_messages() -> None:
    first = int(IPv4Network("198.18.0.0/15").network_address)
    listed = (Forbidden(dst_net=IPv4Network(first + i)) for i in range(100_000))
    stream = b"".join(map(wire.add_entry, tables.address_entries(listed, 1)))
    messages, rest = tables_messages(stream)
    assert (messages, rest) == (200_000, b"")


def tables_messages(stream: bytes) -> tuple[int, bytes]:
    count, start = 0, 0
    while start < len(stream):
        start += int.from_bytes(stream[start + 2 : start + 4])
        count += 1
    return count, stream[start:]


# --- verdict ---------------------------------------------------------------------


def test_a_flow_let_through_is_not_seen_by_the_controller_again() -> None:
    made = switch(Position.IN_PATH, tables.verdict_entries(settle(), 1))
    assert made.where(to_server(), INSIDE).ports == [OUTSIDE]
    assert made.where(to_client(), OUTSIDE).ports == [INSIDE]
    assert made.where(to_server(sport=40001), INSIDE).held


def test_a_new_connection_with_the_same_ports_is_looked_at() -> None:
    made = switch(Position.IN_PATH, tables.verdict_entries(settle(), 1))
    assert made.where(to_server(flags="S"), INSIDE).held
    assert made.where(to_client(flags="SA"), OUTSIDE).ports == [INSIDE]


def test_a_dropped_flow_stays_dropped_even_if_it_begins_again() -> None:
    made = switch(Position.IN_PATH, tables.verdict_entries(settle("drop"), 1))
    for flags in ("S", "A", "PA", "R"):
        way = made.where(to_server(flags=flags), INSIDE)
        assert (way.ports, way.controller_cookies) == ([], [])


@pytest.mark.parametrize(
    ("match", "sport", "dport", "udp", "is_dropped"),
    [
        ("4-tuple", 40000, 443, False, True),
        ("4-tuple", 40001, 443, False, False),
        ("3-tuple", 40001, 443, False, True),
        ("3-tuple", 40001, 80, False, False),
        ("3-tuple", 40000, 443, True, False),
        ("2-tuple", 40001, 80, False, True),
        ("2-tuple", 40000, 443, True, True),
    ],
)
def test_how_much_of_the_key_counts(
    match: str, sport: int, dport: int, udp: bool, is_dropped: bool
) -> None:
    made = switch(None, tables.verdict_entries(settle("drop", match=match), 1))
    frame = to_server(sport=sport, dport=dport, udp=udp)
    assert (made.where(frame, INSIDE).ports == []) is is_dropped


def test_a_block_of_one_direction_leaves_the_other() -> None:
    only_back = settle("drop", to_server=False)
    made = switch(None, tables.verdict_entries(only_back, 1))
    assert made.where(to_server(), INSIDE).ports == [OUTSIDE]
    assert made.where(to_client(), OUTSIDE).ports == []


def test_a_drop_outweighs_a_flow_let_through_earlier() -> None:
    both = [
        *tables.verdict_entries(settle(), 1),
        *tables.verdict_entries(settle("drop", match="2-tuple"), 1),
    ]
    assert switch(None, both).where(to_server(), INSIDE).ports == []


def test_a_limited_flow_goes_through_its_meter_both_ways() -> None:
    limited = settle("limit", limit=Limit(150, 150, "share"))
    made = switch(None)
    made.apply(wire.add_meter(Meter(7, 150, 150)))
    for entry in tables.verdict_entries(limited, 1, meter=7):
        made.apply(wire.add_entry(entry))
    for frame, port in ((to_server(), INSIDE), (to_client(), OUTSIDE)):
        way = made.where(frame, port)
        assert (len(way.ports), way.meters) == (1, [7])


@pytest.mark.parametrize(
    ("seconds", "clock_rate", "expected"),
    [(60.0, 1.0, 60), (0.2, 1.0, 1), (1.2, 1.0, 2), (3600.0, 60.0, 60)],
)
def test_residual_times_are_whole_real_seconds_rounded_up(
    seconds: float, clock_rate: float, expected: int
) -> None:
    entries = tables.verdict_entries(
        settle("drop", seconds=seconds), 1, clock_rate=clock_rate
    )
    assert [(e.hard_seconds, e.idle_seconds) for e in entries] == [(expected, 0)] * 2


def test_a_time_longer_than_a_switch_can_count_is_the_longest() -> None:
    (entry, _) = tables.verdict_entries(settle("drop", seconds=1e9), 1)
    assert entry.hard_seconds == tables.LONGEST_SECONDS


def test_without_a_time_an_entry_lasts_while_it_is_used() -> None:
    (entry, _) = tables.verdict_entries(settle(idle_seconds=30.5), 1)
    assert (entry.hard_seconds, entry.idle_seconds) == (0, 31)


def test_a_protocol_without_ports_is_matched_by_addresses() -> None:
    ping = bytes(
        Ether(dst=OUTSIDE_MAC) / IP(src="100.64.0.1", dst="198.18.0.1") / ICMP()
    )
    flow = type(FLOW)(1, FLOW.client, 0, FLOW.server, 0)
    made = switch(Position.IN_PATH, tables.verdict_entries(Settle(flow, "forward"), 1))
    assert made.where(ping, INSIDE).ports == [OUTSIDE]


# --- the controller's own way out ------------------------------------------------


def test_the_controller_sends_a_held_frame_where_the_switch_would() -> None:
    ports = (*PORTS, Port(3, Side.INSIDE))
    ways, made = Ways(ports), switch(ports=ports)
    for frame, port in (
        (to_server(), INSIDE),
        (to_client(), OUTSIDE),
        (to_client(), INSIDE),
        (bytes(Ether(dst="ff:ff:ff:ff:ff:ff") / IP() / UDP()), INSIDE),
        (bytes(Ether(dst="02:00:00:00:00:99") / IP() / UDP()), INSIDE),
        (bytes(Ether(dst="02:00:00:00:00:99") / IP() / UDP()), OUTSIDE),
    ):
        assert list(ways.released(frame, port)) == made.where(frame, port).ports


def test_a_forged_frame_leaves_on_its_side() -> None:
    ways = Ways(PORTS)
    assert ways.injected(to_client(), Side.INSIDE) == (INSIDE,)
    unknown = bytes(Ether(dst="02:00:00:00:00:99") / IP())
    assert ways.injected(unknown, Side.OUTSIDE) == (OUTSIDE,)


def test_a_policy_that_only_keeps_records_looks_at_every_flow() -> None:
    silent = Policy("log", "log", SOURCE, position=Position.ON_PATH)
    assert tables.inspect_entry(silent, 1).outputs == ()
    entry = tables.inspect_entry(replace(silent, records=Records()), 1)
    assert entry.outputs == (tables.CONTROLLER,)
    assert entry.goto is Table.FORWARD
