"""Counts every connection that passes an exchange, for the operator's records.

A packet is counted exactly once: the first of a connection by its frame, which comes
to the controller; all others by the entries that the switch has learnt from it
(`filterlab.openflow.counting`). The switch tells their counters when it takes them out,
so a connection costs no more than its first packet. Bytes are those of IP packets,
without the Ethernet header.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from ipaddress import ip_address

from filterlab.inspection.flow import PROTOCOL_NAMES, FlowKey
from filterlab.inspection.packet import dissect
from filterlab.openflow.tables import Value
from filterlab.policy.effects import Led, Record, Side
from filterlab.records.keeping import Passed

ETHERNET_BYTES = 14  # IEEE 802.3, 3.2: two addresses and a type

_End = tuple[bytes, int]  # address and port
# A connection one way round: protocol, who speaks, and to whom.
_Way = tuple[int, bytes, int, bytes, int]


class _Open:
    """A connection that may go on."""

    __slots__ = (
        "counted",
        "finding",
        "inside",
        "last",
        "led_to",
        "outside",
        "protocol",
        "start",
        "sums",
        "ways",
    )

    def __init__(self, protocol: int, inside: _End, outside: _End, now: float) -> None:
        self.protocol = protocol
        self.inside = inside
        self.outside = outside
        self.led_to: _End | None = None  # who answers in the place of a server
        self.start = self.last = now
        self.sums = [0, 0]  # bytes up, bytes down
        self.ways = [_way(protocol, inside, outside), _way(protocol, outside, inside)]
        # The ways that the switch counts, with the packets it last told.
        self.counted: dict[_Way, int] = {}
        self.finding: dict[str, str] = {}

    def is_up(self, way: _Way) -> bool:
        """Whether the inside speaks that way, or who answers in its place."""
        return way[1:3] == self.inside or way[3:5] == self.outside


class Ledger:
    """The connections of one exchange, from their first packet to a long silence."""

    def __init__(
        self, tell: Callable[[Passed], None], unseen: Collection[bytes] = ()
    ) -> None:
        """`tell` gets each connection that is over, if neither end is `unseen`."""
        self._tell = tell
        self._unseen = frozenset(unseen)
        self._open: dict[_Way, _Open] = {}
        self._awaited = 0

    @property
    def awaits(self) -> int:
        """How many entries the switch still counts by."""
        return self._awaited

    def first(self, frame: bytes, side: Side, now: float) -> None:
        """Count a frame that no entry has counted; both ways are counted from now on.

        One that comes although its way is counted met a flow of the datapath that is
        older than the entry: the switch will have counted it.
        """
        packet = dissect(frame)
        if packet is None or not self._unseen.isdisjoint((packet.src, packet.dst)):
            return
        src, dst = (packet.src, packet.src_port), (packet.dst, packet.dst_port)
        way, back = _way(packet.protocol, src, dst), _way(packet.protocol, dst, src)
        found = self._open.get(way)
        if found is None:
            near, far = (src, dst) if side is Side.INSIDE else (dst, src)
            found = _Open(packet.protocol, near, far, now)
            self._open |= dict.fromkeys(found.ways, found)
        if way in found.counted:
            return
        found.last = max(found.last, now)
        found.sums[not found.is_up(way)] += len(frame) - ETHERNET_BYTES
        before = len(found.counted)
        found.counted = {way: 0, back: 0} | found.counted
        self._awaited += len(found.counted) - before

    def found(self, record: Record) -> None:
        """Keep what the recognisers found of a connection."""
        found = self._open.get(_way_of(record.flow))
        if found is not None:
            found.finding.update(record.finding)

    def led(self, led: Led) -> None:
        """Count what another server answers as this connection's.

        The exchange sees the client speak to the one server, and the other to the
        client: two halves, of which each has entries of its own in the switch.
        """
        found = self._open.get(_way_of(led.flow))
        if found is None:
            return
        client = (led.flow.client, led.flow.client_port)
        other = (led.server, led.server_port)
        way = _way(led.flow.protocol, client, other)
        half = self._open.get(way)
        if half is found:
            return
        found.led_to = other
        ways = [way, _way(led.flow.protocol, other, client)]
        if half is not None:  # it has spoken before the client did
            ways = half.ways
            same = half.is_up(way) == found.is_up(way)
            more = half.sums if same else reversed(half.sums)
            found.sums = [a + b for a, b in zip(found.sums, more, strict=True)]
            found.counted |= half.counted
            found.start = min(found.start, half.start)
            found.last = max(found.last, half.last)
        found.ways += ways
        self._open |= dict.fromkeys(ways, found)

    def counted(self, match: Mapping[str, Value], packets: int, since: float) -> None:
        """So many packets have met an entry, those that are new not before `since`."""
        way = _matched(match)
        found = self._open.get(way)
        if found is not None and packets > found.counted.get(way, packets):
            found.counted[way] = packets
            found.last = max(found.last, since)

    def removed(
        self, match: Mapping[str, Value], bytes_: int, packets: int, now: float
    ) -> None:
        """An entry is gone, after so many packets with so many bytes on the wire.

        `now` is when the last of them came, unless it was known before.
        """
        self.counted(match, packets, now)
        way = _matched(match)
        found = self._open.get(way)
        if found is None or found.counted.pop(way, None) is None:
            return
        self._awaited -= 1
        found.sums[not found.is_up(way)] += bytes_ - ETHERNET_BYTES * packets
        if not found.counted:
            self._close(found)

    def close(self) -> None:
        """Tell all that are left, whether or not they could go on."""
        for found in list(dict.fromkeys(self._open.values())):
            self._close(found)

    def _close(self, found: _Open) -> None:
        for way in found.ways:
            self._open.pop(way, None)  # both are one where an end speaks to itself
        self._awaited -= len(found.counted)
        (inside, inside_port), (outside, outside_port) = found.inside, found.outside
        address, port = found.led_to or (None, 0)
        self._tell(
            Passed(
                PROTOCOL_NAMES.get(found.protocol, str(found.protocol)),
                str(ip_address(inside)),
                inside_port,
                str(ip_address(outside)),
                outside_port,
                found.start,
                found.last,
                found.sums[0],
                found.sums[1],
                found.finding,
                None if address is None else str(ip_address(address)),
                port,
            )
        )


def _way(protocol: int, src: _End, dst: _End) -> _Way:
    return (protocol, *src, *dst)


def _way_of(flow: FlowKey) -> _Way:
    client, server = (flow.client, flow.client_port), (flow.server, flow.server_port)
    return _way(flow.protocol, client, server)


def _matched(match: Mapping[str, Value]) -> _Way:
    """The way that an entry counts."""
    version, size = ("ipv4", 4) if "ipv4_src" in match else ("ipv6", 16)
    src = (_bytes(match[f"{version}_src"], size), _port(match, "src"))
    dst = (_bytes(match[f"{version}_dst"], size), _port(match, "dst"))
    protocol = match["ip_proto"]
    assert isinstance(protocol, int)
    return _way(protocol, src, dst)


def _bytes(value: Value, size: int) -> bytes:
    assert isinstance(value, int)
    return value.to_bytes(size)


def _port(match: Mapping[str, Value], way: str) -> int:
    value = match.get(f"tcp_{way}", match.get(f"udp_{way}", 0))
    assert isinstance(value, int)
    return value
