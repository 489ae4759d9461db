"""What hostile traffic can cost: memory by flow and in all, and work by frame."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from filterlab.bench.traffic import Ends, tls_hello
from filterlab.inspection.packet import ACK, PSH, SYN
from filterlab.inspection.stream import Reassembly
from filterlab.policy.effects import Side
from filterlab.policy.engine import Engine
from filterlab.policy.rules import AnyOf, Drop, Match, Texts
from tests.policy.boxes import SNI, box, rule

CLIENT, SERVER = 0x64400002, 0xC6120005
EVERYTHING = Match("protocol", Texts(("nothing",)))
HELLO = tls_hello("a.example")


def syns(count: int) -> Iterator[bytes]:
    """As many connections that are never more than begun."""
    for number in range(count):
        ends = Ends(CLIENT + number // 50_000, 10_000 + number % 50_000, SERVER, 443)
        yield ends.tcp(b"", True, SYN)


def give(engine: Engine, frames: Iterator[bytes], since: float = 0.0) -> float:
    """Give an engine frames a millisecond apart; when the last one came."""
    now = since
    for frame in frames:
        now += 0.001
        engine.receive(frame, now, Side.INSIDE)
    return now


MEASURED = Match("flow.bursts", Texts(("nothing",)))
IN_TUNNEL = Match("protocol", Texts(("tls-in-tls",)))


@pytest.mark.parametrize("when", [(SNI,), (SNI, MEASURED, IN_TUNNEL)])
def test_a_million_half_open_flows_take_less_than_a_gigabyte(
    when: tuple[Match, ...],
) -> None:
    engine = box(rule(AnyOf(when), Drop()))
    give(engine, syns(100))  # what is made once is not a flow's
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    count = 5_000
    give(engine, syns(count + 100), 1.0)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert engine.flow_count == count + 100
    assert (after - before) / count * 1_000_000 < 1e9


def test_old_flows_make_room_and_a_full_table_takes_no_more() -> None:
    engine = box(rule(SNI, Drop()), max_flows=1_000, idle_seconds=20.0)
    now = give(engine, syns(5_000))
    assert engine.flow_count == 1_000  # the others are neither kept nor looked at
    late = Ends(CLIENT - 1, 999, SERVER, 443)
    engine.receive(late.tcp(b"", True, SYN), now + 21, Side.INSIDE)
    assert engine.flow_count == 1
    engine.expire(now + 42)
    assert engine.flow_count == 0


def test_a_stream_holds_no_more_than_its_limit() -> None:
    stream = Reassembly(1_000)
    stream.begin(0)
    for start in range(1, 5_000):
        stream.push(start, b"x" * 40)
    assert len(stream.push(0, b"x")) <= 1_000


def drip(data: bytes, up: bool = True) -> Iterator[bytes]:
    """A connection that says its data byte by byte."""
    ends = Ends(CLIENT, 40_000, SERVER, 443)
    yield from ends.syn()
    for at in range(len(data)):
        yield ends.tcp(data[at : at + 1], up, PSH | ACK)


def ever_the_same(data: bytes, count: int) -> Iterator[bytes]:
    """The same early segment again and again, behind a gap that is never filled."""
    ends = Ends(CLIENT, 40_000, SERVER, 443)
    yield from ends.syn()
    yield from [ends.tcp_at(ends.sent(True) + 1, data, True)] * count


def early(count: int, step: int) -> Iterator[bytes]:
    """Single bytes behind a gap that is never filled, with gaps between them."""
    ends = Ends(CLIENT, 40_000, SERVER, 443)
    yield from ends.syn()
    start = ends.sent(True) + 1 + (2 * count if step < 0 else 0)
    for number in range(count):
        yield ends.tcp_at(start + step * number, b"x", True)


WORST: dict[str, Callable[[int], Iterator[bytes]]] = {
    "a hello byte by byte": lambda n: drip(
        HELLO[:5] + b"\1\0\xff\0" + HELLO * (n // 99)
    ),
    "headers without end": lambda n: drip(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * n),
    "empty lines without end": lambda n: drip(b"\r\n" * n),
    "one endless line": lambda n: drip(b"GET /" + b"a" * n),
    "records of one byte": lambda n: drip(b"\x16\3\1\0\1\1" + b"\x16\3\1\0\1\0" * n),
    "an early segment again and again": lambda n: ever_the_same(b"x" * 500, n),
    "early bytes in a row": lambda n: early(n, 2),
    "early bytes backwards": lambda n: early(n, -2),
    "half-open": syns,
}


def lines_run(act: Callable[[], Any]) -> int:
    """How many lines of Python an act takes, wherever they stand."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", WORST)
def test_the_worst_input_costs_as_much_as_it_is_long(name: str) -> None:
    def cost(size: int) -> int:
        frames = list(WORST[name](size))
        engine = box(
            rule(EVERYTHING, Drop()),
            checks_checksum=False,
            inspect_bytes=100_000,
            inspect_packets=1_000_000,
        )
        return lines_run(lambda: give(engine, iter(frames))) // len(frames)

    once, twice = cost(300), cost(600)
    assert twice <= once * 1.4 + 10, f"{once} lines a frame became {twice}"
