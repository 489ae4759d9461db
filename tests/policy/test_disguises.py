"""Rules about tunnels, disguises and measures, from frames to decisions."""

from __future__ import annotations

from random import Random

import pytest

from filterlab.inspection.catalogue import DETAILS, RECOGNISERS
from filterlab.inspection.fields import FIELDS
from filterlab.inspection.flow import ICMP, TCP, UDP
from filterlab.inspection.plan import Plan
from filterlab.inspection.watch import Watch
from filterlab.policy.effects import Effect, Forward, Log
from filterlab.policy.engine import Engine
from filterlab.policy.ready import reading_plan
from filterlab.policy.rules import (
    Condition,
    Drop,
    Grade,
    InjectDns,
    Match,
    Names,
    Not,
    Numbers,
    Policy,
    Position,
    Texts,
)
from tests.inspection import wire
from tests.inspection.wire import (
    Talk,
    framed,
    hello,
    query,
)
from tests.policy.boxes import IN, OUT, SOURCE, box, log, names, opened, rule

_RANDOM = Random(1).randbytes(200)


def _protocol(*listed: str) -> Match:
    return Match("protocol", Texts(listed))


def _above(field: str, least: int) -> Match:
    return Match(field, Numbers(frozenset(), ((least, 2**32 - 1),)))


def _drops(when: Condition, **stack: object) -> Engine:
    return box(rule(when, Drop()), **stack)


def _is_blocked(effects: list[Effect]) -> bool:
    return any(isinstance(effect, Log) for effect in effects)


def test_blocks_openvpn_on_its_first_datagram() -> None:
    reset = b"\x38" + b"session!" + bytes(5)
    said = _drops(_protocol("openvpn")).receive(Talk().udp(reset), 0, IN)
    assert log(said).finding == {"protocol": "openvpn"}
    field = Match("openvpn.wrapping", Texts(("plain",)))
    assert _is_blocked(_drops(field).receive(Talk().udp(reset), 0, IN))


@pytest.mark.parametrize("grade", list(Grade))
def test_the_first_payload_alone_decides_in_every_grade(grade: Grade) -> None:
    engine, talk = _drops(_protocol("fully-encrypted"), grade=grade), Talk()
    opened(engine, talk)
    assert _is_blocked(engine.receive(talk.send(_RANDOM), 0, IN))
    other = Talk(port=40_001)
    opened(engine, other)
    for payload in (b"GET / HTTP/1.1\r\n", _RANDOM):
        assert not _is_blocked(engine.receive(other.send(payload), 0, IN))


def test_a_description_is_no_protocol() -> None:
    engine, talk = _drops(_protocol("*"), grade=Grade.TCP, inspect_packets=1), Talk()
    opened(engine, talk)
    said = engine.receive(talk.send(b"USER nobody and more"), 0, IN)
    assert not _is_blocked(said)


def test_waits_for_none_that_cannot_say_it() -> None:
    plan = _plan(_protocol("openvpn"), TCP)
    assert plan is not None and "openvpn" in plan.names
    assert plan.names == {"openvpn"}
    assert not plan.observers
    every = _plan(_protocol("*"), UDP)
    assert every is not None and {"openvpn", "wireguard"} <= every.names
    assert "volume" not in every.names
    assert _plan(names("a"), UDP) is None


def _plan(when: Condition, transport: int) -> Plan | None:
    policy = Policy("p", "P", SOURCE, rules=(rule(when, Drop()),))
    return reading_plan(policy, transport)


def test_every_protocol_can_be_waited_for() -> None:
    for name, recogniser in RECOGNISERS.items():
        for protocol in getattr(recogniser, "protocols", (name,)):
            plans = (_plan(_protocol(protocol), n) for n in recogniser.transports)
            waited = frozenset().union(*(plan.names for plan in plans if plan))
            assert name in waited or name in DETAILS, name


def test_measures_decide_when_the_box_stops_looking() -> None:
    slow = _above("flow.rtt.excess", 50)
    engine, talk = _drops(slow, inspect_packets=4), Talk()
    engine.receive(talk.syn(), 0.0, IN)
    engine.receive(talk.syn_ack(), 0.02, OUT)
    engine.receive(talk.send(hello()), 0.03, IN)
    engine.receive(talk.reply(b"hello"), 0.05, OUT)
    engine.receive(talk.send(b"question"), 0.06, IN)
    said = engine.receive(talk.reply(b"answer"), 0.16, OUT)
    assert log(said).finding == {"flow.rtt.excess": "80"}


