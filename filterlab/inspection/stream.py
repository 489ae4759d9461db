"""Puts one direction of a TCP connection in order, within bounds.

`Reassembly` gives the bytes of a stream in order whatever order the segments came in.
Where segments overlap, a box must choose which bytes stay (Linux and the BSDs differ;
RFC 9293, 3.10.7.4 leaves it open); bytes that were read stay in any case. `InOrder`
takes a segment only if it is the next one, and forgets the others. Sequence numbers
wrap around (RFC 9293, 3.4).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

_HALF = 0x80000000
_MASK = 0xFFFFFFFF


def distance(start: int, end: int) -> int:
    """How far `end` lies after `start`; negative if before (modulo 2**32)."""
    return ((end - start + _HALF) & _MASK) - _HALF


class InOrder:
    """Segments in order; one that is not the next is passed over."""

    __slots__ = ("next_seq",)

    holds = False  # nothing that came early

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

    __slots__ = ("_at", "_early", "_last_wins", "_most_bytes", "_starts", "next_seq")

    def __init__(self, most_bytes: int, last_wins: bool = False) -> None:
        self.next_seq: int | None = None
        self._most_bytes = most_bytes
        self._last_wins = last_wins
        # Ahead of the gap, by place in the stream, without overlaps. The places are
        # kept in order: finding one's own must not cost a look at all of them.
        self._at = 0  # the place of the first byte missing
        self._early: dict[int, bytes] | None = None
        self._starts: list[int] | None = None

    @property
    def holds(self) -> bool:
        """Whether something has come early."""
        return bool(self._early)

    def begin(self, next_seq: int) -> None:
        """A SYN was seen: the first byte of data has this number."""
        if self.next_seq is None:
            self.next_seq = next_seq

    def restart(self, next_seq: int) -> None:
        """Go on from here, whatever was expected or held."""
        self.next_seq = next_seq
        self._early = self._starts = None

    def push(self, seq: int, data: bytes) -> bytes:
        """The bytes that became readable by this segment, possibly none."""
        if seq == self.next_seq and not self._early:
            self.next_seq = (seq + len(data)) & _MASK
            return data
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
        if self._early is None or self._starts is None:
            self._early, self._starts = {}, []
        if self._last_wins:
            self._replace(self._at + offset, data, self._early, self._starts)
        else:
            self._fill(self._at + offset, data, self._early, self._starts)
        return self._read(self._early, self._starts)

    def _fill(
        self, at: int, data: bytes, early: dict[int, bytes], starts: list[int]
    ) -> None:
        """Put data where nothing is held yet."""
        index = bisect_right(starts, at)
        if index:
            held_end = starts[index - 1] + len(early[starts[index - 1]])
            data, at = data[max(0, held_end - at) :], max(at, held_end)
        while data:
            following = starts[index] if index < len(starts) else at + len(data)
            if piece := data[: following - at]:
                early[at] = piece
                starts.insert(index, at)
                index += 1
            if len(piece) == len(data):
                return
            held_end = following + len(early[following])
            data, at = data[held_end - at :], held_end
            index += 1

    def _replace(
        self, at: int, data: bytes, early: dict[int, bytes], starts: list[int]
    ) -> None:
        """Put data in the place of whatever is held there."""
        end = at + len(data)
        first, last = bisect_right(starts, at), bisect_left(starts, end)
        if first and starts[first - 1] + len(early[starts[first - 1]]) > at:
            first -= 1
        kept = {at: data}
        for start in starts[first:last]:
            held = early.pop(start)
            if start < at:
                kept[start] = held[: at - start]
            if start + len(held) > end:
                kept[end] = held[end - start :]
        early |= kept
        starts[first:last] = sorted(kept)

    def _read(self, early: dict[int, bytes], starts: list[int]) -> bytes:
        pieces: list[bytes] = []
        begun = self._at
        while (piece := early.pop(self._at, None)) is not None:
            pieces.append(piece)
            self._at += len(piece)
        if pieces:
            assert self.next_seq is not None
            self.next_seq = (self.next_seq + self._at - begun) & _MASK
            del starts[: len(pieces)]
            if not early:
                self._early = self._starts = None
        return b"".join(pieces)
