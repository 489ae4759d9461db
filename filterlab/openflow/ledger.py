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
from filterlab.policy.effects import Record, Side
from filterlab.records.keeping import Passed

ETHERNET_BYTES = 14  # IEEE 802.3, 3.2: two addresses and a type

_Ends = tuple[int, bytes, int, bytes, int]


class _Open:
    """A connection that may go on."""

    __slots__ = ("ends", "finding", "last", "start", "sums", "ways")

    def __init__(self, ends: _Ends, now: float) -> None:
        self.ends = ends
        self.start = self.last = now
        self.sums = [0, 0]  # bytes up, bytes down
        # The ways that the switch counts (is it up?), with the packets it last told.
        self.ways: dict[bool, int] = {}
        self.finding: dict[str, str] = {}


class Ledger:
    """The connections of one exchange, from their first packet to a long silence."""

    def __init__(
        self, tell: Callable[[Passed], None], unseen: Collection[bytes] = ()
    ) -> None:
        """`tell` gets each connection that is over, if neither end is `unseen`."""
        self._tell = tell
        self._unseen = frozenset(unseen)
        self._open: dict[_Ends, _Open] = {}
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
        up = side is Side.INSIDE
        src, dst = (packet.src, packet.src_port), (packet.dst, packet.dst_port)
        near, far = (src, dst) if up else (dst, src)
        ends = (packet.protocol, *near, *far)
        found = self._open.get(ends)
        if found is None:
            found = self._open[ends] = _Open(ends, now)
        if up in found.ways:
            return
        found.last = max(found.last, now)
        found.sums[not up] += len(frame) - ETHERNET_BYTES
        self._awaited += 2 - len(found.ways)
        found.ways = {True: 0, False: 0} | found.ways

    def found(self, record: Record) -> None:
        """Keep what the recognisers found of a connection."""
        ends = _ends(record.flow, record.client_side is Side.INSIDE)
        if (found := self._open.get(ends)) is not None:
            found.finding.update(record.finding)

    def counted(self, match: Mapping[str, Value], packets: int, now: float) -> None:
        """So many packets have met an entry by now."""
        found, up = self._of(match)
        if found is not None and packets > found.ways.get(up, packets):
            found.ways[up] = packets
            found.last = max(found.last, now)

    def removed(
        self, match: Mapping[str, Value], bytes_: int, packets: int, now: float
    ) -> None:
        """An entry is gone, after so many packets with so many bytes on the wire.

        `now` is when the last of them can have come, unless it was known before.
        """
        self.counted(match, packets, now)
        found, up = self._of(match)
        if found is None or found.ways.pop(up, None) is None:
            return
        self._awaited -= 1
        found.sums[not up] += bytes_ - ETHERNET_BYTES * packets
        if not found.ways:
            self._close(found)

    def close(self) -> None:
        """Tell all that are left, whether or not they could go on."""
        for found in list(self._open.values()):
            self._close(found)

    def _of(self, match: Mapping[str, Value]) -> tuple[_Open | None, bool]:
        """The connection that an entry counts, and whether it is its way up."""
        version, size = ("ipv4", 4) if "ipv4_src" in match else ("ipv6", 16)
        src = (_bytes(match[f"{version}_src"], size), _port(match, "src"))
        dst = (_bytes(match[f"{version}_dst"], size), _port(match, "dst"))
        protocol = match["ip_proto"]
        assert isinstance(protocol, int)
        down = self._open.get((protocol, *dst, *src))
        if down is not None:
            return down, False
        return self._open.get((protocol, *src, *dst)), True

    def _close(self, found: _Open) -> None:
        del self._open[found.ends]
        self._awaited -= len(found.ways)
        protocol, inside, inside_port, outside, outside_port = found.ends
        self._tell(
            Passed(
                PROTOCOL_NAMES.get(protocol, str(protocol)),
                str(ip_address(inside)),
                inside_port,
                str(ip_address(outside)),
                outside_port,
                found.start,
                found.last,
                found.sums[0],
                found.sums[1],
                found.finding,
            )
        )


def _ends(flow: FlowKey, client_inside: bool) -> _Ends:
    client = (flow.client, flow.client_port)
    server = (flow.server, flow.server_port)
    if client_inside:
        return (flow.protocol, *client, *server)
    return (flow.protocol, *server, *client)


def _bytes(value: Value, size: int) -> bytes:
    assert isinstance(value, int)
    return value.to_bytes(size)


def _port(match: Mapping[str, Value], way: str) -> int:
    value = match.get(f"tcp_{way}", match.get(f"udp_{way}", 0))
    assert isinstance(value, int)
    return value
