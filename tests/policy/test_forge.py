"""Forged frames, read back by scapy."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from filterlab.inspection.checksum import checksums_right
from filterlab.inspection.packet import Packet, dissect
from filterlab.policy.answers import dns_answer, http_response
from filterlab.policy.forge import Disguise, flag_bits, reset, tcp_answer, udp_answer
from filterlab.policy.rules import InjectDns, InjectHttp
from tests.inspection.wire import (
    DNS,
    ETHER,
    INSIDE_MAC,
    IP,
    OUTSIDE_MAC,
    TCP,
    UDP,
    Dot1Q,
    Ether,
    IPv6,
    Talk,
    query,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
_BOTH = pytest.mark.parametrize("six", [False, True])
_LOOK = Disguise(ip_id=0x1234)


def _packet(frame: bytes) -> Packet:
    packet = dissect(frame)
    assert packet is not None
    return packet


def _read(frame: bytes) -> Any:
    """The frame as scapy reads it, once scapy too finds its checksums right."""
    assert checksums_right(_packet(frame))
    read = Ether(frame)
    again = Ether(frame)
    for layer, field in ((IP, "chksum"), (TCP, "chksum"), (UDP, "chksum")):
        if layer in again:
            delattr(again[layer], field)
    assert bytes(again) == frame
    return read


@_BOTH
def test_a_reset_for_each_end(six: bool) -> None:
    packet = _packet(Talk(six=six).send(b"hello"))
    back = _read(reset(packet, True, 1005, "RA", Disguise(7, 33, 99)))
    assert (back.src, back.dst) == (OUTSIDE_MAC, INSIDE_MAC)
    assert (back[TCP].seq, back[TCP].ack, str(back[TCP].flags)) == (5000, 1005, "RA")
    assert (back[TCP].sport, back[TCP].dport, back[TCP].window) == (443, 40_000, 99)
    if six:
        assert back[IPv6].hlim == 33
    else:
        assert (back[IP].ttl, back[IP].id) == (33, 7)
    on = _read(reset(packet, False, 1005, "R", _LOOK))
    assert (on.src, on.dst) == (INSIDE_MAC, OUTSIDE_MAC)
    assert (on[TCP].seq, on[TCP].ack, on[TCP].dport) == (1005, 0, 443)


def test_keeps_the_vlan_tag() -> None:
    tagged = bytes(ETHER / Dot1Q(vlan=7) / IP() / TCP())
    assert _read(reset(_packet(tagged), True, 1, "RA", _LOOK))[Dot1Q].vlan == 7


def test_reads_flag_letters() -> None:
    assert flag_bits("RA") == 0x14 and flag_bits("") == 0


@_BOTH
@pytest.mark.parametrize(
    ("kind", "addresses", "rcode", "answers"),
    [
        (1, ("198.18.0.1", "2001:db8::1"), "NOERROR", ["198.18.0.1"]),
        (28, ("198.18.0.1", "2001:db8::1"), "NOERROR", ["2001:db8::1"]),
        (65, ("198.18.0.1",), "NOERROR", []),
        (1, ("198.18.0.1",), "NXDOMAIN", []),
    ],
)
def test_a_dns_answer(
    six: bool, kind: int, addresses: tuple[str, ...], rcode: str, answers: list[str]
) -> None:
    packet = _packet(Talk(server_port=53, six=six).udp(query(kind=kind)))
    action = InjectDns(tuple(map(ip_address, addresses)), rcode, ttl_seconds=9)
    message = dns_answer(query(kind=kind)[:33], action)
    read = _read(udp_answer(packet, message, _LOOK))[DNS]
    assert (read.id, read.qr, read.rd, read.ra, read.arcount) == (0x1234, 1, 1, 1, 0)
    assert read.rcode == (3 if rcode == "NXDOMAIN" else 0) and read.qdcount == 1
    records = [read.an[i] for i in range(read.ancount)]
    assert [record.rdata for record in records] == answers
    assert all(r.ttl == 9 and r.rrname == b"blocked.example." for r in records)


@_BOTH
def test_an_http_answer_over_several_segments(six: bool) -> None:
    packet = _packet(Talk(six=six, server_port=80).send(b"GET / HTTP/1.1\r\n\r\n"))
    data = http_response(InjectHttp(status=200, body="x" * 2000))
    frames = [_read(frame)[TCP] for frame in tcp_answer(packet, data, _LOOK, "FPA")]
    assert [str(frame.flags) for frame in frames] == ["A", "FPA"]
    assert [frame.seq for frame in frames] == [5000, 6400]
    assert b"".join(bytes(frame.payload) for frame in frames) == data
    assert all(frame.ack == packet.next_seq for frame in frames)
    kept = tcp_answer(packet, b"x", Disguise(1, window=5), "PA")
    assert str(_read(kept[0])[TCP].flags) == "PA" and _read(kept[0])[TCP].window == 5


def test_an_http_response_says_what_it_is() -> None:
    redirect = http_response(InjectHttp(status=307, location="http://a/"))
    assert redirect == (
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://a/\r\n"
        b"Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
    page = http_response(InjectHttp(status=499, body="é"))
    assert page.startswith(b"HTTP/1.1 499 \r\nContent-Type: text/html; charset=utf-8")
    assert page.endswith(b"Content-Length: 2\r\nConnection: close\r\n\r\n\xc3\xa9")
