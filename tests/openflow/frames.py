"""Frames that the tests send through an exchange of two ports, inside and outside."""

from __future__ import annotations

from typing import Any

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from filterlab.inspection.flow import FlowKey
from filterlab.openflow.tables import Port
from filterlab.policy.effects import Side

INSIDE_MAC, OUTSIDE_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
INSIDE, OUTSIDE = 1, 2
PORTS = (
    Port(INSIDE, Side.INSIDE, (0x020000000001,)),
    Port(OUTSIDE, Side.OUTSIDE, (0x020000000002,)),
)
CLIENT, SERVER = "100.64.0.1", "198.18.0.1"
CLIENT6, SERVER6 = "2001:db8:1::1", "2001:db8:2::1"
FLOW = FlowKey(6, bytes([100, 64, 0, 1]), 40000, bytes([198, 18, 0, 1]), 443)


def to_server(
    payload: bytes = b"",
    flags: str = "A",
    sport: int = 40000,
    dport: int = 443,
    src: str = CLIENT,
    dst: str = SERVER,
    udp: bool = False,
) -> bytes:
    """A frame from a subscriber towards a server."""
    return _frame(INSIDE_MAC, OUTSIDE_MAC, src, dst, sport, dport, flags, payload, udp)


def to_client(
    payload: bytes = b"",
    flags: str = "A",
    sport: int = 443,
    dport: int = 40000,
    src: str = SERVER,
    dst: str = CLIENT,
    udp: bool = False,
) -> bytes:
    """A frame from a server towards a subscriber."""
    return _frame(OUTSIDE_MAC, INSIDE_MAC, src, dst, sport, dport, flags, payload, udp)


def _frame(
    from_mac: str,
    to_mac: str,
    src: str,
    dst: str,
    sport: int,
    dport: int,
    flags: str,
    payload: bytes,
    udp: bool,
) -> bytes:
    ip: Any = IPv6 if ":" in src else IP
    upper: Any = UDP(sport=sport, dport=dport)
    if not udp:
        upper = TCP(sport=sport, dport=dport, flags=flags, seq=1000)
    frame = Ether(src=from_mac, dst=to_mac) / ip(src=src, dst=dst) / upper / payload
    return bytes(frame)
