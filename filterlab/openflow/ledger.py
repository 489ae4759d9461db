"""Counts every connection that passes an exchange, for the operator's records.

A packet is counted exactly once: by its frame, while its flow is undecided and comes
to the controller; by the counters of the flow's entries, once the switch forwards it
alone. The switch tells them when it takes an entry out, so a decided flow costs
nothing. Bytes are those of IP packets, without the Ethernet header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        self.ways: set[bool] = set()  # those that the switch counts: is it up?
        self.finding: dict[str, str] = {}


class Ledger:
    """The connections of one exchange, from their first packet to a long silence."""

    def __init__(self, idle_seconds: float, tell: Callable[[Passed], None]) -> None:
        """`tell` gets each connection that is over, `idle_seconds` after its end."""
        self._idle_seconds = idle_seconds
        self._tell = tell
        self._open: dict[_Ends, _Open] = {}

    def frame(self, frame: bytes, side: Side, now: float) -> None:
        """Count a frame that came to the controller."""
        packet = dissect(frame)
        if packet is None:
            return
        near = (packet.src, packet.src_port)
        far = (packet.dst, packet.dst_port)
        if side is Side.OUTSIDE:
            near, far = far, near
        found = self._find((packet.protocol, *near, *far), now)
        found.last = max(found.last, now)
        found.sums[side is Side.OUTSIDE] += len(frame) - ETHERNET_BYTES

    def found(self, record: Record, now: float) -> None:
        """Keep what the recognisers found of a connection."""
        flow = record.flow
        ends = _ends(flow, record.client_side is Side.INSIDE)
        self._find(ends, now).finding.update(record.finding)

    def settled(self, match: Mapping[str, Value], now: float) -> None:
        """The switch counts what meets an entry of this match, until it is gone."""
        ends, up = self._of(match)
        if ends is not None:
            self._find(ends, now).ways.add(up)

    def removed(
        self, match: Mapping[str, Value], bytes_: int, packets: int, now: float
    ) -> None:
        """An entry is gone, after so many packets with so many bytes on the wire."""
        ends, up = self._of(match)
        found = self._open.get(ends) if ends is not None else None
        if found is None:
            return
        found.ways.discard(up)
        found.sums[not up] += bytes_ - ETHERNET_BYTES * packets
        if packets:
            found.last = max(found.last, now)

    def expire(self, now: float) -> None:
        """Tell the connections that nothing was heard of for long enough."""
        over = [
            found
            for found in self._open.values()
            if not found.ways and now - found.last >= self._idle_seconds
        ]
        for found in over:
            self._close(found)

    def close(self) -> None:
        """Tell all that are left, whether or not they could go on."""
        for found in list(self._open.values()):
            self._close(found)

    def _find(self, ends: _Ends, now: float) -> _Open:
        found = self._open.get(ends)
        if found is None:
            found = self._open[ends] = _Open(ends, now)
        return found

    def _of(self, match: Mapping[str, Value]) -> tuple[_Ends | None, bool]:
        """The connection that an entry's match is about, and whether it is its way up.

        Narrower entries only: one for a whole address is no connection.
        """
        version = "ipv4" if "ipv4_src" in match else "ipv6"
        size = 4 if version == "ipv4" else 16
        try:
            src = (_bytes(match[f"{version}_src"], size), _port(match, "src"))
            dst = (_bytes(match[f"{version}_dst"], size), _port(match, "dst"))
            protocol = match["ip_proto"]
        except KeyError:
            return None, True
        assert isinstance(protocol, int)
        up = (protocol, *src, *dst)
        down = (protocol, *dst, *src)
        return (down, False) if down in self._open else (up, True)

    def _close(self, found: _Open) -> None:
        del self._open[found.ends]
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
