"""Tor's made-up names, and those that somebody chose."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.recogniser import NEED_DATA, NOT_MINE, Direction, Finding
from filterlab.inspection.recognisers.tor import Tor, looks_made_up
from tests.inspection.feeding import concluded, every_way, fed, never_guesses
from tests.inspection.wire import (
    extension,
    hello,
    hello_message,
    record,
    server_name,
    sized,
)

_MEASURED = b"www.byr73njpq5voahmo.com"  # of a bridge's client


def _hello(name: bytes) -> bytes:
    versions = extension(43, sized(1, b"\x03\x04\x03\x03"))
    return record(hello_message(server_name(name), versions))


def test_finds_tor_however_it_is_cut() -> None:
    data = _hello(_MEASURED)
    for pieces in every_way(data):
        assert fed(Tor, pieces) == Finding("tor", {})
    never_guesses(Tor, data)
    assert concluded(Tor, data[:-5]) is NOT_MINE


@pytest.mark.parametrize(
    "data",
    [
        hello(_MEASURED),  # with ALPN, as a browser has it
        _hello(b"www.byr73njpq5voahmo.net"),
        _hello(b"byr73njpq5voahmo.com"),
        record(hello_message()),
        b"GET / HTTP/1.1\r\n",
    ]
    + [
        _hello(b"www." + name + b".com")
        for name in (
            b"google",
            b"w3schools",
            b"wikipedia",
            b"stackoverflow",
            b"tsn",
            b"abc7news",
            b"4chan",
            b"washingtonpost",
            b"theguardian",
            b"163",
        )
    ],
)
def test_other_hellos_are_not(data: bytes) -> None:
    assert fed(Tor, [data]) is NOT_MINE


def test_how_many_made_up_names_are_seen() -> None:
    chance = Random(9)
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    names = [
        "".join(chance.choices(letters, k=chance.randint(4, 25))) for _ in range(2000)
    ]
    seen = sum(map(looks_made_up, names)) / len(names)
    assert 0.6 < seen < 0.9
    assert not looks_made_up("newyorktimes")


@given(st.binary(max_size=300))
def test_never_raises(data: bytes) -> None:
    fed(Tor, [data[:4], data[4:]])
    concluded(Tor, record(hello_message(extension(0, data))))
    assert fed(Tor, [b"x"], direction=Direction.TO_CLIENT) is NOT_MINE
    assert fed(Tor, [b""]) is NEED_DATA
