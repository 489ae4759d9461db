"""Entries, meters and frames as OpenFlow 1.3 messages, and packet-ins read back.

The only maker of OpenFlow messages. They are packed here by `struct` rather than by
os-ken's message classes, which take a hundred microseconds for each: 100,000 static
rules would take ten seconds, and every new connection waits for two flow-mods and a
packet-out. The tests hold each message against os-ken's own reading of it.
Source: OpenFlow Switch Specification 1.3.5, section numbers as given below.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from filterlab.openflow import nicira
from filterlab.openflow.oxm import MATCH, encode_match, read_match
from filterlab.openflow.tables import (
    CONTROLLER,
    METER_MASK,
    Entry,
    Meter,
    Table,
    Value,
)
from filterlab.policy.effects import Side

VERSION = 4  # OpenFlow 1.3
HEADER = struct.Struct("!BBHI")  # version, type, length, xid (7.1)

# ofp_type (A.1)
ERROR, PACKET_IN, FLOW_REMOVED, PACKET_OUT, FLOW_MOD = 1, 10, 11, 13, 14
MULTIPART_REQUEST, MULTIPART_REPLY = 18, 19
BARRIER_REQUEST, BARRIER_REPLY, METER_MOD = 20, 21, 29

NO_BUFFER = 0xFFFFFFFF  # OFP_NO_BUFFER (7.4.1)
WHOLE_FRAME = 0xFFFF  # OFPCML_NO_BUFFER (7.2.5)
ANY = 0xFFFFFFFF  # OFPP_ANY, OFPG_ANY
ALL_TABLES = 0xFF  # OFPTT_ALL
ALL_METERS = 0xFFFFFFFF  # OFPM_ALL
FLOW_STATISTICS, TABLE_STATISTICS = 1, 3  # OFPMP_FLOW, OFPMP_TABLE (7.3.5)
MORE_TO_COME = 1  # OFPMPF_REPLY_MORE
IDLE = 0  # OFPRR_IDLE_TIMEOUT (7.4.2)

ADD, DELETE, DELETE_STRICT = 0, 3, 4  # ofp_flow_mod_command (7.3.4.1)
SEND_FLOW_REMOVED = 1  # OFPFF_SEND_FLOW_REM
METER_ADD, METER_DELETE = 0, 2  # ofp_meter_mod_command (7.3.4.6)
METER_BURST = 4  # OFPMF_BURST

# In the metadata: which side the frame came from.
SIDE_METADATA = {Side.INSIDE: 1, Side.OUTSIDE: 2}

_FLOW_MOD = struct.Struct("!BBHIQQBBHHHIIIH2x")
_METER_MOD = struct.Struct("!BBHIHHIHHII4x")  # with one drop band
_METER_DELETION = struct.Struct("!BBHIHHI")
_PACKET_OUT = struct.Struct("!BBHIIIH6x")
_OUTPUT = struct.Struct("!HHIH6x")  # ofp_action_output (7.2.5)
_ACTIONS = struct.Struct("!HH4x")  # ofp_instruction_actions (7.2.4)
_GOTO = struct.Struct("!HHB3x")
_METADATA = struct.Struct("!HH4xQQ")
_METER = struct.Struct("!HHI")
_PACKET_IN = struct.Struct("!8xIHBBQHH")  # and the start of its match (7.4.1)
_REMOVED = struct.Struct("!8xQHBBIIHHQQ")  # ofp_flow_removed (7.4.2)
_ENTRY_COUNT = struct.Struct("!HB9xH10xQQQ")  # ofp_flow_stats (7.3.5.2)
_ENTRIES_ASKED = struct.Struct("!B3xII4xQQ")  # ofp_flow_stats_request
_TABLE_COUNT = struct.Struct("!B3xI16x")  # ofp_table_stats (7.3.5.3)
_OXM_IN_PORT = 0x80000004  # class basic, field 0, 4 bytes (7.2.3.7)


class Counted(NamedTuple):
    """An entry, and what has met it.

    `idle_seconds` is how long nothing had met it when it went for that reason.
    """

    match: Mapping[str, Value]
    priority: int
    cookie: int
    packets: int
    bytes: int  # with the Ethernet headers
    idle_seconds: int = 0


class PacketIn(NamedTuple):
    """A frame that the switch sent up, and the entry that sent it."""

    table: int
    cookie: int
    in_port: int
    frame: bytes


def _instructions(entry: Entry) -> bytes:
    done = b""
    if entry.meter is not None:
        done += _METER.pack(6, 8, entry.meter)
    actions = nicira.set_apart() if entry.apart else b""
    actions += b"" if entry.resubmit is None else nicira.resubmit(entry.resubmit)
    actions += b"".join(map(nicira.learn, entry.learns)) + encode_outputs(entry.outputs)
    if actions:
        done += _ACTIONS.pack(4, _ACTIONS.size + len(actions)) + actions
    if entry.side is not None:
        done += _METADATA.pack(2, _METADATA.size, SIDE_METADATA[entry.side], 0xFF)
    if entry.goto is not None:
        done += _GOTO.pack(1, _GOTO.size, entry.goto)
    return done


def encode_outputs(ports: Iterable[int]) -> bytes:
    """Output actions; the controller gets whole frames."""
    return b"".join(_OUTPUT.pack(0, _OUTPUT.size, port, WHOLE_FRAME) for port in ports)


def add_entry(entry: Entry) -> bytes:
    """Put an entry in; one with the same match and priority gives way to it.

    Entries that lead through a flow's meter are told of when they go, so that the
    meter can go with the last of them.
    """
    match = encode_match(entry.match)
    instructions = _instructions(entry)
    told = entry.table is Table.VERDICT and entry.cookie & METER_MASK
    return (
        _FLOW_MOD.pack(
            VERSION,
            FLOW_MOD,
            _FLOW_MOD.size + len(match) + len(instructions),
            0,
            entry.cookie,
            0,
            entry.table,
            ADD,
            entry.idle_seconds,
            entry.hard_seconds,
            entry.priority,
            NO_BUFFER,
            ANY,
            ANY,
            SEND_FLOW_REMOVED if told else 0,
        )
        + match
        + instructions
    )


def remove_entry(entry: Entry) -> bytes:
    """Take out just this entry, if its policy is still the one that made it."""
    everything = 0xFFFFFFFFFFFFFFFF
    return _deletion(
        DELETE_STRICT,
        entry.table,
        entry.cookie,
        everything,
        entry.priority,
        entry.match,
    )


def remove_entries(table: int, cookie: int = 0, cookie_mask: int = 0) -> bytes:
    """Take out all entries of a table whose cookie fits."""
    return _deletion(DELETE, table, cookie, cookie_mask, 0, {})


def _deletion(
    command: int,
    table: int,
    cookie: int,
    cookie_mask: int,
    priority: int,
    match: Mapping[str, Value],
) -> bytes:
    fields = encode_match(match)
    return (
        _FLOW_MOD.pack(
            VERSION,
            FLOW_MOD,
            _FLOW_MOD.size + len(fields),
            0,
            cookie,
            cookie_mask,
            table,
            command,
            0,
            0,
            priority,
            NO_BUFFER,
            ANY,
            ANY,
            0,
        )
        + fields
    )


def add_meter(meter: Meter) -> bytes:
    """Put a meter in that drops what is over its rate."""
    return _METER_MOD.pack(
        VERSION,
        METER_MOD,
        _METER_MOD.size,
        0,
        METER_ADD,
        meter.unit | METER_BURST,
        meter.number,
        1,  # OFPMBT_DROP
        16,
        meter.rate,
        meter.burst,
    )


def remove_meter(number: int) -> bytes:
    """Take a meter out, and with it the entries that lead through it."""
    return _METER_DELETION.pack(
        VERSION, METER_MOD, _METER_DELETION.size, 0, METER_DELETE, 0, number
    )


def send_frame(frame: bytes, ports: Iterable[int]) -> bytes:
    """Let a frame leave by these ports, past all tables."""
    outputs = encode_outputs(ports)
    length = _PACKET_OUT.size + len(outputs) + len(frame)
    header = _PACKET_OUT.pack(
        VERSION, PACKET_OUT, length, 0, NO_BUFFER, CONTROLLER, len(outputs)
    )
    return header + outputs + frame


def barrier(xid: int) -> bytes:
    """Ask for an answer once all that was sent before has taken effect."""
    return HEADER.pack(VERSION, BARRIER_REQUEST, HEADER.size, xid)


def ask_table_counts(xid: int) -> bytes:
    """Ask how many entries each table has."""
    length = HEADER.size + 8
    header = HEADER.pack(VERSION, MULTIPART_REQUEST, length, xid)
    return header + struct.pack("!HH4x", TABLE_STATISTICS, 0)


def read_table_counts(message: bytes) -> dict[Table, int]:
    """The number of entries in each of our tables."""
    counts = dict(_TABLE_COUNT.iter_unpack(message[HEADER.size + 8 :]))
    return {table: counts.get(table, 0) for table in Table}


def read_packet_in(message: bytes) -> PacketIn:
    """A packet-in; raises ValueError for one without its port."""
    _, _, _, table, cookie, _, length = _PACKET_IN.unpack_from(message)
    start = _PACKET_IN.size - MATCH.size
    field = _PACKET_IN.size
    # Open vSwitch puts the port first; the metadata comes after.
    while field < start + length:
        (header,) = struct.unpack_from("!I", message, field)
        if header == _OXM_IN_PORT:
            (in_port,) = struct.unpack_from("!I", message, field + 4)
            frame = message[start + (length + 7) // 8 * 8 + 2 :]
            return PacketIn(table, cookie, in_port, frame)
        field += 4 + (header & 0xFF)
    raise ValueError("a packet-in without the port that its frame came by")


def read_removed(message: bytes) -> Counted:
    """An entry that is gone, with its last counts."""
    cookie, priority, reason, _, _, _, idle, _, packets, length = _REMOVED.unpack_from(
        message
    )
    match = read_match(message, _REMOVED.size)
    silent = idle if reason == IDLE else 0
    return Counted(match, priority, cookie, packets, length, silent)


def ask_entries(xid: int, table: int) -> bytes:
    """Ask what has met each entry of a table."""
    asked = _ENTRIES_ASKED.pack(table, ANY, ANY, 0, 0) + encode_match({})
    length = HEADER.size + 8 + len(asked)
    header = HEADER.pack(VERSION, MULTIPART_REQUEST, length, xid)
    return header + struct.pack("!HH4x", FLOW_STATISTICS, 0) + asked


def more_to_come(message: bytes) -> bool:
    """Whether a part of an answer is not its last one."""
    is_part = message[1] == MULTIPART_REPLY
    return is_part and bool(int.from_bytes(message[10:12]) & MORE_TO_COME)


def read_entries(message: bytes) -> list[Counted]:
    """The entries in one part of the answer."""
    found = []
    start = HEADER.size + 8
    while start < len(message):
        length, _, priority, cookie, packets, bytes_ = _ENTRY_COUNT.unpack_from(
            message, start
        )
        match = read_match(message, start + _ENTRY_COUNT.size)
        found.append(Counted(match, priority, cookie, packets, bytes_))
        start += length
    return found


def split_messages(stream: bytes) -> tuple[list[bytes], bytes]:
    """The whole messages at the front of a stream, and what is left of it."""
    messages = []
    start, end = 0, len(stream)
    while end - start >= HEADER.size:
        # The header's length counts itself (7.1); less would never end.
        length = max(int.from_bytes(stream[start + 2 : start + 4]), HEADER.size)
        if end - start < length:
            break
        messages.append(stream[start : start + length])
        start += length
    return messages, stream[start:]


class RefusedError(Exception):
    """The switch answered one of our messages with an error."""

    def __init__(self, exchange: str, message: bytes):
        kind, code = (int.from_bytes(message[i : i + 2]) for i in (8, 10))
        refused = message[12:].hex()
        super().__init__(
            f"the switch of {exchange} refused a message: "
            f"error type {kind} code {code}, on {refused}"
        )
