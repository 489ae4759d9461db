"""An IP packet that can be taken to pieces, changed, and put together again.

Lengths, checksums and offsets are worked out when it is put together, unless one was
set by hand. Geneva's notation knows IPv4's header only, so IPv6's stays as it is, but
for its length. Sources: RFC 791 (IPv4), 8200 (IPv6), 9293 (TCP), 768 (UDP), 1071
(checksum).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from struct import Struct

from filterlab.inspection.checksum import checksum, pseudo_header

TCP, UDP = 6, 17  # IANA's protocol numbers
_IP = Struct("!BBHHHBBH4s4s")
_TCP = Struct("!HHIIHHHH")
_UDP = Struct("!HHHH")
_IP_LEAST, _TCP_LEAST, _UDP_BYTES = 20, 20, 8
_IPV6_BYTES = 40  # RFC 8200, 3
_WORD = 4  # header lengths count 32-bit words
MORE_FRAGMENTS, DONT_FRAGMENT = 1, 2  # RFC 791, 3.1, as the upper three bits say
_END, _NOTHING = 0, 1  # the TCP options of one byte (RFC 9293, 3.2)

# What is worked out unless it stands in `fixed`, by protocol.
DERIVED = {
    "IP": ("ihl", "len", "chksum"),
    "TCP": ("dataofs", "chksum"),
    "UDP": ("len", "chksum"),
}
Option = tuple[int, bytes]


@dataclass(slots=True)
class Packet:
    """One packet. `transport` is "TCP", "UDP", or "" where `load` is all there is.

    `ip` has the fields of an IPv4 header, and nothing in a packet of IPv6.
    """

    ip: dict[str, int]
    source: bytes
    target: bytes
    ip_options: bytes = b""
    transport: str = ""
    head: dict[str, int] = field(default_factory=dict)
    options: list[Option] = field(default_factory=list)
    load: bytes = b""
    # (protocol, field) -> the value that somebody wants instead of the right one
    fixed: dict[tuple[str, str], int] = field(default_factory=dict)
    delay_seconds: float = 0.0
    ipv6: bytes = b""  # the header of an IPv6 packet

    def copy(self) -> Packet:
        """Another of the same."""
        return replace(
            self,
            ip=dict(self.ip),
            head=dict(self.head),
            options=list(self.options),
            fixed=dict(self.fixed),
        )

    def loosen(self, protocol: str, *fields: str) -> None:
        """Let these fields be worked out again."""
        for name in fields:
            self.fixed.pop((protocol, name), None)

    def build(self) -> bytes:
        """The packet's bytes."""
        body = self.segment()
        if self.ipv6:
            payload = len(body).to_bytes(2, "big")
            return self.ipv6[:4] + payload + self.ipv6[6:] + body
        fixed = self.fixed
        header_bytes = _IP_LEAST + len(self.ip_options)
        ihl = fixed.get(("IP", "ihl"), header_bytes // _WORD)
        length = fixed.get(("IP", "len"), header_bytes + len(body))
        fragment = self.ip["flags"] << 13 | self.ip["frag"]
        header = bytearray(
            _IP.pack(
                (self.ip["version"] & 15) << 4 | ihl & 15,
                self.ip["tos"],
                length & 0xFFFF,
                self.ip["id"],
                fragment,
                self.ip["ttl"],
                self.ip["proto"],
                0,
                self.source,
                self.target,
            )
            + self.ip_options
        )
        made = fixed.get(("IP", "chksum"), checksum(bytes(header)))
        header[10:12] = made.to_bytes(2, "big")
        return bytes(header) + body

    def segment(self) -> bytes:
        """What the IP packet carries: the TCP segment, the datagram, or just data."""
        if self.transport == "TCP":
            return self._tcp()
        return self._udp() if self.transport == "UDP" else self.load

    def _tcp(self) -> bytes:
        options = written(self.options)
        words = (_TCP_LEAST + len(options)) // _WORD
        offset = self.fixed.get(("TCP", "dataofs"), words)
        head = self.head
        bits = (offset & 15) << 12 | head["reserved"] << 9 | head["flags"]
        made = bytearray(
            _TCP.pack(
                head["sport"],
                head["dport"],
                head["seq"],
                head["ack"],
                bits,
                head["window"],
                0,
                head["urgptr"],
            )
            + options
            + self.load
        )
        made[16:18] = self._checksum(TCP, bytes(made)).to_bytes(2, "big")
        return bytes(made)

    def _udp(self) -> bytes:
        length = self.fixed.get(("UDP", "len"), _UDP_BYTES + len(self.load))
        ports = self.head["sport"], self.head["dport"]
        made = bytearray(_UDP.pack(*ports, length & 0xFFFF, 0) + self.load)
        # Zero would say that there is none (RFC 768); its other form says zero.
        right = self._checksum(UDP, bytes(made)) or 0xFFFF
        right = self.fixed.get(("UDP", "chksum"), right)
        made[6:8] = right.to_bytes(2, "big")
        return bytes(made)

    def _checksum(self, protocol: int, data: bytes) -> int:
        pseudo = pseudo_header(self.source, self.target, protocol, len(data))
        name = "TCP" if protocol == TCP else "UDP"
        return self.fixed.get((name, "chksum"), checksum(pseudo + data))


def read(data: bytes) -> Packet | None:
    """The packet that the bytes are; None if they are no IP."""
    if len(data) >= _IPV6_BYTES and data[0] >> 4 == 6:
        return _read_ipv6(data)
    if len(data) < _IP_LEAST or data[0] >> 4 != 4:
        return None
    first, tos, length, ident, fragment, ttl, proto, _, source, target = (
        _IP.unpack_from(data)
    )
    header_bytes = (first & 15) * _WORD
    if not _IP_LEAST <= header_bytes <= length <= len(data):
        return None
    ip = {
        "version": 4,
        "tos": tos,
        "id": ident,
        "flags": fragment >> 13,
        "frag": fragment & 0x1FFF,
        "ttl": ttl,
        "proto": proto,
    }
    packet = Packet(ip, source, target, data[_IP_LEAST:header_bytes])
    packet.load = data[header_bytes:length]
    if not packet.ip["frag"] and not packet.ip["flags"] & MORE_FRAGMENTS:
        _read_transport(packet, proto)
    return packet


def _read_ipv6(data: bytes) -> Packet | None:
    """What stands behind an extension header is not taken to pieces."""
    end = _IPV6_BYTES + int.from_bytes(data[4:6], "big")
    if end > len(data):
        return None
    packet = Packet({}, data[8:24], data[24:40], ipv6=data[:_IPV6_BYTES])
    packet.load = data[_IPV6_BYTES:end]
    _read_transport(packet, data[6])
    return packet


def _read_transport(packet: Packet, protocol: int) -> None:
    """Take what an IP packet carries to pieces, if it is TCP or UDP."""
    if protocol == TCP:
        _read_tcp(packet, packet.load)
    elif protocol == UDP and len(packet.load) >= _UDP_BYTES:
        sport, dport, _, _ = _UDP.unpack_from(packet.load)
        packet.transport, packet.head = "UDP", {"sport": sport, "dport": dport}
        packet.load = packet.load[_UDP_BYTES:]


def _read_tcp(packet: Packet, data: bytes) -> None:
    if len(data) < _TCP_LEAST:
        return
    sport, dport, seq, ack, bits, window, _, urgent = _TCP.unpack_from(data)
    header_bytes = (bits >> 12) * _WORD
    if not _TCP_LEAST <= header_bytes <= len(data):
        return
    packet.transport = "TCP"
    packet.head = {
        "sport": sport,
        "dport": dport,
        "seq": seq,
        "ack": ack,
        "reserved": bits >> 9 & 7,
        "flags": bits & 0x1FF,
        "window": window,
        "urgptr": urgent,
    }
    packet.options = _options(data[_TCP_LEAST:header_bytes])
    packet.load = data[header_bytes:]


def _options(data: bytes) -> list[Option]:
    """TCP options as kind and content; padding behind the end is left out."""
    found: list[Option] = []
    at = 0
    while at < len(data):
        kind = data[at]
        if kind == _END:
            break
        if kind == _NOTHING:
            found.append((kind, b""))
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        if length < 2 or at + length > len(data):
            break
        found.append((kind, data[at + 2 : at + length]))
        at += length
    return found


def written(options: list[Option]) -> bytes:
    """Options as a TCP header has them, filled up to whole words."""
    made = b"".join(
        bytes([kind])
        if kind in (_END, _NOTHING)
        else bytes([kind, len(content) + 2 & 0xFF]) + content
        for kind, content in options
    )
    return made + bytes(-len(made) % _WORD)


def address(text: str) -> bytes:
    """An IPv4 address as the four bytes of a header; raises ValueError."""
    return IPv4Address(text).packed


def segments(packet: Packet, at: int, overlap_bytes: int) -> tuple[Packet, Packet]:
    """The packet's payload as two segments, the first with some bytes of the second.

    A cut behind the payload is one in its middle, as Geneva has it; one below -1 counts
    from the payload's end, and an overlap below 0 leaves bytes out.
    """
    load = packet.load
    cut = at if at != -1 and at < len(load) else len(load) // 2
    first, second = packet.copy(), packet.copy()
    first.load = load[: cut + min(len(load[cut:]), overlap_bytes)]
    second.load = load[cut:]
    second.head["seq"] = (second.head["seq"] + cut) & 0xFFFFFFFF
    for one in (first, second):
        one.loosen("IP", "len", "chksum")
        one.loosen("TCP", "dataofs", "chksum")
    return first, second


def fragments(packet: Packet, at: int) -> tuple[Packet, Packet] | None:
    """The packet as two IP fragments cut at `at` times 8 bytes; None if too short.

    A cut outside of the packet, or in one of 8 bytes, is one in its middle. Only a
    sender of IPv6 fragments, with a header that the notation does not know.
    """
    if packet.ipv6:
        return None
    body = packet.segment()
    cut = at * 8
    if at < 0 or cut > len(body) or len(body) <= 8:
        cut = len(body) // 2 // 8 * 8
    if not 0 < cut < len(body):
        return None
    first, second = packet.copy(), packet.copy()
    for one, load in ((first, body[:cut]), (second, body[cut:])):
        one.transport, one.load = "", load
        one.head, one.options = {}, []
        one.fixed = {}
    first.ip["flags"] |= MORE_FRAGMENTS
    second.ip["frag"] = (second.ip["frag"] + cut // 8) & 0x1FFF
    return first, second
