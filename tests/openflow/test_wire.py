"""Each message means to os-ken what it means to us."""

import struct
from typing import Any

import pytest
from os_ken.ofproto import ofproto_v1_3 as of
from os_ken.ofproto import ofproto_v1_3_parser as parser

from filterlab.openflow import wire
from filterlab.openflow.tables import (
    CONTROLLER,
    SYN,
    Entry,
    Meter,
    MeterUnit,
    Table,
)
from filterlab.policy.effects import Side
from tests.openflow.fake_switch import DATAPATH, packet_in, parse


def test_an_entry_is_read_by_os_ken_as_it_was_meant() -> None:
    entry = Entry(
        Table.VERDICT,
        1020,
        {
            "tcp_src": 40000,
            "ipv4_src": 0x0A000001,
            "ipv4_dst": (0x0A000000, 0xFFFFFF00),
            "ip_proto": 6,
            "eth_type": 0x0800,
            "tcp_flags": (SYN, SYN),
        },
        goto=Table.FORWARD,
        outputs=(CONTROLLER, 3),
        meter=9,
        side=Side.OUTSIDE,
        idle_seconds=120,
        hard_seconds=7,
        cookie=5 << 32 | 9,
    )
    read = parse(wire.add_entry(entry))
    assert (read.table_id, read.priority, read.command) == (2, 1020, of.OFPFC_ADD)
    assert (read.idle_timeout, read.hard_timeout) == (120, 7)
    assert read.cookie == 5 << 32 | 9
    assert read.flags == of.OFPFF_SEND_FLOW_REM
    assert dict(read.match.items()) == {
        "eth_type": 0x0800,
        "ip_proto": 6,
        "ipv4_src": "10.0.0.1",
        "ipv4_dst": ("10.0.0.0", "255.255.255.0"),
        "tcp_src": 40000,
        "tcp_flags_nxm": (SYN, SYN),
    }
    meter, actions, metadata, goto = read.instructions
    assert meter.meter_id == 9
    assert [(a.port, a.max_len) for a in actions.actions] == [
        (CONTROLLER, of.OFPCML_NO_BUFFER),
        (3, of.OFPCML_NO_BUFFER),
    ]
    assert (metadata.metadata, metadata.metadata_mask) == (2, 0xFF)
    assert goto.table_id == Table.FORWARD


@pytest.mark.parametrize(
    ("field", "value", "means"),
    [
        ("in_port", 4, 4),
        ("metadata", 2, 2),
        ("eth_dst", 0x020000000001, "02:00:00:00:00:01"),
        ("eth_src", 0x020000000002, "02:00:00:00:00:02"),
        ("ipv4_dst", 0xC6120001, "198.18.0.1"),
        ("ipv6_src", 0x20010DB8 << 96 | 1, "2001:db8::1"),
        ("ipv6_dst", (0xFF02 << 112, 0xFFFF << 112), ("ff02::", "ffff::")),
        ("tcp_dst", 443, 443),
        ("udp_src", 53, 53),
        ("udp_dst", 53, 53),
        ("icmpv6_type", 135, 135),
    ],
)
def test_each_field_has_its_number(field: str, value: object, means: object) -> None:
    read = parse(wire.add_entry(Entry(Table.GUARD, 1, {field: value})))  # type: ignore[dict-item]
    assert read.match[field] == means


def test_entries_are_taken_out_by_cookie_or_one_by_one() -> None:
    read = parse(wire.remove_entries(Table.VERDICT, 3 << 32, 0xFF << 32))
    assert (read.command, read.table_id) == (of.OFPFC_DELETE, 2)
    assert (read.cookie, read.cookie_mask) == (3 << 32, 0xFF << 32)
    assert (read.out_port, read.out_group) == (of.OFPP_ANY, of.OFPG_ANY)
    read = parse(wire.remove_entry(Entry(Table.VERDICT, 7, {"in_port": 1}, cookie=4)))
    assert (read.command, read.priority) == (of.OFPFC_DELETE_STRICT, 7)
    assert (read.cookie, read.cookie_mask) == (4, 0xFFFFFFFFFFFFFFFF)


def written(message: Any, xid: int = 0) -> bytes:
    """A message as os-ken writes it."""
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)


@pytest.mark.parametrize(
    ("unit", "flags"),
    [
        (MeterUnit.KBIT, of.OFPMF_KBPS | of.OFPMF_BURST),
        (MeterUnit.FRAMES, of.OFPMF_PKTPS | of.OFPMF_BURST),
    ],
)
def test_a_meter_drops_what_is_over_its_rate(unit: MeterUnit, flags: int) -> None:
    bands = [parser.OFPMeterBandDrop(rate=150, burst_size=300)]
    theirs = parser.OFPMeterMod(DATAPATH, of.OFPMC_ADD, flags, 5, bands)
    assert wire.add_meter(Meter(5, 150, 300, unit)) == written(theirs)


def test_a_meter_is_taken_out() -> None:
    theirs = parser.OFPMeterMod(DATAPATH, of.OFPMC_DELETE, 0, 5)
    assert wire.remove_meter(5) == written(theirs)


def test_a_frame_goes_out_whole_by_each_port() -> None:
    frame = b"x" * 60
    actions = [parser.OFPActionOutput(port, of.OFPCML_NO_BUFFER) for port in (2, 3)]
    theirs = parser.OFPPacketOut(
        DATAPATH, of.OFP_NO_BUFFER, of.OFPP_CONTROLLER, actions, frame
    )
    assert wire.send_frame(frame, (2, 3)) == written(theirs)


def test_a_barrier_and_a_question_carry_their_number() -> None:
    barrier = parser.OFPBarrierRequest(DATAPATH)
    assert wire.barrier(77) == written(barrier, 77)
    question = parser.OFPTableStatsRequest(DATAPATH, 0)
    assert wire.ask_table_counts(78) == written(question, 78)


def test_table_counts_are_read_back() -> None:
    counts = [parser.OFPTableStats(table, 10 + table, 0, 0) for table in range(254)]
    body = b"".join(
        struct.pack("!B3xIQQ", c.table_id, c.active_count, 0, 0) for c in counts
    )
    read = wire.read_table_counts(bytes(16) + body)
    assert read == {table: 10 + table for table in Table}


@pytest.mark.parametrize("length", [0, 1, 14, 1514, 9000])
def test_a_packet_in_is_read_as_os_ken_reads_it(length: int) -> None:
    frame = bytes(range(256)) * 36
    message = packet_in(frame[:length], in_port=2, table=3, cookie=1 << 40)
    ours, theirs = wire.read_packet_in(message), parse(message)
    assert ours == (3, 1 << 40, 2, frame[:length])
    assert (theirs.table_id, theirs.cookie) == (ours.table, ours.cookie)
    assert theirs.match["in_port"] == ours.in_port
    assert bytes(theirs.data) == ours.frame


def test_messages_are_split_however_they_arrive() -> None:
    whole = [wire.barrier(1), wire.send_frame(b"y" * 20, (1,)), wire.barrier(2)]
    stream = b"".join(whole)
    for cut in range(len(stream) + 1):
        first, rest = wire.split_messages(stream[:cut])
        second, rest = wire.split_messages(rest + stream[cut:])
        assert first + second == whole
        assert rest == b""


def test_a_length_below_the_header_does_not_hang_the_reader() -> None:
    messages, rest = wire.split_messages(bytes(16))
    assert (len(messages), rest) == (2, b"")
