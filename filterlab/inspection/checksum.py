"""The Internet checksum: made for forged frames, checked on frames that pass.

Source: RFC 1071. A number of 16-bit words, taken modulo 0xFFFF, is the ones'
complement sum of its words (2**16 is 1 modulo 0xFFFF), so Python's whole-number
arithmetic adds up a full frame in about a microsecond.
"""

from __future__ import annotations

from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.packet import Packet

_UDP_CHECKSUM_AT = 6  # RFC 768
_IPV4_CHECKSUM_AT = 10  # RFC 791, 3.1


def word_sum(data: bytes) -> int:
    """The ones' complement sum of 16-bit words; 0 stands for zero of either sign."""
    if len(data) & 1:
        data += b"\0"
    return int.from_bytes(data, "big") % 0xFFFF


def checksum(data: bytes) -> int:
    """The checksum field for data whose own checksum field is zero."""
    rest = word_sum(data)
    return 0xFFFF - rest if rest else 0


def pseudo_header(source: bytes, target: bytes, protocol: int, length: int) -> bytes:
    """The addresses, length and protocol that TCP and UDP sum up too.

    Source: RFC 9293, 3.1 for IPv4; RFC 8200, 8.1 for IPv6.
    """
    size = 2 if len(source) == 4 else 4
    number = protocol.to_bytes(size, "big")
    return source + target + number + length.to_bytes(size, "big")


def checksums_right(packet: Packet) -> bool:
    """Whether the IPv4 header and the TCP or UDP segment arrived as they were sent.

    A packet cut short by the capture cannot be judged, and counts as right.
    """
    if packet.right is not None:
        return packet.right
    frame = packet.frame
    network, transport = packet.network, packet.transport
    if packet.version == 4:
        header = frame[network : network + (frame[network] & 15) * 4]
        if word_sum(header):
            return False
    if packet.cut or not packet.whole:
        return True
    if packet.protocol == TCP:
        segment = frame[transport : packet.end]
    elif packet.protocol == UDP:
        at = transport + _UDP_CHECKSUM_AT
        if frame[at : at + 2] == b"\0\0":  # not used (RFC 768)
            return packet.version == 4
        segment = frame[transport : packet.end]
    else:
        return True
    # The pseudo-header's protocol and length are words of their own.
    total = word_sum(packet.src + packet.dst + segment)
    return (total + packet.protocol + len(segment)) % 0xFFFF == 0
