"""Open vSwitch's own actions, read back by os-ken."""

from __future__ import annotations

import pytest
from os_ken.ofproto import ofproto_v1_3_parser

from filterlab.openflow import wire
from filterlab.openflow.counting import LEARNT_COOKIE, learning_entries
from filterlab.openflow.tables import Entry, Port, Table, guard_entries
from filterlab.policy.effects import Side
from tests.openflow.fake_switch import parse

ENTRIES = list(learning_entries(120))


def actions_of(entry: Entry) -> list[object]:
    [instruction, *_] = parse(wire.add_entry(entry)).instructions
    return list(instruction.actions)


@pytest.mark.parametrize("entry", ENTRIES)
def test_both_ways_of_a_connection_are_learnt(entry: Entry) -> None:
    there, back, told = actions_of(entry)
    assert isinstance(told, ofproto_v1_3_parser.OFPActionOutput)
    for learnt in (there, back):
        assert isinstance(learnt, ofproto_v1_3_parser.NXActionLearn)
        assert (learnt.idle_timeout, learnt.hard_timeout) == (120, 0)
        assert learnt.fin_idle_timeout == 5
        assert (learnt.table_id, learnt.priority) == (Table.COUNT, 100)
        assert learnt.cookie == LEARNT_COOKIE
        assert learnt.flags == 1  # NX_LEARN_F_SEND_FLOW_REM
    fields = {spec.dst[0]: spec.src for spec in there.specs}
    mirrored = {spec.dst[0]: spec.src for spec in back.specs}
    assert fields["eth_type"] == entry.match["eth_type"]
    for field, source in fields.items():
        if isinstance(source, int) or source[0] == "ip_proto":
            assert mirrored[field] == source
            continue
        assert source == (field, 0)
        other = field.replace("src", "dst") if "src" in field else None
        other = other or field.replace("dst", "src")
        assert mirrored[field] == (other, 0)
    ports = {"tcp_src", "tcp_dst", "udp_src", "udp_dst"} & fields.keys()
    assert len(ports) == (2 if "ip_proto" in entry.match else 0)


def test_a_counted_frame_looks_into_the_table_and_goes_on() -> None:
    ports = [Port(1, Side.INSIDE), Port(2, Side.OUTSIDE)]
    found = [e for e in guard_entries(ports, counted=True) if e.resubmit is not None]
    assert len(found) == 8
    for entry in found:
        *_, action = actions_of(entry)
        assert isinstance(action, ofproto_v1_3_parser.NXActionResubmitTable)
        assert action.table_id == Table.COUNT
    plain = list(guard_entries(ports))
    assert all(entry.resubmit is None for entry in plain)


def test_each_connection_has_a_datapath_flow_of_its_own() -> None:
    found = [e for e in guard_entries([Port(1, Side.INSIDE)]) if e.side is not None]
    assert all(entry.apart for entry in found)
    for entry in found:
        hashes = actions_of(entry)
        for hashed, fields in zip(hashes, (1, 3), strict=True):
            assert isinstance(hashed, ofproto_v1_3_parser.NXActionMultipath)
            assert (hashed.fields, hashed.dst, hashed.max_link) == (fields, "reg0", 0)
