"""Streams put in order, whatever order their segments came in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.stream import InOrder, Reassembly, distance


def test_distance_wraps_around() -> None:
    assert distance(2**32 - 2, 3) == 5
    assert distance(3, 2**32 - 2) == -5


def test_takes_the_next_segment_only() -> None:
    stream = InOrder()
    stream.begin(10)
    assert stream.push(12, b"late") == b""
    assert stream.push(10, b"ab") == b"ab"
    assert stream.push(10, b"ab") == b""
    assert stream.push(12, b"cd") == b"cd"
    assert InOrder().push(77, b"first") == b"first"


def test_the_first_bytes_stay() -> None:
    stream = Reassembly(100)
    stream.begin(0)
    stream.begin(50)
    assert stream.push(2, b"CD") == b""
    assert stream.push(4, b"EF") == b""
    assert stream.push(1, b"bxxxxg") == b""
    assert stream.push(0, b"a") == b"abCDEFg"
    assert stream.push(0, b"zzz") == b""
    assert stream.push(5, b"zzh") == b"h"
    assert stream.next_seq == 8


def test_holds_no_more_than_its_limit() -> None:
    stream = Reassembly(4)
    stream.begin(0)
    assert stream.push(2, b"cde") == b""
    assert stream.push(0, b"ab") == b"ab"
    assert stream.push(2, b"c") == b"c"


@given(st.data())
def test_any_order_gives_the_same_bytes(data: st.DataObject) -> None:
    text = data.draw(st.binary(min_size=1, max_size=60))
    start = data.draw(st.sampled_from([0, 1000, 2**32 - 7]))
    at = st.integers(0, len(text) - 1)
    spans = data.draw(st.lists(st.tuples(at, at), max_size=8))
    pieces = [(low, text[low : high + 1]) for low, high in map(sorted, spans)]
    whole = [(i, text[i : i + 9]) for i in range(0, len(text), 9)]
    order = data.draw(st.permutations(pieces + whole))
    stream = Reassembly(100)
    stream.begin(start)
    read = b"".join(stream.push((start + i) % 2**32, piece) for i, piece in order)
    assert read == text
