"""What opens as obfs4 does, by length and by chance."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.flow import TCP
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.recognisers.obfs4 import Obfs4
from filterlab.inspection.statistics import looks_random
from tests.inspection.wire import hello, request

_UP, _DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
_CHANCE = Random(4)
_CLIENT, _SERVER = _CHANCE.randbytes(909), _CHANCE.randbytes(400)


def _said(*talk: tuple[Direction, bytes]) -> object:
    subject = Obfs4(TCP, Reading())
    said: object = NEED_DATA
    for direction, data in talk:
        said = subject.feed(direction, data)
        if said is not NEED_DATA:
            break
    return said


def test_finds_a_handshake_however_it_is_cut() -> None:
    assert isinstance(_said((_UP, _CLIENT), (_DOWN, _SERVER)), Finding)
    bits = [(_UP, _CLIENT[i : i + 1]) for i in range(len(_CLIENT))]
    bits += [(_DOWN, _SERVER[i : i + 1]) for i in range(len(_SERVER))]
    assert isinstance(_said(*bits), Finding)
    assert _said((_UP, _CLIENT)) is NEED_DATA
    assert _said((_UP, _CLIENT), (_DOWN, _SERVER[:95])) is NEED_DATA
    assert Obfs4(TCP, Reading()).conclude() is NOT_MINE


@pytest.mark.parametrize(
    ("size", "is_found"), [(148, False), (149, True), (8192, True)]
)
def test_the_lengths_that_there_may_be(size: int, is_found: bool) -> None:
    said = _said((_UP, Random(size).randbytes(size)), (_DOWN, _SERVER))
    assert isinstance(said, Finding) is is_found
    assert _said((_UP, bytes(8193))) is NOT_MINE


@pytest.mark.parametrize(
    "talk",
    [
        [(_UP, hello())],
        [(_UP, request())],
        [(_UP, bytes(300)), (_DOWN, _SERVER)],
        [(_UP, b"the quick brown fox " * 20), (_DOWN, _SERVER)],
        [(_UP, _CLIENT), (_DOWN, b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9)],
        [(_UP, _CLIENT), (_DOWN, _SERVER[:50]), (_UP, b"more")],
        [(_DOWN, _SERVER)],
    ],
)
def test_other_talk_is_not_its_own(talk: list[tuple[Direction, bytes]]) -> None:
    assert _said(*talk) is NOT_MINE


def test_the_statistic_on_random_bytes() -> None:
    chance = Random(2015)
    for size in (149, 500, 2048):
        found = sum(looks_random(chance.randbytes(size)) for _ in range(300))
        assert found >= 297, size
    skewed = bytes(b & 0x7F for b in chance.randbytes(2048))
    assert not looks_random(skewed) and not looks_random(b"")


@given(st.lists(st.tuples(st.sampled_from(Direction), st.binary(max_size=400))))
def test_never_raises(talk: list[tuple[Direction, bytes]]) -> None:
    _said(*talk)
