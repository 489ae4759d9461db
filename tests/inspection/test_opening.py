"""Whoever is ruled out by first bytes would have said so of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.bench.traffic import Traffic, dns_query, quic_hello
from filterlab.inspection.catalogue import RECOGNISERS
from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.opening import ANYTHING, Opening, Openings, opening_of, spelt
from filterlab.inspection.packet import dissect
from filterlab.inspection.plan import Plan
from filterlab.inspection.recogniser import (
    NOT_MINE,
    UNOPENED,
    Direction,
    QuicReading,
    Reading,
)
from filterlab.inspection.watch import Watch
from tests.inspection.recognisers.test_every_recogniser import STARTS

READINGS = tuple(
    Reading(quic=quic)
    for quic in (UNOPENED, QuicReading(), QuicReading(checks_header=False))
)
KNOWN = (*STARTS, dns_query("a.example", 7), *quic_hello("a.example"), b"\xff")
BEGINNING = st.builds(
    bytes.__add__, st.sampled_from(KNOWN), st.binary(min_size=1, max_size=90)
)


def _readers(transport: int) -> Iterator[str]:
    for name, recogniser in RECOGNISERS.items():
        declares = hasattr(recogniser, "opening")
        if declares and transport in recogniser.transports:
            yield name


def _check(name: str, transport: int, reading: Reading, up: bool, data: bytes) -> None:
    recogniser = RECOGNISERS[name]
    opening = opening_of(recogniser, transport, reading)
    if Openings([opening], up).left(data):
        return
    way = Direction.TO_SERVER if up else Direction.TO_CLIENT
    said = recogniser(transport, reading).feed(way, data)
    assert said is NOT_MINE, (name, up, data[:20].hex())


@pytest.mark.parametrize("transport", [TCP, UDP])
@given(data=BEGINNING, cut=st.integers(1, 100), up=st.booleans())
def test_who_is_ruled_out_has_nothing_to_say(
    transport: int, data: bytes, cut: int, up: bool
) -> None:
    for reading in READINGS:
        for name in _readers(transport):
            _check(name, transport, reading, up, data[:cut])


@pytest.mark.parametrize("transport", [TCP, UDP])
def test_every_first_byte_is_ruled_out_for_a_reason(transport: int) -> None:
    chosen = random.Random(1)
    for first in range(256):
        for size in (0, 1, 2, 7, 30, 100):
            data = bytes((first,)) + chosen.randbytes(size)
            for name in _readers(transport):
                for up in (True, False):
                    _check(name, transport, READINGS[1], up, data)


def test_nearly_all_recognisers_say_how_they_begin() -> None:
    # The observers go by packets, and the payload is whatever it is.
    unsaid = {n for n, r in RECOGNISERS.items() if not hasattr(r, "opening")}
    assert {n for n in unsaid if not hasattr(RECOGNISERS[n], "observe")} == {
        "gre",
        "icmp_tunnel",
        "payload",
    }


def test_an_opening_is_held_to_its_lengths() -> None:
    word = Opening(spelt(b"GET ", b"PUT "), least=4, whole=2)
    openings = Openings([word, ANYTHING], True)
    assert openings.left(b"X") == 0b11  # too short to say
    assert openings.left(b"GE") == 0b10
    assert openings.left(b"GET /") == 0b11 and openings.left(b"PET ") == 0b11
    assert openings.left(b"XET ") == 0b10
    assert Openings([word, ANYTHING], False).left(b"GET /") == 0b10


class _Fed(Watch):
    """A watch that rules nobody out before they have been fed."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        nobody = [ANYTHING] * len(plan.readers)
        openings = {way: Openings(nobody, True) for way in Direction}
        object.__setattr__(plan, "openings", openings)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("piecewise", [False, True])
def test_a_watch_finds_what_it_finds_with_every_recogniser(
    seed: int, piecewise: bool
) -> None:
    chosen = random.Random(seed)
    every = tuple(RECOGNISERS.values())
    watches: dict[object, tuple[Watch, Watch]] = {}
    for frame in Traffic(30, 700, seed).mixed():
        at = chosen.randrange(54, 90)
        if chosen.random() < 0.2:
            frame = frame[:at] + chosen.randbytes(1) + frame[at + 1 :]
        packet = dissect(frame)
        assert packet is not None
        ends = {(packet.src, packet.src_port), (packet.dst, packet.dst_port)}
        flow = frozenset(ends)
        if flow not in watches:
            who = tuple(r for r in every if packet.protocol in r.transports)
            many = piecewise and packet.protocol == TCP
            made = [Plan(packet.protocol, who, piecewise=many) for _ in range(2)]
            watches[flow] = Watch(made[0]), _Fed(made[1])
        up = packet.src[0] == 100  # of 100.64.0.0/10, where clients are
        quick, slow = watches[flow]
        assert quick.look(packet, up) is slow.look(packet, up)
        assert (quick.found, quick.pending) == (slow.found, slow.pending)
        assert list(quick.found) == list(slow.found)
