"""The header fields that a strategy may name, protocol by protocol.

Names and their spelling are those that Geneva's layers list (layers/*_layer.py of
github.com/Kkevsterrr/geneva), which are Scapy's; the bits are the protocols' own
(RFC 791, 9293, 768, 1035).
"""

from __future__ import annotations

# How many bits a plain number has. A field of 0 bits is none: see `packet`.
IP = {
    "version": 4,
    "ihl": 4,
    "tos": 8,
    "len": 16,
    "id": 16,
    "flags": 0,
    "frag": 13,
    "ttl": 8,
    "proto": 8,
    "chksum": 16,
    "src": 0,
    "dst": 0,
    "load": 0,
}
TCP = {
    "sport": 16,
    "dport": 16,
    "seq": 32,
    "ack": 32,
    "dataofs": 4,
    "reserved": 3,
    "flags": 0,
    "window": 16,
    "chksum": 16,
    "urgptr": 16,
    "load": 0,
}
UDP = {"sport": 16, "dport": 16, "chksum": 16, "len": 16, "load": 0}
DNS = {
    "id": 16,
    "qr": 1,
    "opcode": 4,
    "aa": 1,
    "tc": 1,
    "rd": 1,
    "ra": 1,
    "z": 1,
    "ad": 1,
    "cd": 1,
    "qd": 0,
    "rcode": 4,
    "qdcount": 16,
    "ancount": 16,
    "nscount": 16,
    "arcount": 16,
}
DNSQR = {"qname": 0, "qtype": 16, "qclass": 16}

# The kinds of TCP options (IANA's registry), by Geneva's names for them.
OPTIONS = {
    "eol": 0,
    "nop": 1,
    "mss": 2,
    "wscale": 3,
    "sackok": 4,
    "sack": 5,
    "timestamp": 8,
    "altchksum": 14,
    "altchksumopt": 15,
    "md5header": 19,
    "uto": 28,
}

_PLAIN = {"IP": IP, "TCP": TCP, "UDP": UDP, "DNS": DNS, "DNSQR": DNSQR}
PROTOCOLS = tuple(_PLAIN)
FIELDS: dict[str, tuple[str, ...]] = {
    name: tuple(fields) for name, fields in _PLAIN.items()
}
FIELDS["TCP"] += tuple(f"options-{name}" for name in OPTIONS)


def bits(protocol: str, field: str) -> int:
    """How many bits a field that is a plain number has; 0 for any other."""
    return _PLAIN[protocol].get(field, 0)
