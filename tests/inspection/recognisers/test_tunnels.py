"""Data in DNS queries and in ICMP echoes."""

from __future__ import annotations

from base64 import b32encode
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.flow import ICMP, UDP
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Direction,
    Finding,
    Reading,
    Recogniser,
)
from filterlab.inspection.recognisers.dns_tunnel import DnsTunnel
from filterlab.inspection.recognisers.icmp_tunnel import IcmpTunnel
from tests.inspection.wire import query

_UP, _DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
_NULL, _TXT, _A, _PRIVATE = 10, 16, 1, 65399


def _said(recogniser: type[Recogniser], *talk: tuple[Direction, bytes]) -> object:
    transport = UDP if recogniser is DnsTunnel else ICMP
    subject = recogniser(transport, Reading())
    said: object = NEED_DATA
    for direction, data in talk:
        said = subject.feed(direction, data)
        if said is not NEED_DATA:
            break
    return said


def _data_names(size: int, zone: str = "t.test", seed: int = 5) -> list[str]:
    chance = Random(seed)
    texts = (b32encode(chance.randbytes(size)).decode().strip("=") for _ in range(40))
    return [f"{text.lower()[:60]}.{zone}" for text in texts]


def _queries(names: list[str], kind: int) -> list[tuple[Direction, bytes]]:
    return [(_UP, query(name, kind)) for name in names]


@pytest.mark.parametrize(
    ("size", "kind"), [(8, _NULL), (8, _PRIVATE), (32, _TXT), (32, _A)]
)
def test_finds_data_in_names(size: int, kind: int) -> None:
    said = _said(DnsTunnel, *_queries(_data_names(size), kind))
    assert isinstance(said, Finding) and said.protocol == "dns-tunnel"
    assert said.fields == {"dns.tunnel.zone": ("t.test",), "dns.tunnel.names": ("10",)}
    nine = _queries(_data_names(size), kind)[:9]
    assert _said(DnsTunnel, *nine) is NEED_DATA


def test_finds_the_raw_mode_of_iodine() -> None:
    first = (_UP, query("yrbbtd.t.test", _NULL)), (_DOWN, b"an answer")
    login = (_UP, bytes.fromhex("10d19e10") + b"m" * 16)
    said = _said(DnsTunnel, *first, login)
    assert isinstance(said, Finding)
    assert said.fields == {"dns.tunnel.zone": ("t.test",)}
    assert _said(DnsTunnel, login) is NOT_MINE


@pytest.mark.parametrize(
    "names",
    [
        ["news.example"] * 40,
        [f"host{number}.example.test" for number in range(40)],
        [f"{number}.0.0.127.list.test" for number in range(40)],
        # Long, but of many zones.
        [f"{name}.zone{n}.test" for n, name in enumerate(_data_names(32, "x"))],
        # Long and of one zone, but asked for again and again.
        _data_names(32)[:4] * 10,
    ],
)
def test_ordinary_queries_are_none(names: list[str]) -> None:
    assert _said(DnsTunnel, *_queries(names, _A)) is NOT_MINE


def test_dns_that_is_none() -> None:
    assert _said(DnsTunnel, (_UP, b"no query")) is NOT_MINE
    assert _said(DnsTunnel, (_DOWN, b"an answer")) is NOT_MINE
    assert DnsTunnel(UDP, Reading()).conclude() is NOT_MINE


def _echo(kind: int, number: int, content: bytes) -> bytes:
    return (
        bytes((kind, 0, 0xAB, 0xCD, 0x12, 0x34)) + number.to_bytes(2, "big") + content
    )


_PING = bytes(range(0x10, 0x48))  # as iputils fills it, after its time stamp


def test_knows_the_magic_of_ptunnel() -> None:
    for magic, tool in (("deadc0de7f000001", "ptunnel-ng"), ("d520088000", "ptunnel")):
        said = _said(IcmpTunnel, (_UP, _echo(8, 0, bytes.fromhex(magic))))
        assert isinstance(said, Finding) and said.protocol == "icmp-tunnel"
        assert said.fields["icmp.tunnel.tool"] == (tool,)


def test_a_reply_must_return_what_was_sent() -> None:
    talk = []
    for number in range(3):
        assert _said(IcmpTunnel, *talk) is NEED_DATA
        talk += [(_UP, _echo(8, number, _PING)), (_DOWN, _echo(0, number, b"other"))]
    said = _said(IcmpTunnel, *talk)
    assert isinstance(said, Finding) and said.fields["icmp.tunnel.mark"] == ("reply",)


def test_random_echoes_of_many_sizes() -> None:
    chance = Random(8)
    sizes = (64, 300, 700, 1024)
    talk = [(_UP, _echo(128, n, chance.randbytes(sizes[n]))) for n in range(4)]
    said = _said(IcmpTunnel, *talk)
    assert isinstance(said, Finding) and said.fields["icmp.tunnel.mark"] == ("content",)


def test_ordinary_pings_are_none() -> None:
    talk = []
    for number in range(30):
        stamp = number.to_bytes(8, "little")
        sent = stamp + _PING
        talk += [(_UP, _echo(8, number, sent)), (_DOWN, _echo(0, number, sent))]
    assert _said(IcmpTunnel, *talk) is NOT_MINE
    sweep = [
        (_UP, _echo(8, n, b"abcdefghijklmnopqrstuvwabcdefghi" * n)) for n in range(40)
    ]
    assert _said(IcmpTunnel, *sweep) is NOT_MINE
    assert _said(IcmpTunnel, (_UP, b"\x03\x01" + bytes(40))) is NOT_MINE  # unreachable
    strays = [(_DOWN, _echo(0, n, b"nobody asked")) for n in range(5)]
    assert _said(IcmpTunnel, *strays) is NEED_DATA
    assert IcmpTunnel(ICMP, Reading()).conclude() is NOT_MINE


@given(st.lists(st.tuples(st.sampled_from(Direction), st.binary(max_size=90))))
def test_never_raises(talk: list[tuple[Direction, bytes]]) -> None:
    _said(DnsTunnel, *talk)
    _said(DnsTunnel, (_UP, query()), *talk)
    _said(IcmpTunnel, *talk)
    _said(IcmpTunnel, *((d, b"\x08\0" + data) for d, data in talk))
