"""Puts one direction of a TCP connection in order, within bounds.

`Reassembly` gives the bytes of a stream in order whatever order the segments came in.
Where segments overlap, a box must choose which bytes stay (Linux and the BSDs differ;
RFC 9293, 3.10.7.4 leaves it open); bytes that were read stay in any case. `InOrder`
takes a segment only if it is the next one, and forgets the others. Sequence numbers
wrap around (RFC 9293, 3.4).
"""

from __future__ import annotations

_HALF = 0x80000000
_MASK = 0xFFFFFFFF


def distance(start: int, end: int) -> int:
    """How far `end` lies after `start`; negative if before (modulo 2**32)."""
    return ((end - start + _HALF) & _MASK) - _HALF


class InOrder:
    """Segments in order; one that is not the next is passed over."""

    __slots__ = ("next_seq",)

    def __init__(self) -> None:
        self.next_seq: int | None = None

    def begin(self, next_seq: int) -> None:
        """A SYN was seen: the first byte of data has this number."""
        self.next_seq = next_seq

    def restart(self, next_seq: int) -> None:
        """Go on from here, whatever was expected."""
        self.next_seq = next_seq

    def push(self, seq: int, data: bytes) -> bytes:
        """The data, if it is the next in order; nothing otherwise."""
        if self.next_seq is not None and seq != self.next_seq:
            return b""
        self.next_seq = (seq + len(data)) & _MASK
        return data


class Reassembly:
    """The bytes of one direction, in order; holds at most `most_bytes` ahead.

    With `last_wins`, bytes that came early give way to others in their place.
    """

    __slots__ = ("_early", "_last_wins", "_most_bytes", "next_seq")

    def __init__(self, most_bytes: int, last_wins: bool = False) -> None:
        self.next_seq: int | None = None
        self._most_bytes = most_bytes
        self._last_wins = last_wins
        # Ahead of the gap: offset from the first byte missing -> bytes, no overlaps.
        self._early: dict[int, bytes] | None = None

    def begin(self, next_seq: int) -> None:
        """A SYN was seen: the first byte of data has this number."""
        if self.next_seq is None:
            self.next_seq = next_seq

    def restart(self, next_seq: int) -> None:
        """Go on from here, whatever was expected or held."""
        self.next_seq = next_seq
        self._early = None

    def push(self, seq: int, data: bytes) -> bytes:
        """The bytes that became readable by this segment, possibly none."""
        if self.next_seq is None:
            self.next_seq = seq
        offset = distance(self.next_seq, seq)
        if offset == 0 and not self._early:
            self.next_seq = (seq + len(data)) & _MASK
            return data
        if offset < 0:
            data = data[-offset:]
            offset = 0
        if not data or offset + len(data) > self._most_bytes:
            return b""
        self._keep(offset, data)
        return self._read()

    def _keep(self, offset: int, data: bytes) -> None:
        early = {} if self._early is None else self._early
        if self._last_wins:
            early = _without(early, offset, offset + len(data))
        for start in sorted(early):
            held_end = start + len(early[start])
            end = offset + len(data)
            if start >= end:
                break
            if held_end <= offset:
                continue
            if start > offset:
                early[offset] = data[: start - offset]
            data = data[max(0, held_end - offset) :]
            offset = max(offset, held_end)
        if data:
            early[offset] = data
        self._early = early

    def _read(self) -> bytes:
        early, pieces, at = self._early, [], 0
        assert early is not None and self.next_seq is not None
        while (piece := early.pop(at, None)) is not None:
            pieces.append(piece)
            at += len(piece)
        if at:
            self.next_seq = (self.next_seq + at) & _MASK
            self._early = {start - at: data for start, data in early.items()} or None
        return b"".join(pieces)


def _without(held: dict[int, bytes], start: int, end: int) -> dict[int, bytes]:
    """What is held outside of a stretch."""
    kept: dict[int, bytes] = {}
    for at, data in held.items():
        if at < start:
            kept[at] = data[: start - at]
        if at + len(data) > end:
            kept[max(at, end)] = data[max(0, end - at) :]
    return kept
