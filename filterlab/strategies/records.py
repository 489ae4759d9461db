"""TLS record fragmentation: the ClientHello in two records, cut within its name.

The second record's header makes the stream five bytes longer, so everything that the
client sends later is moved by five, and what the server acknowledges is moved back.
Both ends see the stream that they expect; the handshake's own transcript has no
record headers in it (RFC 8446, 4.4.1 and 5.1). A censor that does not join records
sees no name: Niere et al., "Poster: Circumventing the GFW with TLS Record
Fragmentation" (CCS 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

from filterlab.strategies.hello import RECORD_HEADER, server_name
from filterlab.strategies.packet import Packet, read, segments
from filterlab.strategies.running import Outgoing

_ADDED = RECORD_HEADER
_SYN = 0x02
_HALF, _ALL = 1 << 31, (1 << 32) - 1  # sequence numbers wrap (RFC 9293, 3.4)
_SACK = 5  # RFC 2018
_LARGEST_PACKET = 1500  # Ethernet's, and every link's in the lab
_ConnectionKey = tuple[bytes, bytes, int, int]


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where one connection's stream was cut: sequence numbers, and the new headers."""

    length_at: int  # where the first record says how long it is
    length: bytes
    at: int
    header: bytes


class RecordFragmentation:
    """Cuts the record of each connection's ClientHello in two."""

    def __init__(self) -> None:
        self._cuts: dict[_ConnectionKey, _Cut] = {}

    def outbound(self, data: bytes) -> list[Outgoing]:
        """The packet with its part of the longer stream; two if it grew too long."""
        packet = read(data)
        if packet is None or packet.transport != "TCP":
            return [Outgoing(data)]
        head = packet.head
        key = packet.source, packet.target, head["sport"], head["dport"]
        if head["flags"] & _SYN:
            self._cuts.pop(key, None)
        cut = self._cuts.get(key)
        if cut is None:
            cut = _cut_of(packet)
            if cut is None:
                return [Outgoing(data)]
            self._cuts[key] = cut
        _lengthen(packet, cut)
        made = packet.build()
        if len(made) <= _LARGEST_PACKET:
            return [Outgoing(made)]
        return [Outgoing(one.build()) for one in segments(packet, -1, 0)]

    def inbound(self, data: bytes) -> bytes | None:
        """The packet with what it acknowledges moved back."""
        packet = read(data)
        if packet is None or packet.transport != "TCP":
            return data
        head = packet.head
        cut = self._cuts.get(
            (packet.target, packet.source, head["dport"], head["sport"])
        )
        if cut is None:
            return data
        head["ack"] = _moved_back(head["ack"], cut)
        for index, (kind, content) in enumerate(packet.options):
            if kind == _SACK:
                edges = [content[i : i + 4] for i in range(0, len(content), 4)]
                moved = (_moved_back(int.from_bytes(e, "big"), cut) for e in edges)
                content = b"".join(edge.to_bytes(4, "big") for edge in moved)
                packet.options[index] = kind, content
        return packet.build()


def _cut_of(packet: Packet) -> _Cut | None:
    """The cut through the middle of a ClientHello's name."""
    found = server_name(packet.load)
    if found is None:
        return None
    middle = sum(found) // 2
    whole = int.from_bytes(packet.load[3:5], "big")
    first = middle - RECORD_HEADER
    if not first < whole:
        return None
    seq = packet.head["seq"]
    header = packet.load[:3] + (whole - first).to_bytes(2, "big")
    return _Cut(seq + 3 & _ALL, first.to_bytes(2, "big"), seq + middle & _ALL, header)


def _lengthen(packet: Packet, cut: _Cut) -> None:
    """Give a packet its part of the longer stream."""
    start = packet.head["seq"]
    load = bytearray(packet.load)
    for index, byte in enumerate(cut.length):
        at = _after(cut.length_at + index, start)
        if 0 <= at < len(load):
            load[at] = byte
    at = _after(cut.at, start)
    if 0 <= at < len(load):
        load[at:at] = cut.header
    elif at < 0:
        packet.head["seq"] = start + _ADDED & _ALL
    packet.load = bytes(load)


def _moved_back(number: int, cut: _Cut) -> int:
    """What a number of the longer stream is in the client's own."""
    beyond = _after(number, cut.at)
    if beyond <= 0:
        return number
    return cut.at if beyond <= _ADDED else number - _ADDED & _ALL


def _after(number: int, other: int) -> int:
    """How far a sequence number is after another one, which wraps."""
    return ((number - other + _HALF) & _ALL) - _HALF
