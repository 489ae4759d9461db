"""Says in a few words what one packet is, for who reads a ladder of them.

Only what a reader needs to follow a story is named: TCP's flags (RFC 9293, 3.1), the
kind of TLS record (RFC 8446, 5.1), an HTTP start line, a DNS question or answer, a QUIC
long header (RFC 9000, 17.2). No bytes make it raise.
"""

from __future__ import annotations

import re

import dns.message
import dns.rdatatype
from dns.exception import DNSException

from filterlab.inspection.flow import ICMP, ICMPV6, TCP, UDP
from filterlab.inspection.packet import ACK, FIN, RST, SYN, Packet, dissect

DNS_PORT = 53
_LONGEST = 90  # characters; a line of a table
_FLAGS = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (ACK, "ACK"))
_RECORDS = {20: "change cipher spec", 21: "alert", 23: "data"}
_HANDSHAKES = {1: "ClientHello", 2: "ServerHello", 11: "Certificate"}
_HANDSHAKE = 22
_START_LINE = re.compile(rb"[A-Z]{3,8} \S+ HTTP/1|HTTP/1\.[01] \d{3}")
# Long header: form and fixed bit (RFC 9000, 17.2), the type in the next two.
_LONG, _QUIC_TYPES = 0xC0, ("Initial", "0-RTT", "Handshake", "Retry")
# IANA, ICMP Type Numbers; of IPv6, RFC 4443
_ICMP = {0: "echo reply", 3: "unreachable", 8: "echo request", 11: "time exceeded"}
_ICMPV6 = {1: "unreachable", 3: "time exceeded", 128: "echo request", 129: "echo reply"}
_VERSIONS = (1, 0x6B3343CF)  # RFC 9000, 15; RFC 9369, 3.1


def in_words(frame: bytes) -> str:
    """What a frame is, in at most a line."""
    packet = dissect(frame)
    if packet is None:
        return f"no IP packet, {len(frame)} bytes"
    if packet.fragment:
        return "a fragment of an IP packet"
    text = _transport(packet)
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _transport(packet: Packet) -> str:
    data = packet.payload
    if packet.protocol == TCP:
        named = ", ".join(name for bit, name in _FLAGS if packet.flags & bit)
        if not data:
            return f"TCP {named}" if named else "TCP without flags"
        marks = [n for n in ("SYN", "FIN", "RST") if n in named.split(", ")]
        flags = f" ({', '.join(marks)})" if marks else ""
        return f"{_stream(packet, data)}, {_bytes(data)}{flags}"
    if packet.protocol == UDP:
        return f"{_datagram(packet, data)}, {_bytes(data)}"
    if packet.protocol in (ICMP, ICMPV6):
        kind = packet.icmp_type or 0
        known = _ICMP if packet.protocol == ICMP else _ICMPV6
        return f"ICMP {known.get(kind, f'type {kind}')}"
    return f"IP protocol {packet.protocol}, {_bytes(data)}"


def _bytes(data: bytes) -> str:
    return f"{len(data):,} byte{'' if len(data) == 1 else 's'}"


def _stream(packet: Packet, data: bytes) -> str:
    if DNS_PORT in (packet.src_port, packet.dst_port) and len(data) > 2:
        return _dns(data[2:]) or "DNS over TCP"
    if data[0] == _HANDSHAKE and len(data) > 5 and data[1] == 3:
        return f"TLS {_HANDSHAKES.get(data[5], 'handshake')}"
    if data[0] in _RECORDS and len(data) > 4 and data[1] == 3:
        return f"TLS {_RECORDS[data[0]]}"
    if _START_LINE.match(data):
        return data.split(b"\r\n")[0].decode("latin-1")
    return "data"


def _datagram(packet: Packet, data: bytes) -> str:
    if DNS_PORT in (packet.src_port, packet.dst_port):
        return _dns(data) or "UDP to the DNS port"
    version = int.from_bytes(data[1:5], "big") if len(data) > 5 else 0
    if data[:1] and data[0] & _LONG == _LONG and version in _VERSIONS:
        return f"QUIC {_quic_type(data[0] >> 4 & 3, version)}"
    return "UDP"


def _quic_type(bits: int, version: int) -> str:
    # Version 2 counts its types from one on (RFC 9369, 3.2).
    return _QUIC_TYPES[bits if version == 1 else (bits - 1) % 4]


def _dns(data: bytes) -> str | None:
    try:
        message = dns.message.from_wire(data, ignore_trailing=True)
    except (DNSException, ValueError, IndexError):
        return None
    if not message.question:
        return "DNS"
    asked = message.question[0]
    kind = dns.rdatatype.to_text(asked.rdtype)
    name = asked.name.to_text(omit_final_dot=True)
    if not message.flags & 0x8000:  # QR, RFC 1035, 4.1.1
        return f"DNS asks {kind} of {name}"
    found = [
        getattr(item, "address", "")
        for rrset in message.answer
        for item in rrset
        if hasattr(item, "address")
    ]
    answer = ", ".join(found) or f"no address (code {int(message.rcode())})"
    return f"DNS answers {kind} of {name}: {answer}"
