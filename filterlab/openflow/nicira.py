"""Open vSwitch's own actions: to look into another table on the way, and to learn.

Source: Open vSwitch, lib/ofp-actions.c (nx_action_resubmit, nx_action_learn,
nx_action_multipath).
"""

from __future__ import annotations

import struct

from filterlab.openflow.oxm import FIELDS
from filterlab.openflow.tables import IPV4, Learn, Table

_EXPERIMENTER, _NICIRA = 0xFFFF, 0x2320  # ofp_action_type, NX_VENDOR_ID
_MULTIPATH, _RESUBMIT_TABLE, _LEARN = 10, 14, 16  # nx_action_subtype
_SAME_PORT = 0xFFF8  # OFPP_IN_PORT, in the 16 bits of OpenFlow 1.0
_TELL_WHEN_GONE = 1  # NX_LEARN_F_SEND_FLOW_REM
_FROM_VALUE = 1 << 13  # NX_LEARN_SRC_IMMEDIATE; without it, from a field

_RESUBMIT = struct.Struct("!HHIHHB3x")
_HASHES = (1, 3)  # NX_HASH_FIELDS_SYMMETRIC_L4, _L3L4_UDP: of UDP the one has no ports
_REGISTER_0 = 0x00010004  # NXM_NX_REG0, which nothing reads

_CHOOSING = struct.Struct("!HHIHHH2xHHI2xHI")
_LEARNING = struct.Struct("!HHIHHHHQHBxHH")


def resubmit(table: Table) -> bytes:
    """Have another table's entry act as well, then go on."""
    return _RESUBMIT.pack(
        _EXPERIMENTER, _RESUBMIT.size, _NICIRA, _RESUBMIT_TABLE, _SAME_PORT, table
    )


def set_apart() -> bytes:
    """Give each connection flows of its own in the datapath, whatever entry it meets.

    A flow there is as wide as all that was looked at on the way: a hash over MAC
    addresses, IP addresses and ports looks at each of them.
    """
    return b"".join(
        _CHOOSING.pack(
            *(_EXPERIMENTER, _CHOOSING.size, _NICIRA, _MULTIPATH, fields),
            *(0, 0, 0, 0, 0, _REGISTER_0),
        )
        for fields in _HASHES
    )


def learn(what: Learn) -> bytes:
    """Have the switch add an entry for the packet's connection, if there is none."""
    specs = _value("eth_type", what.eth_type)
    if what.protocol is None:
        specs += _copy("ip_proto", "ip_proto")
    else:
        specs += _value("ip_proto", what.protocol)
    version = "ipv4" if what.eth_type == IPV4 else "ipv6"
    for prefix in filter(None, (version, what.ports)):
        for one, other in (("src", "dst"), ("dst", "src")):
            source = other if what.back else one
            specs += _copy(f"{prefix}_{source}", f"{prefix}_{one}")
    length = _LEARNING.size + len(specs)
    padding = bytes(-length % 8)
    return (
        _LEARNING.pack(
            _EXPERIMENTER,
            length + len(padding),
            _NICIRA,
            _LEARN,
            what.idle_seconds,
            0,
            what.priority,
            what.cookie,
            _TELL_WHEN_GONE,
            what.table,
            what.closed_seconds,
            0,
        )
        + specs
        + padding
    )


def _value(field: str, value: int) -> bytes:
    """The learnt entry has this value in a field."""
    plain, _, size = FIELDS[field]
    padded = value.to_bytes((size + 1) // 2 * 2)
    return (8 * size | _FROM_VALUE).to_bytes(2) + padded + plain + bytes(2)


def _copy(source: str, field: str) -> bytes:
    """The learnt entry has in a field what the packet has in another."""
    size = FIELDS[field][2]
    ends = [FIELDS[name][0] + bytes(2) for name in (source, field)]
    return (8 * size).to_bytes(2) + ends[0] + ends[1]
