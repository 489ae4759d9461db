"""Turns one Ethernet frame into the header fields that flows and rules go by.

Reads Ethernet II with any number of VLAN tags (IEEE 802.1Q, 802.1ad), IPv4 (RFC 791),
IPv6 with its extension headers (RFC 8200, 4), TCP (RFC 9293, 3.1), UDP (RFC 768) and
the type of ICMP. Only what every frame needs is read at once; payload, TTL and the
Ethernet header are cut out when somebody asks. No bytes make it raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from filterlab.inspection.flow import ICMP, ICMPV6, TCP, UDP

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10  # RFC 9293, 3.1

_ETHERTYPE_IPV4, _ETHERTYPE_IPV6 = 0x0800, 0x86DD  # IANA
_VLAN_TAGS = (0x8100, 0x88A8, 0x9100)  # 802.1Q, 802.1ad, its forerunner
_ETHERNET_BYTES = 14
_IPV4_LEAST, _IPV6_BYTES, _TCP_LEAST, _UDP_BYTES = 20, 40, 20, 8
_OFFSET_LEAST = 0x50  # five words (RFC 9293, 3.1), in the upper half of the byte
_FRAGMENT_BITS = 0x3FFF  # more fragments, and the offset (RFC 791, 3.1)
_FRAGMENT6_BITS = 0xFFF9  # offset, and more fragments (RFC 8200, 4.5)
# Extension headers that say how long they are (RFC 8200, 4; 6275; 7401; 5533)
_SKIPPED = frozenset((0, 43, 60, 135, 139, 140))
_FRAGMENT, _AUTHENTICATION = 44, 51

_TCP_FIELDS = Struct("!HHIIBB")
_PORTS = Struct("!HHH")
_TWO = Struct("!H")
_V4 = Struct("!HHHBB")  # total length, id, fragment, ttl, protocol; from byte 2 on


class Packet:
    """One IP packet: who to whom, and where in the frame the payload lies.

    `whole` says that the transport header is all there and sensible; without it (a
    fragment, or broken) the ports are 0. `cut` says that bytes are missing at the end.
    `right` is what somebody has found its checksums to be, or None.
    """

    __slots__ = (
        "ack",
        "cut",
        "dst",
        "dst_port",
        "end",
        "flags",
        "fragment",
        "frame",
        "network",
        "protocol",
        "right",
        "seq",
        "src",
        "src_port",
        "start",
        "transport",
        "version",
        "whole",
    )

    def __init__(
        self, frame: bytes, network: int, version: int, src: bytes, dst: bytes
    ) -> None:
        self.frame = frame
        self.network = network
        self.version = version
        self.src = src
        self.dst = dst
        self.protocol = self.transport = self.start = self.end = 0
        self.src_port = self.dst_port = self.seq = self.ack = self.flags = 0
        self.fragment = self.cut = False
        self.whole = True
        self.right: bool | None = None

    def read_short_header(self) -> None:
        """Read a TCP header that calls itself shorter than any: as the least there is.

        A server drops such a segment (RFC 9293, 3.1: the least offset is five words).
        """
        at = self.transport
        if self.protocol != TCP or self.fragment or at + _TCP_LEAST > self.end:
            return
        fields = _TCP_FIELDS.unpack_from(self.frame, at)
        if fields[4] >= _OFFSET_LEAST:
            return
        self.src_port, self.dst_port, self.seq, self.ack, _, self.flags = fields
        self.start = at + _TCP_LEAST
        self.whole = True

    @property
    def payload(self) -> bytes:
        """What the transport carries, without Ethernet padding."""
        return self.frame[self.start : self.end]

    @property
    def ethernet(self) -> bytes:
        """The Ethernet header with its VLAN tags."""
        return self.frame[: self.network]

    @property
    def ip_id(self) -> int | None:
        """The IPv4 identification; IPv6 has none in its fixed header."""
        if self.version == 6:
            return None
        at = self.network + 4
        return int.from_bytes(self.frame[at : at + 2], "big")

    @property
    def ttl(self) -> int:
        """The IPv4 time to live or the IPv6 hop limit."""
        return self.frame[self.network + (8 if self.version == 4 else 7)]

    @property
    def next_seq(self) -> int:
        """The sequence number after this TCP segment; SYN and FIN count one each."""
        length = self.end - self.start + (self.flags & FIN) + (self.flags >> 1 & 1)
        return (self.seq + length) & 0xFFFFFFFF

    @property
    def icmp_type(self) -> int | None:
        """The type of an ICMP message; None for anything else."""
        if self.protocol not in (ICMP, ICMPV6) or not self.whole:
            return None
        return self.frame[self.transport]


def packet_of(
    frame: bytes,
    ends: tuple[bytes, int, bytes, int],
    protocol: int,
    flags: int,
    places: Sequence[int],
    right: bool | None,
) -> Packet:
    """A whole packet whose headers have been read already, and are not read again.

    `places`: where network, transport and payload begin and where the payload ends, in
    the frame; sequence and acknowledgement numbers; IP version; whether it is cut.
    """
    packet = Packet.__new__(Packet)
    packet.frame = frame
    packet.src, packet.src_port, packet.dst, packet.dst_port = ends
    packet.protocol = protocol
    packet.flags = flags
    (
        packet.network,
        packet.transport,
        packet.start,
        packet.end,
        packet.seq,
        packet.ack,
        packet.version,
        cut,
    ) = places
    packet.cut = cut != 0
    packet.fragment = False
    packet.whole = True
    packet.right = right
    return packet


def dissect(frame: bytes) -> Packet | None:
    """The IP packet in an Ethernet frame; None if there is none that can be read."""
    size = len(frame)
    if size < _ETHERNET_BYTES + _IPV4_LEAST:
        return None
    at = _ETHERNET_BYTES
    kind = frame[12] << 8 | frame[13]
    while kind in _VLAN_TAGS:
        if at + 4 > size:
            return None
        kind = frame[at + 2] << 8 | frame[at + 3]
        at += 4
    if kind == _ETHERTYPE_IPV4:
        return _ipv4(frame, at, size)
    if kind == _ETHERTYPE_IPV6:
        return _ipv6(frame, at, size)
    return None


def _ipv4(frame: bytes, at: int, size: int) -> Packet | None:
    if at + _IPV4_LEAST > size:
        return None
    first = frame[at]
    header = (first & 15) * 4
    if first >> 4 != 4 or header < _IPV4_LEAST or at + header > size:
        return None
    total, _, fragment, _, protocol = _V4.unpack_from(frame, at + 2)
    if total < header:
        return None
    packet = Packet(frame, at, 4, frame[at + 12 : at + 16], frame[at + 16 : at + 20])
    end = at + total
    if end > size:
        end = size
        packet.cut = True
    packet.end = end
    packet.protocol = protocol
    packet.transport = packet.start = at + header
    if fragment & _FRAGMENT_BITS:
        packet.fragment = True
        packet.whole = False
    else:
        _transport(packet)
    return packet


def _ipv6(frame: bytes, at: int, size: int) -> Packet | None:
    after = at + _IPV6_BYTES
    if after > size or frame[at] >> 4 != 6:
        return None
    packet = Packet(frame, at, 6, frame[at + 8 : at + 24], frame[at + 24 : after])
    end = after + (frame[at + 4] << 8 | frame[at + 5])
    if end > size:
        end = size
        packet.cut = True
    packet.end = end
    following = frame[at + 6]
    bits = 0
    while (length := _extension_bytes(frame, following, after, end)) is not None:
        if after + length > end:
            packet.whole = False
            break
        if following == _FRAGMENT:
            (bits,) = _TWO.unpack_from(frame, after + 2)
            if bits & _FRAGMENT6_BITS:  # else an atomic fragment (RFC 6946): whole
                packet.fragment = True
                packet.whole = False
        following = frame[after]
        after += length
        if bits >> 3:  # a later fragment: what follows is no header
            break
    packet.protocol = following
    packet.transport = packet.start = after
    if packet.whole:
        _transport(packet)
    return packet


def _extension_bytes(frame: bytes, kind: int, at: int, end: int) -> int | None:
    if kind in _SKIPPED:
        return (frame[at + 1] + 1) * 8 if at + 2 <= end else 8
    if kind == _FRAGMENT:
        return 8
    if kind == _AUTHENTICATION:  # counted in 4-byte units, less two (RFC 4302, 2.2)
        return (frame[at + 1] + 2) * 4 if at + 2 <= end else 8
    return None


def _transport(packet: Packet) -> None:
    at, end = packet.transport, packet.end
    if packet.protocol == TCP:
        if at + _TCP_LEAST > end:
            packet.whole = False
            return
        src_port, dst_port, seq, ack, offset, flags = _TCP_FIELDS.unpack_from(
            packet.frame, at
        )
        start = at + (offset >> 4) * 4
        if start > end or offset < _OFFSET_LEAST:
            packet.whole = False
            return
        packet.src_port, packet.dst_port = src_port, dst_port
        packet.seq, packet.ack, packet.flags, packet.start = seq, ack, flags, start
    elif packet.protocol == UDP:
        _udp(packet, at, end)
    elif packet.protocol in (ICMP, ICMPV6) and at >= end:
        packet.whole = False


def _udp(packet: Packet, at: int, end: int) -> None:
    if at + _UDP_BYTES > end:
        packet.whole = False
        return
    src_port, dst_port, length = _PORTS.unpack_from(packet.frame, at)
    if length < _UDP_BYTES or (at + length > end and not packet.cut):
        packet.whole = False
        return
    packet.src_port, packet.dst_port = src_port, dst_port
    packet.start = at + _UDP_BYTES
    packet.end = min(end, at + length)
