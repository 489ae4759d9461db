"""Reads the headers of many frames at once: which flow each belongs to.

What is read here is what `filterlab.inspection.packet.dissect` would read, as columns
(RFC 791, 3.1; RFC 8200, 3; RFC 9293, 3.1; RFC 768; IEEE 802.1Q). Frames of any other
form (fragments, IPv6 extension headers, broken ones) are left to it: they are not
`plain`. Link types: tcpdump.org/linktypes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filterlab.captures.frames import ETHERNET, LINUX_SLL, LINUX_SLL2, RAW
from filterlab.captures.index import Index
from filterlab.inspection.flow import ICMP, ICMPV6, TCP, UDP, Ends
from filterlab.inspection.packet import FIN, RST, SYN

Numbers = NDArray[np.int64]
Truths = NDArray[np.bool_]
Octets = NDArray[np.uint8]

RAW_IPV4, RAW_IPV6 = 228, 229
OLD_RAW = (12, 14)  # LINKTYPE_RAW as BSDs and OpenBSD wrote it
# Where the network header begins, and where the EtherType stands; None: nowhere.
LINKS: dict[int, tuple[int, int | None]] = {
    ETHERNET: (14, 12),
    LINUX_SLL: (16, 14),
    LINUX_SLL2: (20, 0),
    **dict.fromkeys((RAW, RAW_IPV4, RAW_IPV6, *OLD_RAW), (0, None)),
}
_IPV4, _IPV6 = 0x0800, 0x86DD
_VLAN_TAGS = (0x8100, 0x88A8, 0x9100)
_WINDOW = 64  # an IPv6 header and a TCP header without options are 60 bytes
_NO_MAC = bytes(12)
# Next headers that `dissect` looks behind, or that have a meaning of their own.
_BEHIND = (0, 43, 44, 51, 60, 135, 139, 140)
# Odd numbers that spread bits well (the golden ratio and others of splitmix64).
_MIX = tuple(
    np.uint64(number)
    for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


@dataclass(frozen=True, slots=True)
class Headers:
    """Some frames of a capture, by columns; rows count from 0.

    Frames of one flow, whichever way they go, have one number; -1 is of those not
    plain. `ends` has each flow's ends as its first frame here has them, sender first.
    """

    flow: Numbers
    protocol: Numbers
    flags: Numbers  # of TCP
    places: Numbers  # of each frame a row, as `packet_of` takes it
    six: Truths
    addresses: NDArray[np.uint64]  # four words of each frame
    onward: Truths  # it goes the way of its flow's first frame here
    ends: list[Ends]
    first: Numbers  # of each flow: the row of its first frame
    last: Numbers  # of each flow: the row of its last frame
    turning: Truths  # TCP segments that open or end a connection
    before: Numbers  # the row of the flow's previous frame, or -1


def ethernet_frame(index: Index, number: int) -> bytes:
    """One frame as the engine takes it, on an Ethernet of its own if need be."""
    frame = index.frame(number)
    link = int(index.link_type[number])
    if link == ETHERNET:
        return frame
    if link not in LINKS:
        return b""
    skipped, kind_at = LINKS[link]
    if kind_at is not None:
        return _NO_MAC + frame[kind_at : kind_at + 2] + frame[skipped:]
    kind = _IPV6 if frame[:1] and frame[0] >> 4 == 6 else _IPV4
    return _NO_MAC + kind.to_bytes(2, "big") + frame


def read_headers(index: Index, low: int, high: int) -> Headers:
    """The headers of frames `low` up to `high` (not included), counted from 0."""
    where = np.arange(low, high)
    network, kind = _network(index, where)
    columns = _Columns(index, where, network, kind)
    flow, first, onward = _flows(columns)
    before = np.full(len(where), -1, np.int64)
    order = np.argsort(flow, kind="stable")
    ordered = flow[order]
    same = (ordered[1:] == ordered[:-1]) & (ordered[1:] >= 0)
    before[order[1:][same]] = order[:-1][same]
    last = np.zeros(len(first), np.int64)
    last[flow[flow >= 0]] = np.flatnonzero(flow >= 0)  # the last one written stays
    return Headers(
        flow,
        columns.protocol.astype(np.int64),
        columns.flags,
        columns.places,
        columns.six,
        columns.words[[0, 1, 3, 4]],
        onward,
        columns.ends_of(first),
        first,
        last,
        columns.turning,
        before,
    )


def _network(index: Index, where: Numbers) -> tuple[Numbers, Numbers]:
    """Where each network header begins, and its EtherType (0: not to be read)."""
    data, start = index.data, index.start[where]
    end = start + index.length[where]
    links = index.link_type[where]
    network = np.zeros(len(where), np.int64)
    kind = np.zeros(len(where), np.int64)
    for link in np.unique(links):
        if int(link) not in LINKS:
            continue
        of_link = links == link
        skipped, kind_at = LINKS[int(link)]
        network[of_link] = start[of_link] + skipped
        if kind_at is not None:
            kind[of_link] = _sixteen(data, start[of_link] + kind_at)
        else:
            version = _octet(data, start[of_link]) >> 4
            kind[of_link] = np.where(version == 6, _IPV6, _IPV4)
    for _ in range(2):  # a third tag is left to `dissect`
        tagged = np.isin(kind, _VLAN_TAGS)
        if not tagged.any():
            break
        kind[tagged] = _sixteen(data, network[tagged] + 2)
        network[tagged] += 4
    kind[network + 20 > end] = 0
    return network, kind


def _octet(data: Octets, at: Numbers) -> Numbers:
    return data[np.minimum(at, len(data) - 1)].astype(np.int64)


def _sixteen(data: Octets, at: Numbers) -> Numbers:
    return _octet(data, at) << 8 | _octet(data, at + 1)


class _Columns:
    """The fields of both IP versions that make up a flow's key."""

    def __init__(
        self, index: Index, where: Numbers, network: Numbers, kind: Numbers
    ) -> None:
        count = len(where)
        self.plain = np.zeros(count, np.bool_)
        self.turning = np.zeros(count, np.bool_)
        self.flags = np.zeros(count, np.int64)
        self.places = np.zeros((count, 8), np.int64)
        self.protocol = np.zeros(count, np.uint64)
        # Source and destination: two words of address each, and the port.
        self.words = np.zeros((6, count), np.uint64)
        self.six = kind == _IPV6
        self._data = index.data
        self._starts = index.start[where]
        end = index.start[where] + index.length[where]
        room = network <= len(index.data) - _WINDOW
        for version, value in ((4, _IPV4), (6, _IPV6)):
            rows = np.flatnonzero((kind == value) & room)
            if len(rows):
                self._read(version, rows, network[rows], end[rows])

    def _read(self, version: int, rows: Numbers, at: Numbers, end: Numbers) -> None:
        windows = np.lib.stride_tricks.sliding_window_view(self._data, _WINDOW)
        head = windows[at]
        if version == 4:
            header = (head[:, 0] & 15).astype(np.int64) * 4
            total = head[:, 2:4].copy().view(">u2")[:, 0].astype(np.int64)
            fragment = head[:, 6:8].copy().view(">u2")[:, 0] & 0x3FFF
            protocol = head[:, 9]
            sound = (head[:, 0] >> 4 == 4) & (header >= 20) & (total >= header)
            sound &= (fragment == 0) & (at + header <= end)
            addresses = head[:, 12:20].copy().view(">u4").astype(np.uint64)
            self.words[1, rows], self.words[4, rows] = addresses.T
        else:
            header = np.full(len(rows), 40, np.int64)
            total = head[:, 4:6].copy().view(">u2")[:, 0].astype(np.int64) + 40
            protocol = head[:, 6]
            sound = (head[:, 0] >> 4 == 6) & ~np.isin(protocol, _BEHIND)
            sound &= at + 40 <= end
            halves = head[:, 8:40].copy().view(">u8").astype(np.uint64)
            self.words[0, rows], self.words[1, rows] = halves[:, 0], halves[:, 1]
            self.words[3, rows], self.words[4, rows] = halves[:, 2], halves[:, 3]
        cut = at + total > end
        end = np.minimum(end, at + total)
        sound &= protocol != ICMPV6  # neighbour discovery has no flow
        sound &= (protocol != ICMP) | (at + header < end)
        self.protocol[rows] = protocol
        base = self._starts[rows]
        self.places[rows, 0] = at - base
        self.places[rows, 1] = self.places[rows, 2] = at + header - base
        self.places[rows, 3] = end - base
        self.places[rows, 6] = version
        self.places[rows, 7] = cut
        self._transport(rows, at + header, end, cut, protocol, sound)
        self.plain[rows] = sound

    def _transport(
        self,
        rows: Numbers,
        at: Numbers,
        end: Numbers,
        cut: Truths,
        protocol: NDArray[np.uint8],
        sound: Truths,
    ) -> None:
        """Fill in ports and what turns; `sound` loses what `dissect` calls broken."""
        is_tcp, is_udp = protocol == TCP, protocol == UDP
        sound &= ~is_tcp | (at + 20 <= end)
        sound &= ~is_udp | (at + 8 <= end)
        readable = sound & (is_tcp | is_udp) & (at <= len(self._data) - 20)
        sound &= readable | ~(is_tcp | is_udp)
        which = np.flatnonzero(readable)
        if not len(which):
            return
        windows = np.lib.stride_tricks.sliding_window_view(self._data, 20)
        head = windows[at[which]]
        ports = head[:, :4].copy().view(">u2").astype(np.uint64)
        self.words[2, rows[which]], self.words[5, rows[which]] = ports.T
        tcp = is_tcp[which]
        offset = (head[:, 12] >> 4).astype(np.int64) * 4
        length = head[:, 4:6].copy().view(">u2")[:, 0].astype(np.int64)
        at, end = at[which], end[which]
        good_tcp = (offset >= 20) & (at + offset <= end)
        good_udp = (length >= 8) & ((at + length <= end) | cut[which])
        sound[which] &= np.where(tcp, good_tcp, good_udp)
        self._fill(rows[which], head, at, np.where(tcp, offset, 8), tcp)
        ends = np.minimum(end, at + length) - self._starts[rows[which]]
        self.places[rows[which], 3] = np.where(
            tcp, end - self._starts[rows[which]], ends
        )
        turns = (head[:, 13] & (SYN | FIN | RST)).astype(np.bool_)
        self.turning[rows[which]] = tcp & turns

    def _fill(
        self, rows: Numbers, head: Octets, at: Numbers, header: Numbers, tcp: Truths
    ) -> None:
        """Note where payloads begin, and what only TCP has."""
        self.places[rows, 2] = at + header - self._starts[rows]
        numbers = head[:, 4:12].copy().view(">u4").astype(np.int64)
        self.places[rows, 4:6] = np.where(tcp[:, None], numbers, 0)
        self.flags[rows] = np.where(tcp, head[:, 13], 0)

    def ends_of(self, first: Numbers) -> list[Ends]:
        """The ends of these frames, sender first."""
        words = self.words[:, first].tolist()
        found: list[Ends] = []
        for protocol, six, a1, a0, sport, b1, b0, dport in zip(
            self.protocol[first].tolist(), self.six[first].tolist(), *words, strict=True
        ):
            if six:
                src = (a1 << 64 | a0).to_bytes(16, "big")
                dst = (b1 << 64 | b0).to_bytes(16, "big")
            else:
                src, dst = a0.to_bytes(4, "big"), b0.to_bytes(4, "big")
            found.append((protocol, src, sport, dst, dport))
        return found


