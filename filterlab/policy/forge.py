"""Makes the frames that a box forges, from the packet that they answer.

A forged frame takes addresses, ports and VLAN tags from that packet, so that it looks
as if the other end had sent it. Source: RFC 9293, 3.1 and 3.5.2 (what a reset must
carry to be believed); RFC 791; RFC 8200; RFC 768.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from filterlab.inspection.checksum import checksum, pseudo_header
from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.packet import ACK, Packet

FLAG_LETTERS = {
    "F": 0x01,
    "S": 0x02,
    "R": 0x04,
    "P": 0x08,
    "A": 0x10,
    "U": 0x20,
    "E": 0x40,
    "C": 0x80,
}
SEGMENT_BYTES = 1400  # fits an Ethernet frame with IPv6 and a VLAN tag
_FRESH_TTL = 64  # what Linux and the BSDs send (RFC 1700)
_OPEN_WINDOW = 65_535  # the largest without scaling (RFC 9293, 3.1)
_DONT_FRAGMENT = 0x4000  # RFC 791, 3.1

_IPV4 = Struct("!BBHHHBBH4s4s")
_IPV6 = Struct("!IHBB16s16s")
_TCP = Struct("!HHIIBBHHH")
_UDP = Struct("!HHHH")


@dataclass(frozen=True, slots=True)
class Disguise:
    """How the headers of a forged packet look."""

    ip_id: int
    ttl: int | None = None
    window: int | None = None
    dont_fragment: bool = True


def flag_bits(letters: str) -> int:
    """TCP flags from their letters, as "RA"."""
    bits = 0
    for letter in letters:
        bits |= FLAG_LETTERS[letter]
    return bits


def reset(
    packet: Packet,
    to_sender: bool,
    next_seq: int,
    flags: str,
    look: Disguise,
    payload: bytes = b"",
    ahead: int = 0,
    number: int | None = None,
) -> bytes:
    """A TCP reset for the sender of a packet, or for its receiver.

    `next_seq` is the number that the receiver waits for; the sender waits for what its
    packet acknowledged. `ahead` is added to either, `number` takes its place.
    """
    bits = flag_bits(flags)
    window = look.window or 0
    if to_sender:
        seq, ack = packet.ack, packet.next_seq
    else:
        seq, ack = next_seq, packet.ack
    if not bits & ACK:
        ack = 0
    seq = (seq + ahead) & 0xFFFFFFFF if number is None else number
    return _tcp_frame(packet, to_sender, bits, seq, ack, window, payload, look)


def tcp_answer(packet: Packet, data: bytes, look: Disguise, flags: str) -> list[bytes]:
    """Segments that answer the sender of a packet; the last one carries these flags."""
    window = _OPEN_WINDOW if look.window is None else look.window
    frames = []
    for at in range(0, len(data), SEGMENT_BYTES):
        piece = data[at : at + SEGMENT_BYTES]
        bits = flag_bits(flags) if at + SEGMENT_BYTES >= len(data) else ACK
        seq = (packet.ack + at) & 0xFFFFFFFF
        frames.append(
            _tcp_frame(packet, True, bits, seq, packet.next_seq, window, piece, look)
        )
    return frames


def udp_answer(packet: Packet, data: bytes, look: Disguise) -> bytes:
    """A datagram back to the sender of a packet."""
    length = _UDP.size + len(data)
    ports = packet.dst_port, packet.src_port
    head = pseudo_header(packet.dst, packet.src, UDP, length)
    total = checksum(head + _UDP.pack(*ports, length, 0) + data)
    datagram = _UDP.pack(*ports, length, total or 0xFFFF) + data  # RFC 768: 0 is none
    return _frame(packet, True, UDP, datagram, look)


def readdress(
    packet: Packet,
    source: tuple[bytes, int] | None = None,
    target: tuple[bytes, int] | None = None,
) -> bytes:
    """The frame with another source or target (address and port), checksums right."""
    src, src_port = source or (packet.src, packet.src_port)
    dst, dst_port = target or (packet.dst, packet.dst_port)
    frame = bytearray(packet.frame)
    network, transport = packet.network, packet.transport
    addresses = network + (12 if packet.version == 4 else 8)
    frame[addresses : addresses + len(src) * 2] = src + dst
    if packet.version == 4:
        frame[network + 10 : network + 12] = bytes(2)
        header = bytes(frame[network : network + (frame[network] & 15) * 4])
        frame[network + 10 : network + 12] = checksum(header).to_bytes(2, "big")
    if packet.protocol not in (TCP, UDP):
        return bytes(frame)
    frame[transport : transport + 4] = src_port.to_bytes(2) + dst_port.to_bytes(2)
    at = transport + (16 if packet.protocol == TCP else 6)
    if packet.protocol == UDP and frame[at : at + 2] == bytes(2):
        return bytes(frame)  # it had none (RFC 768)
    frame[at : at + 2] = bytes(2)
    segment = bytes(frame[transport : packet.end])
    total = checksum(pseudo_header(src, dst, packet.protocol, len(segment)) + segment)
    frame[at : at + 2] = (total or 0xFFFF * (packet.protocol == UDP)).to_bytes(2)
    return bytes(frame)


def _tcp_frame(
    packet: Packet,
    to_sender: bool,
    flags: int,
    seq: int,
    ack: int,
    window: int,
    data: bytes,
    look: Disguise,
) -> bytes:
    source, target = _way(packet, to_sender)
    ports = packet.src_port, packet.dst_port
    if to_sender:
        ports = ports[1], ports[0]
    words = _TCP.size // 4 << 4
    blank = _TCP.pack(*ports, seq, ack, words, flags, window, 0, 0)
    head = pseudo_header(source, target, TCP, len(blank) + len(data))
    total = checksum(head + blank + data)
    segment = _TCP.pack(*ports, seq, ack, words, flags, window, total, 0) + data
    return _frame(packet, to_sender, TCP, segment, look)


def _way(packet: Packet, to_sender: bool) -> tuple[bytes, bytes]:
    return (packet.dst, packet.src) if to_sender else (packet.src, packet.dst)


def _frame(
    packet: Packet, to_sender: bool, protocol: int, content: bytes, look: Disguise
) -> bytes:
    ethernet = packet.ethernet
    if to_sender:
        ethernet = ethernet[6:12] + ethernet[:6] + ethernet[12:]
    source, target = _way(packet, to_sender)
    ttl = _FRESH_TTL if look.ttl is None else look.ttl
    if packet.version == 6:
        header = _IPV6.pack(6 << 28, len(content), protocol, ttl, source, target)
        return ethernet + header + content
    size = _IPV4.size + len(content)
    bits = _DONT_FRAGMENT if look.dont_fragment else 0
    fixed = 0x45, 0, size, look.ip_id, bits, ttl, protocol
    total = checksum(_IPV4.pack(*fixed, 0, source, target))
    return ethernet + _IPV4.pack(*fixed, total, source, target) + content