def test_sizes_are_compared_as_they_are_written() -> None:
    sizes = Match("flow.sizes", Texts(("+148 -92*",)))
    engine, talk = _drops(sizes, inspect_packets=3), Talk()
    for up, size in ((True, 148), (False, 92), (True, 32)):
        said = engine.receive(talk.udp(bytes(size), up), 0, IN if up else OUT)
    assert _is_blocked(said)


def test_remembers_the_queries_before() -> None:
    tunnel = rule(_protocol("dns-tunnel"), Drop(), name="tunnel")
    listed = rule(names("a.test", field="dns.qry.name"), InjectDns(), name="list")
    engine, talk = box(listed, tunnel), Talk(server_port=53)
    chance = Random(3)
    for number in range(10):
        name = f"{chance.randbytes(20).hex()}.t.test"
        said = engine.receive(talk.udp(query(name, 10)), number, IN)
        engine.receive(talk.udp(b"answer", up=False), number, OUT)
    assert log(said).rule == "tunnel"
    # A name of the list is still answered on the way.
    other = Talk(port=40_009, server_port=53)
    engine.receive(other.udp(query("b.test")), 20, IN)
    assert log(engine.receive(other.udp(query("a.test")), 21, IN)).rule == "list"


def test_reads_echoes() -> None:
    engine = _drops(_protocol("icmp-tunnel"))
    echo = wire.ICMP(type=8) / bytes.fromhex("deadc0de7f000001")
    assert _is_blocked(engine.receive(framed(echo), 0, IN))
    ping = wire.ICMP(type=8) / (b"ping" * 14)
    said = _drops(_protocol("icmp-tunnel")).receive(framed(ping), 0, IN)
    assert said == [Forward()]
    assert _plan(names("a"), ICMP) is None


def test_counts_flows_of_one_client_and_server() -> None:
    engine = _drops(_above("flow.parallel", 3), idle_seconds=60.0)
    said = [engine.receive(Talk(40_000 + n).syn(), n, IN) for n in range(4)]
    assert [_is_blocked(effects) for effects in said] == [False, False, True, True]
    engine.expire(100)
    assert engine.flow_count == 0
    assert not _is_blocked(engine.receive(Talk(50_000).syn(), 101, IN))
    # Beside the path the frames pass, and are counted as well.
    beside = box(
        rule(Not(_above("flow.parallel", 2)), Drop()), position=Position.RESIDUAL
    )
    assert _is_blocked(beside.receive(Talk().syn(), 0, IN))


def test_counts_flows_of_one_client_with_everybody() -> None:
    engine = _drops(_above("flow.of_client", 3), idle_seconds=60.0)
    talks = [Talk(40_000), Talk(40_001, 80), Talk(40_002, six=True), Talk(40_003, 53)]
    said = [engine.receive(talk.syn(), 1, IN) for talk in talks]
    # The third one is another client's, by its address.
    assert [_is_blocked(effects) for effects in said] == [False, False, False, True]
    engine.expire(100)
    assert not _is_blocked(engine.receive(Talk(50_000).syn(), 101, IN))


def test_the_next_message_keeps_what_lasts() -> None:
    plan = _plan(_protocol("dns", "dns-tunnel"), UDP)
    assert plan is not None
    watch = Watch(plan)
    assert watch.next_message().pending == plan.names
    watch.conclude()
    assert watch.next_message().pending == {"dns"}


def test_every_field_has_a_recogniser() -> None:
    for field in FIELDS.values():
        assert not field.recogniser or field.recogniser in RECOGNISERS, field.key
    for name, recogniser in RECOGNISERS.items():
        assert name == recogniser.name and recogniser.byte_limit > 0
        assert recogniser.source and recogniser.false_positives
        assert recogniser.__doc__


def test_names_of_a_tunnel_can_be_listed() -> None:
    wanted = Names(frozenset(("t.test",)), frozenset())
    assert _plan(Match("dns.tunnel.zone", wanted), UDP) is not None
