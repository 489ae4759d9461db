"""Puts the fragments of an IP datagram together, within bounds.

The last fragment to come makes the whole; where two overlap, the datagram is given
up (RFC 5722 has it so for IPv6, and today's Linux for IPv4). A box in the path lets
fragments by as they come and keeps back the one that would complete a datagram it does
not let through: then the receiver never has it. One that holds them keeps each until
all have come, and lets them go as they are, but for the TTL, which is the first one's
(Xue et al., "TSPU" (IMC 2022), on the fingerprint of Russia's filters). Source: RFC
791, 3.2; RFC 8200, 4.5.
"""

from __future__ import annotations

from struct import Struct
from typing import Literal

from filterlab.inspection.checksum import checksum
from filterlab.inspection.packet import Packet, dissect

KEPT_SECONDS = 30.0  # Linux, ip(7): ipfrag_time
_MOST_DATAGRAMS = 4096  # 256 MB at their largest would be too many; these are few
_LONGEST = 65_535  # RFC 791, 3.1
_MORE, _MORE6 = 0x2000, 1
_FRAGMENT_HEADER = 44  # RFC 8200, 4.5
_TWO = Struct("!H")

_Key = tuple[bytes, bytes, int, int]


class _Datagram:
    """What has come of one datagram."""

    __slots__ = ("begun", "count", "frames", "head", "pieces", "size")

    def __init__(self, now: float) -> None:
        self.begun = now
        self.count = 0
        self.frames: list[Packet] = []  # as they came, where they are held
        self.head: bytes | None = None  # all before the first fragment's content
        self.pieces: dict[int, bytes] = {}
        self.size: int | None = None  # known from the last fragment

    def add(self, offset: int, content: bytes, more: bool) -> bool:
        """Take a fragment; False if it overlaps another, or is too long."""
        end = offset + len(content)
        for at, held in self.pieces.items():
            if offset < at + len(held) and at < end:
                return at == offset and held == content  # the same once more
        if end > _LONGEST or (self.size is not None and (not more or end > self.size)):
            return False
        self.pieces[offset] = content
        if not more:
            self.size = end
        return True

    def whole(self) -> bytes | None:
        """The content, once there is no gap in it."""
        if self.size is None or self.head is None:
            return None
        if sum(map(len, self.pieces.values())) != self.size:
            return None
        return b"".join(self.pieces[at] for at in sorted(self.pieces))


class Fragments:
    """The datagrams of which fragments have come; at most `most` fragments of each.

    `mode` says whether a box reads fragments, lets them pass, drops or holds them.
    """

    def __init__(
        self, most: int, mode: Literal["read", "pass", "drop", "hold"]
    ) -> None:
        self._most = most
        self._mode = mode
        self.holds = mode == "hold"
        self._datagrams: dict[_Key, _Datagram] = {}

    def __len__(self) -> int:
        return len(self._datagrams)

    def put_together(self, packet: Packet, now: float) -> Packet | None:
        """The datagram that a fragment completes, or else itself; None: dropped."""
        if self._mode == "drop":
            return None
        if self._mode == "pass":
            return packet
        made, _ = self._take(packet, now)
        if made is False:
            return None
        return dissect(made) or packet if isinstance(made, bytes) else packet

    def let_go(self, packet: Packet, now: float) -> list[bytes]:
        """The frames that go on with the fragment that completes their datagram."""
        made, held = self._take(packet, now)
        if held is None or not isinstance(made, bytes):
            return []
        first = next(p for p in held.frames if _reaches(p) == 0)
        return [_with_ttl(p, first.ttl) for p in held.frames]

    def _take(
        self, packet: Packet, now: float
    ) -> tuple[bytes | bool | None, _Datagram | None]:
        """The frame that a fragment completes; None if it does not; False: refused."""
        found = _read4(packet) if packet.version == 4 else _read6(packet)
        if found is None:
            return None, None
        identity, protocol, offset, more, head, start = found
        key = packet.src, packet.dst, identity, protocol
        datagram = self._datagrams.get(key)
        if datagram is None or now - datagram.begun > KEPT_SECONDS:
            if len(self._datagrams) >= _MOST_DATAGRAMS:
                self.expire(now)
                if len(self._datagrams) >= _MOST_DATAGRAMS:
                    return None, None
            datagram = self._datagrams[key] = _Datagram(now)
        datagram.count += 1
        content = packet.frame[start : packet.end]
        if datagram.count > self._most or not datagram.add(offset, content, more):
            datagram.head = None  # it can never be whole
            datagram.count = self._most + 1
            datagram.frames.clear()
            return False, None
        if self.holds:
            datagram.frames.append(packet)
        if offset == 0:
            datagram.head = head
        whole = datagram.whole()
        if whole is None or datagram.head is None:
            return None, None
        del self._datagrams[key]
        made = _frame(packet.version, datagram.head, whole, packet.network)
        return made, datagram

    def expire(self, now: float) -> None:
        """Forget the datagrams whose time is over."""
        over = [
            key
            for key, datagram in self._datagrams.items()
            if now - datagram.begun > KEPT_SECONDS
        ]
        for key in over:
            del self._datagrams[key]


_Found = tuple[int, int, int, bool, bytes, int]


def _read4(packet: Packet) -> _Found:
    frame, at = packet.frame, packet.network
    identity, bits = frame[at + 4] << 8 | frame[at + 5], frame[at + 6] << 8
    bits |= frame[at + 7]
    start = at + (frame[at] & 15) * 4
    offset = (bits & 0x1FFF) * 8
    return identity, frame[at + 9], offset, bool(bits & _MORE), frame[:start], start


def _read6(packet: Packet) -> _Found | None:
    """Only where the fragment header follows the fixed one, as senders put it."""
    frame, at = packet.frame, packet.network
    header = at + 40
    if frame[at + 6] != _FRAGMENT_HEADER or header + 8 > packet.end:
        return None
    (bits,) = _TWO.unpack_from(frame, header + 2)
    identity = int.from_bytes(frame[header + 4 : header + 8])
    head = frame[: at + 6] + frame[header : header + 1] + frame[at + 7 : header]
    return identity, 0, bits & 0xFFF8, bool(bits & _MORE6), head, header + 8


def _reaches(packet: Packet) -> int:
    """How far from its datagram's start a fragment is."""
    found = _read4(packet) if packet.version == 4 else _read6(packet)
    return -1 if found is None else found[2]


def _with_ttl(packet: Packet, ttl: int) -> bytes:
    made, at = bytearray(packet.frame), packet.network
    if packet.version == 6:
        made[at + 7] = ttl
        return bytes(made)
    header = (made[at] & 15) * 4
    made[at + 8] = ttl
    _TWO.pack_into(made, at + 10, 0)
    _TWO.pack_into(made, at + 10, checksum(bytes(made[at : at + header])))
    return bytes(made)


def _frame(version: int, head: bytes, content: bytes, network: int) -> bytes | None:
    made = bytearray(head + content)
    if version == 6:
        if len(content) > _LONGEST:
            return None
        _TWO.pack_into(made, network + 4, len(content))
        return bytes(made)
    length = len(made) - network
    if length > _LONGEST:
        return None
    _TWO.pack_into(made, network + 2, length)
    _TWO.pack_into(made, network + 6, 0)
    _TWO.pack_into(made, network + 10, 0)
    _TWO.pack_into(made, network + 10, checksum(bytes(made[network : len(head)])))
    return bytes(made)
