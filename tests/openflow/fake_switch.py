"""An OpenFlow switch in Python: applies our messages, and says where a frame leaves.

It reads messages with os-ken's parser and not with our own code, so that a message
which another implementation would read differently shows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from os_ken.ofproto import (
    ofproto_parser,
    ofproto_protocol,
    ofproto_v1_3,
    ofproto_v1_3_parser,
)
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    IPv6,
)
from scapy.layers.l2 import Ether

from filterlab.openflow import wire
from filterlab.openflow.tables import CONTROLLER

DATAPATH = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
_DISCOVERY = (ICMPv6ND_RS, ICMPv6ND_RA, ICMPv6ND_NS, ICMPv6ND_NA)


def parse(message: bytes) -> Any:
    """One message as os-ken reads it; it reads flow-mods, and what switches send."""
    version, kind, length, xid = wire.HEADER.unpack_from(message)
    assert length == len(message)
    read = ofproto_parser.msg(DATAPATH, version, kind, length, xid, bytearray(message))
    assert read is not None, message.hex()
    return read


@dataclass
class Way:
    """Where one frame went, and by which meters."""

    ports: list[int] = field(default_factory=list)
    meters: list[int] = field(default_factory=list)
    controller_cookies: list[int] = field(default_factory=list)
    controller_tables: list[int] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Only the controller has it."""
        return bool(self.controller_cookies) and not self.ports


