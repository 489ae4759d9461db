"""Sizes, volume, bursts and round-trip times of a flow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.features import NAMES, Window, vector
from filterlab.inspection.flow import TCP
from filterlab.inspection.packet import dissect
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.recognisers.sizes import Sizes
from filterlab.inspection.recognisers.volume import Volume
from tests.inspection.wire import Talk

_UP, _DOWN = Direction.TO_SERVER, Direction.TO_CLIENT


def _talk() -> list[tuple[bytes, bool, float]]:
    """A connection: 20 ms to who answers TCP, 90 ms to who answers the application."""
    talk = Talk()
    return [
        (talk.syn(), True, 10.0),
        (talk.syn_ack(), False, 10.02),
        (talk.send(b"h" * 500), True, 10.03),
        (talk.reply(b"s" * 1000), False, 10.05),
        (talk.reply(b"s" * 200), False, 10.06),
        (talk.send(b"q" * 60), True, 10.07),
        (talk.send(b"q" * 40), True, 10.08),
        (talk.reply(b"a" * 300), False, 10.17),
    ]


def _window(talk: list[tuple[bytes, bool, float]]) -> Window:
    window = Window()
    for frame, from_client, now in talk:
        packet = dissect(frame)
        assert packet is not None
        window.add(packet, from_client, now)
    return window


def test_measures_a_flow() -> None:
    subject = Volume(TCP, Reading())
    for frame, from_client, now in _talk():
        packet = dissect(frame)
        assert packet is not None
        assert subject.observe(packet, from_client, now) is NEED_DATA
    said = subject.conclude()
    assert isinstance(said, Finding) and said.protocol == ""
    assert said.fields == {
        "flow.up.packets": ("3",),
        "flow.down.packets": ("3",),
        "flow.up.bytes": ("600",),
        "flow.down.bytes": ("1500",),
        "flow.ms": ("170",),
        "flow.rtt.handshake": ("20",),
        "flow.rtt.app": ("90",),
        "flow.rtt.excess": ("70",),
        "flow.bursts": ("+500 -1200 +100 -300",),
    }


def test_gives_a_model_its_vector() -> None:
    named = dict(zip(NAMES, vector(_window(_talk())), strict=True))
    assert named["packets_up"] == 3 and named["bytes_down"] == 1500
    assert named["bursts"] == 4 and round(named["seconds"], 3) == 0.17
    assert round(named["handshake_rtt_ms"]) == 20 and round(named["app_rtt_ms"]) == 90
    assert (named["length"], named["popcount"], named["printable"]) == (500, 3, 1)
    sizes = [named[f"size_{number}"] for number in range(1, 9)]
    assert sizes == [500, -1000, -200, 60, 40, -300, 0, 0]
    empty = dict(zip(NAMES, vector(Window()), strict=True))
    assert empty["handshake_rtt_ms"] == -1 and empty["entropy"] == 0


def test_notes_the_first_sizes() -> None:
    subject = Sizes(TCP, Reading())
    for frame, from_client, now in _talk():
        packet = dissect(frame)
        assert packet is not None
        assert subject.observe(packet, from_client, now) is NEED_DATA
    said = subject.conclude()
    assert isinstance(said, Finding)
    assert said.fields == {
        "flow.sizes": ("+500 -1000 -200 +60 +40 -300",),
        "flow.first_up": ("500",),
        "flow.up.third_largest": ("40",),
        "flow.first_down": ("1000",),
    }
    assert subject.feed(_UP, b"x") is NEED_DATA
    assert isinstance(subject.feed(_DOWN, b"y"), Finding)


def test_nothing_was_there() -> None:
    for recogniser in (Sizes, Volume):
        assert recogniser(TCP, Reading()).conclude() is NOT_MINE
    assert Volume(TCP, Reading()).feed(_UP, b"x") is NOT_MINE


@given(st.lists(st.tuples(st.sampled_from(Direction), st.binary(max_size=90))))
def test_never_raises(talk: list[tuple[Direction, bytes]]) -> None:
    subject = Sizes(TCP, Reading())
    for direction, data in talk:
        subject.feed(direction, data)
    subject.conclude()
