"""Handshakes inside TLS, by the sizes and times of bursts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.flow import TCP
from filterlab.inspection.packet import Packet, dissect
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.recognisers.tls_in_tls import TlsInTls, nearest
from tests.inspection.wire import Talk, hello

_UP, _DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
_CCS = b"\x14\x03\x03\x00\x01\x01"
_FINISHED = b"\x17\x03\x03\x00\x35" + bytes(53)
_OUTER = [
    (_UP, hello()),
    (_DOWN, b"\x16\x03\x03\x00\x7a" + bytes(122) + _CCS + bytes(600)),
    (_UP, _CCS + _FINISHED),
]
_SEGMENT = 1448


def _flight(direction: Direction, size: int) -> list[tuple[Direction, bytes]]:
    """One burst of `size` bytes inside, in full segments."""
    whole, rest = divmod(size, _SEGMENT - 24)
    sizes = [_SEGMENT] * whole + ([rest + 24] if rest else [])
    return [(direction, bytes(n)) for n in sizes]


def _inner(*sizes: int) -> list[tuple[Direction, bytes]]:
    """Bursts of these sizes, the client's first, and one packet that ends them."""
    talk = []
    for number, size in enumerate((*sizes, 100)):
        talk += _flight(_DOWN if number % 2 else _UP, size)
    return talk


def _said(talk: list[tuple[Direction, bytes]], ends: bool = False) -> object:
    subject = TlsInTls(TCP, Reading())
    said: object = NEED_DATA
    for direction, data in talk:
        said = subject.feed(direction, data)
        if said is not NEED_DATA:
            return said
    return subject.conclude() if ends else said


@pytest.mark.parametrize(
    ("bursts", "model"),
    [
        # The middle of each model, and what lies near it.
        ((213, 4515, 108, 308), "tls 1.2"),
        ((641, 4649, 448, 1094), "tls 1.3"),
        ((1850, 4903, 785, 1051), "chrome"),
        ((560, 3300, 160, 900), "tls 1.3"),
    ],
)
def test_finds_a_handshake_inside(bursts: tuple[int, ...], model: str) -> None:
    said = _said(_OUTER + _inner(*bursts))
    assert isinstance(said, Finding) and said.protocol == "tls-in-tls"
    assert said.fields["tls_in_tls.model"] == (model,)
    near = nearest(bursts)
    assert near is not None
    assert said.fields["tls_in_tls.distance"] == (str(round(near[1] * 100)),)


def test_passes_over_tickets_and_what_comes_before() -> None:
    tickets = [(_DOWN, bytes(255)), (_DOWN, bytes(255))]
    inner = _inner(641, 4649, 448, 1094)
    assert isinstance(_said(_OUTER + tickets + inner), Finding)
    first = [(_UP, bytes(64)), (_DOWN, bytes(64))]  # a proxy's own greeting
    assert isinstance(_said(_OUTER + first + inner), Finding)
    # The client's Finished and its first data in one packet.
    joined = [(_UP, _CCS + _FINISHED + bytes(641 + 24))]
    assert isinstance(_said(_OUTER[:2] + joined + inner[1:]), Finding)


@pytest.mark.parametrize(
    "bursts",
    [
        (100, 200, 100, 200),
        (400, 60_000, 300, 9000),
        (5000, 300, 5000, 300),
        (641, 4649, 9000, 1094),
    ],
)
def test_other_exchanges_are_not(bursts: tuple[int, ...]) -> None:
    assert nearest(bursts) is None
    assert not isinstance(_said(_OUTER + _inner(*bursts), ends=True), Finding)


def test_waits_for_the_fourth_burst_to_end() -> None:
    talk = _OUTER + _inner(641, 4649, 448, 1094)[:-1]
    assert _said(talk) is NEED_DATA
    assert isinstance(_said(talk, ends=True), Finding)
    assert _said(_OUTER, ends=True) is NOT_MINE


def test_gives_up() -> None:
    assert _said([(_UP, b"GET / HTTP/1.1")]) is NOT_MINE
    assert _said([(_DOWN, b"\x16\x03")]) is NOT_MINE
    assert _said([(_UP, hello())] + [(_DOWN, bytes(900))] * 60) is NOT_MINE
    assert _said(_OUTER + [(_UP, bytes(900)), (_DOWN, bytes(900))] * 30) is NOT_MINE


def test_does_not_count_what_is_sent_again() -> None:
    subject, talk = TlsInTls(TCP, Reading()), Talk()
    said: object = NEED_DATA
    for direction, data in _OUTER + _inner(641, 4649, 448, 1094):
        frame = talk.send(data) if direction is _UP else talk.reply(data)
        packet = dissect(frame)
        assert isinstance(packet, Packet)
        for _ in range(2):
            if said is NEED_DATA:
                said = subject.observe(packet, direction is _UP, 0.0)
    assert isinstance(said, Finding)
    syn = dissect(talk.syn())
    assert isinstance(syn, Packet)
    assert TlsInTls(TCP, Reading()).observe(syn, True, 0.0) is NEED_DATA