class FakeSwitch:
    """Tables, meters, and a list of what left by packet-out."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.meters: dict[int, tuple[int, int]] = {}  # rate and burst
        self.sent: list[tuple[int, bytes]] = []
        self.replies: list[bytes] = []
        self.history: list[int] = []  # the types of messages, in order
        self._takers = {
            wire.FLOW_MOD: self._change_entries,
            wire.METER_MOD: self._change_meters,
            wire.PACKET_OUT: self._packet_out,
            wire.BARRIER_REQUEST: self._barrier,
        }

    def apply(self, stream: bytes) -> None:
        """Take messages as they come over the connection."""
        messages, rest = wire.split_messages(stream)
        assert rest == b""
        for message in messages:
            self.history.append(message[1])
            self._takers[message[1]](message)

    def _change_entries(self, message: bytes) -> None:
        of = ofproto_v1_3
        change = parse(message)
        if change.command == of.OFPFC_ADD:
            same = _identity(change)
            self.entries = [e for e in self.entries if _identity(e) != same]
            self.entries.append(change)
            return
        strict = change.command == of.OFPFC_DELETE_STRICT
        assert strict or change.command == of.OFPFC_DELETE
        self.entries = [e for e in self.entries if not _deleted(e, change, strict)]

    def _change_meters(self, message: bytes) -> None:
        command, _, number = struct.unpack_from("!HHI", message, 8)
        if command == ofproto_v1_3.OFPMC_ADD:
            assert number not in self.meters
            self.meters[number] = struct.unpack_from("!II", message, 20)
        elif number == ofproto_v1_3.OFPM_ALL:
            self.meters.clear()
        else:
            self.meters.pop(number, None)

    def _packet_out(self, message: bytes) -> None:
        (length,) = struct.unpack_from("!H", message, 16)
        for action in range(24, 24 + length, 16):
            (port,) = struct.unpack_from("!I", message, action + 4)
            self.sent.append((port, message[24 + length :]))

    def _barrier(self, message: bytes) -> None:
        self.replies.append(bytes([4, wire.BARRIER_REPLY]) + message[2:])

    def where(self, frame: bytes, in_port: int) -> Way:
        """Walk the tables with a frame."""
        way = Way()
        fields = fields_of(frame) | {"in_port": in_port, "metadata": 0}
        table: int | None = 0
        while table is not None:
            entry = self._best(table, fields)
            table = None if entry is None else self._meet(entry, fields, way)
        return way

    def _best(self, table: int, fields: dict[str, int]) -> Any:
        fitting = [
            entry
            for entry in self.entries
            if entry.table_id == table and _fits(entry.match, fields)
        ]
        return max(fitting, key=lambda entry: entry.priority, default=None)

    def _meet(self, entry: Any, fields: dict[str, int], way: Way) -> int | None:
        of = ofproto_v1_3_parser
        following = None
        for instruction in entry.instructions:
            if isinstance(instruction, of.OFPInstructionMeter):
                assert instruction.meter_id in self.meters
                way.meters.append(instruction.meter_id)
            elif isinstance(instruction, of.OFPInstructionWriteMetadata):
                fields["metadata"] = instruction.metadata
            elif isinstance(instruction, of.OFPInstructionActions):
                for action in instruction.actions:
                    # A hash into a register leads nowhere.
                    if not isinstance(action, of.NXActionMultipath):
                        self._output(action, entry, fields, way)
            else:
                assert instruction.table_id > entry.table_id
                following = instruction.table_id
        return following

    def _output(
        self, action: Any, entry: Any, fields: dict[str, int], way: Way
    ) -> None:
        if action.port == CONTROLLER:
            assert action.max_len == ofproto_v1_3.OFPCML_NO_BUFFER
            way.controller_cookies.append(entry.cookie)
            way.controller_tables.append(entry.table_id)
        elif action.port != fields["in_port"]:  # a switch never sends back
            way.ports.append(action.port)

    def packet_ins(self, frame: bytes, in_port: int) -> Iterator[bytes]:
        """The messages by which the controller gets this frame."""
        way = self.where(frame, in_port)
        for table, cookie in zip(
            way.controller_tables, way.controller_cookies, strict=True
        ):
            yield packet_in(frame, in_port, table, cookie)


def packet_in(frame: bytes, in_port: int, table: int, cookie: int) -> bytes:
    """A packet-in, as os-ken itself would write it, but for what it cannot write."""
    match = ofproto_v1_3_parser.OFPMatch(in_port=in_port, metadata=1)
    fields = bytearray()
    match.serialize(fields, 0)
    body = (
        wire.NO_BUFFER.to_bytes(4)
        + len(frame).to_bytes(2)
        + bytes([1, table])
        + cookie.to_bytes(8)
        + bytes(fields)
        + bytes(2)
        + frame
    )
    return wire.HEADER.pack(wire.VERSION, wire.PACKET_IN, 8 + len(body), 0) + body


def _identity(entry: Any) -> tuple[Any, ...]:
    return entry.table_id, entry.priority, sorted(entry.match.items())


def _deleted(entry: Any, change: Any, strict: bool) -> bool:
    if change.table_id not in (ofproto_v1_3.OFPTT_ALL, entry.table_id):
        return False
    if entry.cookie & change.cookie_mask != change.cookie & change.cookie_mask:
        return False
    if strict:
        return _identity(entry) == _identity(change)
    assert not change.match.items()
    return True


def _fits(match: Any, fields: dict[str, int]) -> bool:
    return all(_holds(name, value, fields) for name, value in match.items())


def _holds(name: str, value: Any, fields: dict[str, int]) -> bool:
    if name not in fields:
        return False
    if isinstance(value, tuple):
        mask = _number(value[1])
        return fields[name] & mask == _number(value[0]) & mask
    return fields[name] == _number(value)


def _number(value: Any) -> int:
    if isinstance(value, int):
        return value
    if value.count(":") == 5 and len(value) == 17:  # a MAC address
        return int(value.replace(":", ""), 16)
    return int(ip_address(value))


def fields_of(frame: bytes) -> dict[str, int]:
    """What a switch matches a frame by; a later fragment has no ports."""
    packet = Ether(frame)
    found = {
        "eth_dst": _number(packet.dst),
        "eth_src": _number(packet.src),
        "eth_type": packet.type,
    }
    if IP in packet:
        found["ipv4_src"] = _number(packet[IP].src)
        found["ipv4_dst"] = _number(packet[IP].dst)
        found["ip_proto"] = packet[IP].proto
    elif IPv6 in packet:
        found["ipv6_src"] = _number(packet[IPv6].src)
        found["ipv6_dst"] = _number(packet[IPv6].dst)
        found["ip_proto"] = packet[IPv6].nh
    for layer, prefix in ((TCP, "tcp"), (UDP, "udp")):
        if layer in packet and ICMP not in packet:
            found[f"{prefix}_src"] = packet[layer].sport
            found[f"{prefix}_dst"] = packet[layer].dport
    if TCP in packet:
        found["tcp_flags_nxm"] = int(packet[TCP].flags)
    for message in _DISCOVERY:
        if message in packet:
            found["icmpv6_type"] = packet[message].type
    return found
