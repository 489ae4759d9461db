"""Transcripts of the engine about what further recognisers find."""

from __future__ import annotations

from ipaddress import ip_network

import dns.message
import dns.rrset
import pytest

from filterlab.inspection.recogniser import QuicReading
from filterlab.policy.effects import DropFrame, Effect, Forward, Settle
from filterlab.policy.rules import (
    AllOf,
    Drop,
    Match,
    Networks,
    Numbers,
    Texts,
)
from tests.inspection.flows import NAME, quic_datagrams
from tests.inspection.wire import CLIENT, ETHER, IP, SERVER, Talk, request, sized
from tests.policy.boxes import (
    IN,
    OUT,
    SNI,
    box,
    key,
    log,
    opened,
    rule,
    settled,
    without_log,
)

QUIC = Match("protocol", Texts(("quic",)))
_MANY = tuple(f"many-{number:03}" for number in range(250))


def _address(field: str, *listed: str) -> Match:
    networks = [ip_network(text) for text in listed]
    by_length = {
        (n.version, n.prefixlen): frozenset((int(n.network_address),)) for n in networks
    }
    return Match(field, Networks(by_length))


def test_a_box_that_opens_quic_drops_at_the_name() -> None:
    engine, talk = box(rule(SNI, Drop()), quic=QuicReading()), Talk()
    *before, last = quic_datagrams(alpn=_MANY)
    for datagram in before:
        assert engine.receive(talk.udp(datagram), 0.0, IN) == [Forward()]
    said = engine.receive(talk.udp(last), 0.0, IN)
    assert without_log(said) == [DropFrame(), Settle(key(talk, 17), "drop")]
    assert log(said).finding == {"tls.sni": NAME}


def test_a_box_that_does_not_lets_the_name_pass() -> None:
    engine, talk = box(rule(SNI, Drop())), Talk()
    said = engine.receive(talk.udp(quic_datagrams()[0]), 0.0, IN)
    assert said == [Forward(), Settle(key(talk, 17), "forward")]
    # Another rule's recogniser does not make it read more than its stack does.
    engine = box(rule(Match("quic.version", Texts(("2",))), Drop()), rule(SNI, Drop()))
    said = engine.receive(talk.udp(quic_datagrams()[0]), 0.0, IN)
    assert said == [Forward(), Settle(key(talk, 17), "forward")]


@pytest.mark.parametrize("opens", [True, False])
def test_quic_itself_is_a_protocol(opens: bool) -> None:
    engine, talk = box(rule(QUIC, Drop()), quic=QuicReading(opens=opens)), Talk()
    said = engine.receive(talk.udp(quic_datagrams()[0]), 0.0, IN)
    assert settled(said).action == "drop" and log(said).finding == {"protocol": "quic"}


def test_both_at_once_wait_for_the_name() -> None:
    engine, talk = box(rule(AllOf((QUIC, SNI)), Drop()), quic=QuicReading()), Talk()
    said: list[Effect] = []
    for datagram in quic_datagrams(alpn=_MANY):
        said = engine.receive(talk.udp(datagram), 0.0, IN)
    assert log(said).finding == {"protocol": "quic", "tls.sni": NAME}
    other = Talk(port=40_001)
    allowed = engine.receive(other.udp(quic_datagrams(name="a.example")[0]), 0.0, IN)
    assert allowed == [Forward(), Settle(key(other, 17), "forward")]


def _dns(*addresses: str, name: str = "news.example.") -> tuple[bytes, bytes]:
    asked = dns.message.make_query(name, "A")
    answer = dns.message.make_response(asked)
    answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", *addresses))
    return asked.to_wire(), answer.to_wire()


def test_an_answer_is_judged_by_its_addresses_each_time() -> None:
    engine = box(rule(_address("dns.a", "198.18.7.0/24", "2001:db8::/32"), Drop()))
    talk = Talk(server_port=53)
    good, bad = _dns("203.0.113.9"), _dns("203.0.113.9", "198.18.7.7")
    for asked in (good[0], bad[0]):  # both are on their way before an answer comes
        assert engine.receive(talk.udp(asked), 0.0, IN) == [Forward()]
    assert engine.receive(talk.udp(good[1], up=False), 0.0, OUT) == [Forward()]
    said = engine.receive(talk.udp(bad[1], up=False), 0.0, OUT)
    assert said[0] == DropFrame() and log(said).finding == {"dns.a": "198.18.7.7"}


def test_an_answer_can_be_judged_with_its_question() -> None:
    asks = Match("dns.qry.type", Texts(("A",)))
    when = AllOf((asks, Match("dns.flags.rcode", Texts(("NOERROR",)))))
    engine, talk = box(rule(when, Drop())), Talk(server_port=53)
    asked, answer = _dns("203.0.113.9")
    assert engine.receive(talk.udp(asked), 0.0, IN) == [Forward()]
    said = engine.receive(talk.udp(answer, up=False), 0.0, OUT)
    assert log(said).finding == {"dns.qry.type": "A", "dns.flags.rcode": "NOERROR"}


def test_a_response_is_judged_by_its_number() -> None:
    when = Match("http.response.code", Numbers(frozenset(), ((300, 399),)))
    engine, talk = box(rule(when, Drop())), Talk(server_port=80)
    assert opened(engine, talk) == [Forward(), Forward()]
    assert engine.receive(talk.send(request()), 0.0, IN) == [Forward()]
    answer = b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"
    said = engine.receive(talk.reply(answer), 0.0, OUT)
    assert said[0] == DropFrame()
    assert log(said).finding == {"http.response.code": "302"}


def test_a_proxied_address_is_judged_as_one() -> None:
    engine, talk = box(rule(_address("socks.dst", "198.18.0.0/15"), Drop())), Talk()
    opened(engine, talk)
    assert engine.receive(talk.send(b"\5\1\0"), 0.0, IN) == [Forward()]
    assert engine.receive(talk.reply(b"\5\0"), 0.0, OUT) == [Forward()]
    said = engine.receive(talk.send(b"\5\1\0\1\xc6\x12\0\5\0\x50"), 0.0, IN)
    assert log(said).finding == {"socks.dst": SERVER}


@pytest.mark.parametrize(
    ("protocol", "payload", "field", "value"),
    [
        (50, b"\xc0\xff\xee\x01\0\0\0\1" + bytes(40), "protocol", "esp"),
        (47, b"\x30\x81\x88\x0b" + bytes(20), "gre.proto", "0x880b"),
    ],
)
def test_reads_what_has_no_ports(
    protocol: int, payload: bytes, field: str, value: str
) -> None:
    frame = bytes(ETHER / IP(src=CLIENT, dst=SERVER, proto=protocol) / payload)
    engine = box(rule(Match(field, Texts((value,))), Drop()))
    said = engine.receive(frame, 0.0, IN)
    assert said[0] == DropFrame() and log(said).finding == {field: value}


def test_a_protocol_rule_waits_for_no_details() -> None:
    engine, talk = box(rule(Match("protocol", Texts(("ssh",))), Drop())), Talk()
    opened(engine, talk)
    assert settled(engine.receive(talk.send(request()), 0.0, IN)).action == "forward"
    query = sized(2, _dns("203.0.113.9")[0])
    other = Talk(port=40_001)
    opened(engine, other)
    assert settled(engine.receive(other.send(query), 0.0, IN)).action == "forward"
