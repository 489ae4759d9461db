"""SOCKS requests of all three kinds."""

from __future__ import annotations

import pytest

from filterlab.inspection.recogniser import NEED_DATA, NOT_MINE, Direction, Finding
from filterlab.inspection.recognisers.socks import Socks
from tests.inspection.feeding import every_way, fed, never_guesses, talked
from tests.inspection.wire import sized

UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
_HOST = sized(1, b"Blocked.Example.")
_NAMED = b"\5\1\0\3" + _HOST + b"\x01\xbb"
_WITH_PASSWORD = b"\1" + sized(1, b"user") + sized(1, b"secret")
_SIX = b"\x20\x01\x0d\xb8" + bytes(11) + b"\5"


def _finding(version: str, port: int, key: str, value: str) -> Finding:
    fields = {
        "socks.version": (version,),
        "socks.dstport": (str(port),),
        f"socks.{key}": (value,),
    }
    return Finding("socks", fields)


_CASES = [
    (b"\5\1\0" + _NAMED, _finding("5", 443, "remote_name", "blocked.example")),
    (
        b"\5\2\0\2" + _WITH_PASSWORD + _NAMED,
        _finding("5", 443, "remote_name", "blocked.example"),
    ),
    (
        b"\5\1\0\5\1\0\1\xc6\x12\0\5\0\x50",
        _finding("5", 80, "dst", "198.18.0.5"),
    ),
    (b"\5\1\0\5\3\0\4" + _SIX + b"\0\x35", _finding("5", 53, "dst", "2001:db8::5")),
    (b"\4\1\0\x50\xc6\x12\0\5me\0", _finding("4", 80, "dst", "198.18.0.5")),
    (
        b"\4\1\x01\xbb\0\0\0\7\0blocked.example\0",
        _finding("4", 443, "remote_name", "blocked.example"),
    ),
]


@pytest.mark.parametrize(("data", "finding"), _CASES)
def test_reads_a_request_however_it_is_cut(data: bytes, finding: Finding) -> None:
    for pieces in every_way(data):
        assert fed(Socks, pieces) == finding
    never_guesses(Socks, data)


def test_reads_the_request_after_the_server_has_answered() -> None:
    talk = (UP, b"\5\1\0"), (DOWN, b"\5"), (DOWN, b"\0"), (UP, _NAMED)
    assert talked(Socks, *talk) == _CASES[0][1]
    talk = (UP, b"\5\1\2"), (DOWN, b"\5\2"), (UP, _WITH_PASSWORD), (DOWN, b"\1\0")
    assert talked(Socks, *talk, (UP, _NAMED)) == _CASES[0][1]


def test_a_greeting_counts_if_it_was_answered() -> None:
    greeted = Finding("socks", {"socks.version": ("5",)})
    assert talked(Socks, (UP, b"\5\1\0"), to_the_end=True) is NOT_MINE
    talk = (UP, b"\5\1\0"), (DOWN, b"\5\0")
    assert talked(Socks, *talk) is NEED_DATA
    assert talked(Socks, *talk, to_the_end=True) == greeted
    assert talked(Socks, (UP, b"\5\1\1"), (DOWN, b"\5\1")) == greeted  # GSSAPI
    assert talked(Socks, (UP, b"\5\1\0"), (DOWN, b"\5\xff")) == greeted
    assert talked(Socks, (UP, b"\5\1\0"), (DOWN, b"\5\7")) is NOT_MINE


@pytest.mark.parametrize(
    "data",
    [
        b"\6",
        b"\5\0",
        b"\5\1\0\6",
        b"\5\1\0\5\4",
        b"\5\1\0\5\1\1",
        b"\5\1\0\5\1\0\2",
        b"\4\3",
        b"\4\1\0\x50\xc6\x12\0\5" + b"u" * 300,
        b"\4\1\0\x50\0\0\0\5\0" + b"n" * 300,
        b"\x16\x03\x01",
        b"\5\xff" + b"\1" * 255 + b"\1\xff" + b"u" * 255 + b"\xff" + b"p" * 800,
    ],
)
def test_other_streams_are_not_its_own(data: bytes) -> None:
    assert fed(Socks, [data]) is NOT_MINE


def test_a_server_that_answers_otherwise_ends_it() -> None:
    assert talked(Socks, (DOWN, b"\5\0")) is NOT_MINE
    assert talked(Socks, (UP, b"\5\1\0"), (DOWN, b"HTTP")) is NOT_MINE
    assert talked(Socks, (UP, b"\4\1\0\x50"), (DOWN, b"\0\x5a")) is NOT_MINE
