"""Matches as OXM fields, as OpenFlow 1.3 and Open vSwitch have them, and read back.

Source: OpenFlow Switch Specification 1.3.5, 7.2.3; Open vSwitch, nicira-ext.h.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from filterlab.openflow.tables import Value

MATCH = struct.Struct("!HH")  # OFPMT_OXM and a length (7.2.2)


def _field(number: int, size: int, oxm_class: int = 0x8000) -> tuple[bytes, bytes, int]:
    plain = struct.pack("!HBB", oxm_class, number << 1, size)
    masked = struct.pack("!HBB", oxm_class, number << 1 | 1, size * 2)
    return plain, masked, size


# oxm_ofb_match_fields (7.2.3.7); TCP flags came with 1.5, Open vSwitch offers them to
# 1.3 as its own NXM_NX_TCP_FLAGS.
FIELDS = {
    "in_port": _field(0, 4),
    "metadata": _field(2, 8),
    "eth_dst": _field(3, 6),
    "eth_src": _field(4, 6),
    "eth_type": _field(5, 2),
    "ip_proto": _field(10, 1),
    "ipv4_src": _field(11, 4),
    "ipv4_dst": _field(12, 4),
    "tcp_src": _field(13, 2),
    "tcp_dst": _field(14, 2),
    "udp_src": _field(15, 2),
    "udp_dst": _field(16, 2),
    "ipv6_src": _field(26, 16),
    "ipv6_dst": _field(27, 16),
    "icmpv6_type": _field(29, 1),
    "tcp_flags": _field(34, 2, oxm_class=0x0001),
}
# A field stands after those that it depends on (7.2.3.6), which none of these orders
# between themselves break.
_ORDER = {name: place for place, name in enumerate(("eth_type", "ip_proto"), -2)}


_NAMES = {plain: (name, size) for name, (plain, _, size) in FIELDS.items()}


def encode_match(match: Mapping[str, Value]) -> bytes:
    """A match as OXM fields, padded to eight bytes."""
    fields = b""
    for name in sorted(match, key=lambda name: _ORDER.get(name, 0)):
        value = match[name]
        plain, masked, size = FIELDS[name]
        if isinstance(value, tuple):
            fields += masked + value[0].to_bytes(size) + value[1].to_bytes(size)
        else:
            fields += plain + value.to_bytes(size)
    length = MATCH.size + len(fields)
    return MATCH.pack(1, length) + fields + bytes(-length % 8)


def read_match(message: bytes, start: int) -> dict[str, Value]:
    """The exact fields of a match, as far as entries of ours have them."""
    _, length = MATCH.unpack_from(message, start)
    field, end = start + MATCH.size, start + length
    found: dict[str, Value] = {}
    while field < end:
        name, size = _NAMES.get(message[field : field + 4], ("", 0))
        if name:
            found[name] = int.from_bytes(message[field + 4 : field + 4 + size])
        field += 4 + message[field + 3]
    return found
