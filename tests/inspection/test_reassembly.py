"""A stream read from segments in any order is what a plain list of bytes says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterlab.inspection.stream import Reassembly

SEGMENTS = st.lists(
    st.tuples(st.integers(-10, 60), st.binary(min_size=1, max_size=20)), max_size=40
)


class Plain:
    """The same, byte by byte: obvious, and slow."""

    def __init__(self, most: int, last_wins: bool) -> None:
        self.at, self.most, self.last_wins = 0, most, last_wins
        self.held: dict[int, int] = {}

    def push(self, start: int, data: bytes) -> bytes:
        data, start = data[max(0, self.at - start) :], max(self.at, start)
        if start + len(data) - self.at > self.most and (start > self.at or self.held):
            return b""
        for place, byte in enumerate(data, start):
            if self.last_wins or place not in self.held:
                self.held[place] = byte
        read = bytearray()
        while self.at in self.held:
            read.append(self.held.pop(self.at))
            self.at += 1
        return bytes(read)


@settings(max_examples=300)
@given(SEGMENTS, st.booleans(), st.integers(0, 2**32 - 1))
def test_segments_in_any_order(
    segments: list[tuple[int, bytes]], last_wins: bool, first: int
) -> None:
    stream, plain = Reassembly(50, last_wins), Plain(50, last_wins)
    stream.begin(first)
    for start, data in segments:
        found = stream.push((first + start) % 2**32, data)
        assert found == plain.push(start, data)


@pytest.mark.parametrize("last_wins", [False, True])
def test_nothing_is_kept_of_what_was_read(last_wins: bool) -> None:
    stream = Reassembly(10_000, last_wins)
    stream.begin(0)
    for start in range(1, 300):
        assert stream.push(start, b"x") == b""
    assert stream.push(0, b"x") == b"x" * 300
    assert stream.push(300, b"yz") == b"yz"
