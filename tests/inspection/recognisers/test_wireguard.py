"""WireGuard's four messages, and what is none of them."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.flow import UDP
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.recognisers.wireguard import WireGuard

_OURS, _THEIRS = 0x11223344, 0x55667788


def _initiation(mac2: bytes = bytes(16), kind: int = 1) -> bytes:
    return pack("<II", kind, _OURS) + b"e" * 108 + b"m" * 16 + mac2


def _response(receiver: int = _OURS) -> bytes:
    return pack("<III", 2, _THEIRS, receiver) + b"r" * 80


def _cookie(receiver: int = _OURS) -> bytes:
    return pack("<II", 3, receiver) + b"c" * 56


def _data(receiver: int, counter: int, size: int = 32) -> bytes:
    return pack("<IIQ", 4, receiver, counter) + b"d" * (size - 16)


def _said(*messages: tuple[bool, bytes]) -> object:
    subject = WireGuard(UDP, Reading())
    said: object = NEED_DATA
    for up, data in messages:
        said = subject.feed(Direction.TO_SERVER if up else Direction.TO_CLIENT, data)
        if said is not NEED_DATA:
            break
    return said


def _kind(said: object) -> str:
    assert isinstance(said, Finding) and said.protocol == "wireguard"
    return said.fields["wg.type"][0]


def test_an_initiation_is_enough() -> None:
    assert len(_initiation()) == 148 and len(_response()) == 92 and len(_cookie()) == 64
    assert _kind(_said((True, _initiation()))) == "1"
    # As wireguard-go sends it; the first 12 bytes are what was measured.
    real = bytes.fromhex("010000007a21235d66699960") + b"x" * 120 + bytes(16)
    assert _kind(_said((True, real))) == "1"


def test_under_load_an_index_must_be_echoed() -> None:
    loaded = True, _initiation(b"2" * 16)
    assert _said(loaded) is NEED_DATA
    assert _kind(_said(loaded, (False, _response()))) == "2"
    assert _kind(_said(loaded, (False, _cookie()))) == "3"
    assert _said(loaded, (False, _response(7)), (False, _cookie(7))) is NEED_DATA
    assert _kind(_said((False, _response(7)), (True, _data(_THEIRS, 0)))) == "4"
    assert WireGuard(UDP, Reading()).conclude() is NOT_MINE


def test_data_alone_must_go_on() -> None:
    rising = [(True, _data(5, counter)) for counter in (3, 4, 9)]
    assert _said(*rising[:2]) is NEED_DATA
    assert _kind(_said(*rising)) == "4"
    falling = [(True, _data(5, counter)) for counter in (3, 2, 1, 0)]
    assert _said(*falling) is NEED_DATA
    changing = [(True, _data(number, number)) for number in range(9)]
    assert _said(*changing) is NEED_DATA


@pytest.mark.parametrize(
    "data",
    [
        b"",
        _initiation()[:-1],
        _initiation() + b"\0",
        _initiation(kind=5),
        _response() + bytes(16),
        _data(1, 0, 40),
        _data(1, 0, 32)[:-1],
        # AmneziaWG: junk before, junk inside (S1), other types (H1-H4)
        b"junk" * 10,
        b"j" * 15 + _initiation(),
        _initiation(kind=0x5A3C19F0),
        # WARP: the reserved bytes are used
        b"\x01abc" + _initiation()[4:],
        b"\x38" + bytes(13),
    ],
)
def test_what_is_not_wireguard(data: bytes) -> None:
    assert _said((True, data)) is NOT_MINE


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), max_size=6))
def test_never_raises(messages: list[tuple[bool, bytes]]) -> None:
    _said(*messages)
    for kind in range(6):
        _said(*((up, bytes((kind, 0, 0, 0)) + data) for up, data in messages))