def _flows(columns: _Columns) -> tuple[Numbers, Numbers, Truths]:
    """Number the flows: of each frame its flow, of each flow its first frame.

    And whether a frame goes the same way as that one.
    """
    count = len(columns.plain)
    flow = np.full(count, -1, np.int64)
    onward = np.ones(count, np.bool_)
    rows = np.flatnonzero(columns.plain)
    if not len(rows):
        return flow, rows, onward
    words = columns.words[:, rows]
    swapped = _greater(words)
    words = np.where(swapped, words[[3, 4, 5, 0, 1, 2]], words)
    ports = words[2] << np.uint64(16) | words[5]
    family = columns.protocol[rows] << np.uint64(1) | columns.six[rows]
    low = ports | family << np.uint64(32)
    keys = np.stack([low, words[1], words[4], words[0], words[3]])
    hashed = _hash(keys)
    _, first, number = np.unique(hashed, return_index=True, return_inverse=True)
    # Two keys of one hash: the later one is left to `dissect`.
    same = (keys == keys[:, first[number]]).all(axis=0)
    flow[rows] = np.where(same, number, -1)
    columns.plain[rows] = same
    onward[rows] = swapped == swapped[first[number]]
    return flow, rows[first], onward


def _greater(words: NDArray[np.uint64]) -> Truths:
    """Whether the source's address and port are greater than the destination's."""
    greater: Truths = words[2] > words[5]
    for mine, other in ((words[1], words[4]), (words[0], words[3])):
        greater = (mine > other) | ((mine == other) & greater)
    return greater


def _hash(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    result: NDArray[np.uint64] = keys[0] * _MIX[0]
    for word in keys[1:]:
        result ^= result >> np.uint64(29)
        result = (result + word) * _MIX[1]
    result ^= result >> np.uint64(32)
    result *= _MIX[2]
    return result
