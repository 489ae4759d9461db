"""BitTorrent: handshakes, uTP, and the DHT."""

from __future__ import annotations

import pytest

from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.recogniser import NEED_DATA, NOT_MINE, Direction, Finding
from filterlab.inspection.recognisers.bittorrent import BitTorrent
from tests.inspection.feeding import every_way, fed, never_guesses, talked

UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
_HASH = bytes(range(20))
_HANDSHAKE = b"\x13BitTorrent protocol" + bytes(8) + _HASH + b"-qB4500-abcdefghijkl"
_SHARED = {"bittorrent.info_hash": (_HASH.hex(),)}
_SYN = b"\x41\0\x12\x34" + bytes(4) * 2 + b"\0\x10\0\0" + b"\0\1\0\0"
_STATE = b"\x21\0\x12\x34" + bytes(4) * 2 + b"\0\x10\0\0" + b"\x99\x99\0\1"
# BEP 5, "Ping" and "get_peers"
_PING = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"
_PONG = b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re"
_GET_PEERS = (
    b"d1:ad2:id20:abcdefghij01234567899:info_hash20:" + _HASH + b"e1:q9:get_peers"
    b"1:t2:aa1:y1:qe"
)


def test_reads_a_handshake_however_it_is_cut() -> None:
    for pieces in every_way(_HANDSHAKE):
        assert fed(BitTorrent, pieces) == Finding("bittorrent", _SHARED)
    never_guesses(BitTorrent, _HANDSHAKE)


def test_reads_the_dht() -> None:
    assert fed(BitTorrent, [_PING], UDP) == Finding(
        "bt-dht", {"bt-dht.query": ("ping",)}
    )
    assert talked(BitTorrent, (DOWN, _PONG), transport=UDP) == Finding("bt-dht", {})
    fields = {"bt-dht.query": ("get_peers",), **_SHARED}
    assert fed(BitTorrent, [_GET_PEERS], UDP) == Finding("bt-dht", fields)
    for at in range(len(_GET_PEERS)):
        assert fed(BitTorrent, [_GET_PEERS[:at]], UDP) is NOT_MINE


def test_waits_for_utps_answer() -> None:
    assert fed(BitTorrent, [_SYN], UDP) is NEED_DATA
    assert fed(BitTorrent, [_SYN, _SYN], UDP) is NEED_DATA
    said = talked(BitTorrent, (UP, _SYN), (DOWN, _STATE), transport=UDP)
    assert said == Finding("bt-utp", {})
    other = _STATE[:2] + b"\x12\x35" + _STATE[4:]
    assert talked(BitTorrent, (UP, _SYN), (DOWN, other), transport=UDP) is NOT_MINE
    assert talked(BitTorrent, (UP, _SYN), transport=UDP, to_the_end=True) is NOT_MINE


@pytest.mark.parametrize(
    ("transport", "data"),
    [
        (TCP, b"\x13BitTorrent protocoX"),
        (TCP, b"\x16\x03\x01"),
        (UDP, b"\x41\0\x12\x34"),
        (UDP, b"\x41\7" + _SYN[2:]),
        (UDP, _STATE),
        (UDP, _SYN[:-2] + b"\0\1"),
        (UDP, b"d1:ad2:id5:abcdee"),
        (UDP, _SYN + bytes(5000)),
    ],
)
def test_other_flows_are_not_its_own(transport: int, data: bytes) -> None:
    assert fed(BitTorrent, [data], transport) is NOT_MINE


def test_a_server_that_shakes_hands_first_is_none() -> None:
    assert fed(BitTorrent, [_HANDSHAKE], direction=DOWN) is NOT_MINE