# --- real flows, and their times --------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """A packet of a real flow."""

    from_client: bool
    size: int
    ms: int
    change: int | None  # where the ChangeCipherSpec begins
    finished: int

    def payload(self, first: bool) -> bytes:
        data = b"\x16\x03" if first else b""
        if self.change is not None:
            record = b"\x17\x03\x03" + self.finished.to_bytes(2)
            data = bytes(self.change) + _CCS + (record if self.from_client else b"")
        return data[: self.size].ljust(self.size, b"\0")


_SENT = re.compile(r"([+-])(\d+)@(\d+)(?:/(\d+))?(?:/(\d+))?$")


def real_flows() -> dict[str, list[Sent]]:
    text = Path(__file__).with_name("tls_flows.txt").read_text()
    flows: dict[str, list[Sent]] = {}
    for word in " ".join(re.findall("^[^#]*$", text, re.MULTILINE)).split():
        if word.endswith(":"):
            flow = flows[word[:-1]] = []
            continue
        found = _SENT.match(word)
        assert found is not None, word
        way, size, ms, change, finished = found.groups()
        at = None if change is None else int(change)
        flow.append(Sent(way == "+", int(size), int(ms), at, int(finished or 0)))
    return flows


FLOWS = real_flows()


def told(flow: list[Sent], by_size: bool = False) -> object:
    """What the recogniser says of a flow, told by sizes alone once it may be."""
    subject, talk = TlsInTls(TCP, Reading()), Talk()
    for number, sent in enumerate(flow):
        data = sent.payload(first=not number)
        packet = dissect(talk.send(data) if sent.from_client else talk.reply(data))
        assert isinstance(packet, Packet)
        now = sent.ms / 1000
        if by_size and subject.by_size:
            end = packet.next_seq
            said = subject.sized(sent.from_client, sent.size, end, now)
        else:
            said = subject.observe(packet, sent.from_client, now)
        if said is not NEED_DATA:
            return said
    return subject.conclude()


@pytest.mark.parametrize("by_size", [False, True])
@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("trojan", True),
        ("trojan-gfw", True),
        ("vmess-ws-tls", True),
        ("vless-tls", True),
        ("pproxy-trojan", True),
        ("anytls", False),  # it pads its first packets
        ("stunnel", False),  # SOCKS inside answers once more
        ("fetch-https", False),
        ("curl-cffi-chrome", False),  # HTTP/2
        ("doh-curl", False),
    ],
)
def test_real_programs(program: str, found: bool, by_size: bool) -> None:
    said = told(FLOWS[program], by_size)
    assert isinstance(said, Finding) is found
    if isinstance(said, Finding):
        # From the inner ClientHello to the answer to the request: two round trips.
        trip = 57
        assert trip < int(said.fields["tls_in_tls.ms"][0]) < 8 * trip


def later(flow: list[Sent], after: int, ms: int) -> list[Sent]:
    """The flow with a silence before one of its packets."""
    return [
        replace(sent, ms=sent.ms + ms * (number >= after))
        for number, sent in enumerate(flow)
    ]


def test_a_burst_ends_after_three_round_trips() -> None:
    flow = FLOWS["trojan"]
    sizes = [sent.size for sent in flow]
    trip = flow[4].ms  # the client's answer to the outer server's flight
    inner = sizes.index(262)  # the second packet of the inner server's flight
    gap = flow[inner].ms - flow[inner - 1].ms
    for ms, found in ((3 * trip - 1, True), (3 * trip, False)):
        changed = later(flow, inner, ms - gap)
        assert isinstance(told(changed), Finding) is found
        assert isinstance(told(changed, by_size=True), Finding) is found
    # Another direction begins another burst whenever it comes.
    finished = sizes.index(86)
    assert isinstance(told(later(flow, finished, 10 * trip)), Finding)


def test_without_times_direction_alone_ends_a_burst() -> None:
    talk = [
        (_UP if sent.from_client else _DOWN, sent.payload(first=not number))
        for number, sent in enumerate(FLOWS["trojan"])
    ]
    said = _said(talk, ends=True)
    assert isinstance(said, Finding)
    assert "tls_in_tls.ms" not in said.fields


@given(st.lists(st.tuples(st.sampled_from(Direction), st.binary(max_size=120))))
def test_never_raises(talk: list[tuple[Direction, bytes]]) -> None:
    _said(talk, ends=True)
    _said(_OUTER[:2] + talk, ends=True)
    _said([*_OUTER[:2], (_UP, _CCS), *talk], ends=True)
