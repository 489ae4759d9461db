"""Transcripts of the engine: frames in, effects out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterlab.inspection.packet import dissect
from filterlab.policy.effects import DropFrame, Effect, Forward, Limit, Log, Settle
from filterlab.policy.rules import (
    Allow,
    Drop,
    Ends,
    Grade,
    InjectDns,
    InjectHttp,
    Position,
    Reset,
    Shutdown,
    Throttle,
)
from filterlab.policy.verdict import Verdict
from tests.inspection.wire import (
    CLIENT,
    ETHER,
    ICMP,
    IP,
    SERVER,
    TCP,
    UDP,
    Talk,
    framed,
    hello,
    hello_in_records,
    query,
    request,
    sized,
)
from tests.policy.boxes import (
    IN,
    OUT,
    PREFIX,
    SNI,
    box,
    injected,
    key,
    log,
    names,
    networks,
    opened,
    ports,
    rule,
    settled,
    without_log,
)


def test_an_empty_policy_settles_at_the_first_frame() -> None:
    engine, talk = box(), Talk()
    assert engine.receive(talk.syn(), 0.0, IN) == [
        Forward(),
        Settle(key(talk), "forward"),
    ]
    assert engine.receive(talk.syn_ack(), 0.0, OUT) == [Forward()]
    assert engine.flow_count == 1


@pytest.mark.parametrize("six", [False, True])
def test_drops_a_prefix_at_the_first_frame(six: bool) -> None:
    engine, talk = box(rule(PREFIX, Drop())), Talk(six=six)
    said = engine.receive(talk.syn(), 1.0, IN)
    assert without_log(said) == [DropFrame(), Settle(key(talk), "drop")]
    decision = log(said)
    assert decision.verdict is Verdict.BLOCK and decision.action == "drop"
    assert decision.source == "policy.yaml:7" and decision.frame == 1
    assert decision.finding == {"ip.dst": "2001:db8:200::5" if six else SERVER}
    assert engine.receive(talk.syn(), 1.0, IN) == [DropFrame()]


def test_resets_after_the_hello_and_lets_the_frame_go_first() -> None:
    engine, talk = box(rule(SNI, Reset())), Talk()
    assert opened(engine, talk) == [Forward(), Forward()]
    said = engine.receive(talk.send(hello()), 2.0, IN)
    assert said[0] == Forward()
    (to_client, client), (to_server, server) = injected(said)
    assert (to_client, to_server) == (IN, OUT)
    assert (client.seq, client.ack, client.flags) == (talk.ack, talk.seq, 0x14)
    assert (server.seq, server.ack, server.flags) == (talk.seq, talk.ack, 0x14)
    assert settled(said) == Settle(key(talk), "forward")
    assert log(said).finding == {"tls.sni": "blocked.example"}
    assert log(said).bytes_seen == len(hello())
    assert engine.receive(talk.reply(b"x"), 2.0, OUT) == [Forward()]


def test_a_reset_that_drops_fits_what_the_server_waits_for() -> None:
    reset = Reset(to=Ends.SERVER, count=2, flags="R", then_drop=True, ip_id=9, ttl=3)
    engine, talk = box(rule(SNI, reset)), Talk()
    opened(engine, talk)
    start = talk.seq
    said = engine.receive(talk.send(hello()), 0.0, IN)
    assert said[0] == DropFrame() and settled(said).action == "drop"
    assert [(p.seq, p.ack, p.flags, p.ttl) for _, p in injected(said)] == [
        (start, 0, 4, 3)
    ] * 2


def test_a_reset_rule_never_fits_udp() -> None:
    engine, talk = box(rule(None, Reset())), Talk()
    assert engine.receive(talk.udp(b"x"), 0.0, IN) == [
        Forward(),
        Settle(key(talk, 17), "forward"),
    ]


@pytest.mark.parametrize("per", ["flow", "subscriber", "rule"])
@pytest.mark.parametrize("up", [True, False])
def test_throttles(per: str, up: bool) -> None:
    engine, talk = box(rule(PREFIX, Throttle(150, per=per))), Talk()  # type: ignore[arg-type]
    engine = box(rule(None, Throttle(150, per=per)))  # type: ignore[arg-type]
    frame = talk.syn() if up else talk.tcp(b"", "S", 1, 0, up=False)
    said = engine.receive(frame, 0.0, IN if up else OUT)
    ends = f"{CLIENT} 40000 {SERVER} 443" if up else f"{SERVER} 443 {CLIENT} 40000"
    share = {"flow": f"list tcp {ends}", "rule": "list"}.get(per, f"list {CLIENT}")
    assert said[0] == Forward() and settled(said).action == "limit"
    assert settled(said).limit == Limit(150, 150, share)
    assert log(said).verdict is Verdict.THROTTLE


def test_shuts_down_all_but_neighbour_discovery_and_arp() -> None:
    engine = box(rule(None, Shutdown()))
    assert engine.receive(framed(ICMP()), 0.0, IN)[0] == DropFrame()
    arp = bytes(12) + b"\x08\x06" + bytes(46)
    assert engine.receive(arp, 0.0, IN) == [Forward()]
    neighbour = Talk(six=True).udp(b"\x87")
    neighbour = neighbour[:20] + b"\x3a" + neighbour[21:54] + b"\x87" + neighbour[55:]
    assert engine.receive(neighbour, 0.0, IN) == [Forward()]


def test_an_allow_ends_the_rules() -> None:
    engine, talk = box(rule(PREFIX, Allow()), rule(None, Drop())), Talk()
    said = engine.receive(talk.syn(), 0.0, IN)
    assert without_log(said) == [Forward(), Settle(key(talk), "forward")]
    assert log(said).verdict is Verdict.ALLOW


def test_a_later_rule_waits_for_an_earlier_one() -> None:
    rules = rule(SNI, Drop()), rule(None, Throttle(10), name="rest")
    engine, talk = box(*rules), Talk()
    assert opened(engine, talk) == [Forward(), Forward()]
    said = engine.receive(talk.send(hello(b"other.example")), 0.0, IN)
    assert log(said).rule == "rest"


def test_answers_each_dns_query_of_a_socket() -> None:
    when = names("*.example", field="dns.qry.name")
    engine, talk = box(rule(when, InjectDns(rcode="NXDOMAIN"))), Talk(server_port=53)
    for number in range(2):
        said = engine.receive(talk.udp(query()), float(number), IN)
        assert said[0] == DropFrame() and len(without_log(said)) == 2
        ((side, packet),) = injected(said)
        assert side is IN and packet.payload[3] & 15 == 3
        assert log(said).finding == {"dns.qry.name": "blocked.example"}
        assert engine.receive(talk.udp(query("a.test")), 0.0, IN) == [Forward()]
        assert engine.receive(talk.udp(b"answer", up=False), 0.0, OUT) == [Forward()]


def test_settles_a_datagram_flow_that_is_no_dns() -> None:
    engine, talk = box(rule(None, InjectDns())), Talk(server_port=53)
    said = engine.receive(talk.udp(b"not a query"), 0.0, IN)
    assert said == [Forward(), Settle(key(talk, 17), "forward")]


def test_answers_dns_over_tcp() -> None:
    engine, talk = box(rule(None, InjectDns())), Talk(server_port=53)
    opened(engine, talk)
    said = engine.receive(talk.send(sized(2, query())), 0.0, IN)
    (_, answer), (towards, reset) = injected(said)
    assert answer.payload[2:4] == b"\x12\x34" and answer.flags == 0x19
    assert towards is OUT and reset.flags == 0x14


@pytest.mark.parametrize("position", [Position.IN_PATH, Position.ON_PATH])
def test_answers_an_http_request(position: Position) -> None:
    action = InjectHttp(location="http://page.example/", ttl=9)
    when = names("blocked.example", field="http.host")
    engine, talk = box(rule(when, action), position=position), Talk(server_port=80)
    opened(engine, talk)
    start = talk.seq
    said = engine.receive(talk.send(request()), 0.0, IN)
    holds = position is Position.IN_PATH
    assert (DropFrame() in said) is holds and Forward() not in said
    (_, page), (towards, reset) = injected(said)
    assert page.payload.startswith(b"HTTP/1.1 302 Found\r\nLocation: http://page.ex")
    assert (page.seq, page.ack, page.flags, page.ttl) == (talk.ack, talk.seq, 0x19, 9)
    assert towards is OUT and reset.seq == (start if holds else talk.seq)
    assert settled(said).action == ("drop" if holds else "forward")


def test_a_box_beside_the_path_only_injects() -> None:
    engine, talk = box(rule(SNI, Reset()), position=Position.ON_PATH), Talk()
    assert opened(engine, talk) == []
    said = engine.receive(talk.send(hello()), 0.0, IN)
    assert len(injected(said)) == 2 and settled(said).action == "forward"
    assert Forward() not in said and DropFrame() not in said
    assert engine.receive(talk.send(b"x"), 0.0, IN) == []


def test_a_residual_box_drops_what_follows() -> None:
    engine, talk = box(rule(SNI, Drop()), position=Position.RESIDUAL), Talk()
    opened(engine, talk)
    said = engine.receive(talk.send(hello()), 0.0, IN)
    assert without_log(said) == [Settle(key(talk), "drop")]
    assert engine.receive(talk.send(b"x"), 0.0, IN) == [DropFrame()]


def test_a_position_that_cannot_is_refused() -> None:
    with pytest.raises(ValueError, match=r"policy\.yaml:7: rule 'list': an on_path"):
        box(rule(None, Drop()), position=Position.ON_PATH)


def _blocks(pieces: list[bytes], **stack: object) -> bool:
    engine, talk = box(rule(SNI, Drop()), **stack), Talk()
    opened(engine, talk)
    said: list[Effect] = []
    for piece in pieces:
        said += engine.receive(talk.send(piece), 0.0, IN)
    return DropFrame() in said


_HALVES = [hello()[:60], hello()[60:]]
_NAME_IN_FIRST = [hello()[:-9], hello()[-9:]]


@pytest.mark.parametrize(
    ("grade", "pieces", "blocks"),
    [
        (Grade.PACKET, [hello()], True),
        (Grade.PACKET, [b"\0", hello()], True),
        (Grade.PACKET, _NAME_IN_FIRST, True),
        (Grade.PACKET, _HALVES, False),
        (Grade.SEGMENT, [hello()], True),
        (Grade.SEGMENT, _HALVES, False),
        (Grade.TCP, _HALVES, True),
        (Grade.TCP, [b"\0", hello()], False),
        (Grade.TCP, [hello_in_records(60)], False),
        (Grade.TLS_RECORD, [hello_in_records(60)], True),
    ],
)
def test_grades(grade: Grade, pieces: list[bytes], blocks: bool) -> None:
    assert _blocks(pieces, grade=grade) is blocks


def test_order_matters_to_grades_that_keep_it() -> None:
    for grade, blocks in ((Grade.PACKET, True), (Grade.SEGMENT, False)):
        engine, talk = box(rule(SNI, Drop()), grade=grade), Talk()
        opened(engine, talk)
        early = talk.tcp(hello(), "PA", talk.seq + 10, talk.ack)
        assert (DropFrame() in engine.receive(early, 0.0, IN)) is blocks


def test_looks_no_further_than_its_limits() -> None:
    assert not _blocks([b"\0", hello()], grade=Grade.PACKET, inspect_packets=1)
    engine, talk = box(rule(SNI, Drop()), inspect_bytes=100), Talk()
    opened(engine, talk)
    assert engine.receive(talk.send(hello()[:60]), 0.0, IN) == [Forward()]
    said = engine.receive(talk.send(b"\0" * 40), 0.0, IN)
    assert DropFrame() not in said and settled(said).action == "forward"


def test_without_a_syn_only_packet_fields_count() -> None:
    for needs_syn in (True, False):
        engine, talk = box(rule(SNI, Drop()), needs_syn=needs_syn), Talk()
        said = engine.receive(talk.send(hello()), 0.0, IN)
        assert (DropFrame() in said) is not needs_syn
    engine = box(rule(SNI, Drop()), rule(PREFIX, Shutdown()))
    assert engine.receive(Talk().send(hello()), 0.0, IN)[0] == DropFrame()


@pytest.mark.parametrize("flags", ["SA", "A"])
def test_knows_the_server_from_its_first_packet(flags: str) -> None:
    engine, talk = box(rule(ports(443), Drop())), Talk()
    said = engine.receive(talk.tcp(b"", flags, 1, 1, up=False), 0.0, OUT)
    assert settled(said) == Settle(key(talk), "drop")


def test_passes_over_wrong_checksums() -> None:
    for checks, blocks in ((True, False), (False, True)):
        engine, talk = box(rule(SNI, Drop()), checks_checksum=checks), Talk()
        opened(engine, talk)
        wrong = talk.tcp(hello(), "PA", talk.seq, talk.ack, chksum=1)
        assert (DropFrame() in engine.receive(wrong, 0.0, IN)) is blocks
    engine = box(rule(SNI, Drop()))
    wrong = Talk().tcp(b"", "S", 1, 0, chksum=1)
    assert engine.receive(wrong, 0.0, IN) == [Forward()] and engine.flow_count == 0


@pytest.mark.parametrize(
    ("when_full", "first"), [("open", Forward()), ("closed", DropFrame())]
)
def test_a_full_table(when_full: str, first: Effect) -> None:
    engine = box(max_flows=1, when_full=when_full, idle_seconds=5.0)
    engine.receive(Talk(1).syn(), 0.0, IN)
    refused = engine.receive(Talk(2).syn(), 4.0, IN)
    assert refused[0] == first
    # Whoever is turned away is told of, once: no rule would say why otherwise.
    told = [effect.decision for effect in refused[1:] if isinstance(effect, Log)]
    assert [line.rule for line in told] == ["table full"] * (when_full == "closed")
    assert [line.finding for line in told] == [{"flows": "1"}] * len(told)
    assert engine.receive(Talk(2).syn(), 4.5, IN) == [first]
    assert len(engine.receive(Talk(2).syn(), 9.0, IN)) == 2
    engine.expire(20.0)
    assert engine.flow_count == 0


def test_an_idle_flow_begins_anew() -> None:
    engine, talk = box(idle_seconds=5.0), Talk()
    for now in (0.0, 4.0, 20.0):
        said = engine.receive(talk.udp(b""), now, IN)
        assert len(said) == (1 if now == 4.0 else 2)
    engine.receive(talk.udp(b""), 24.0, IN)
    engine.expire(26.0)
    assert engine.flow_count == 1


def test_a_new_syn_opens_a_flow_anew_unless_it_was_dropped() -> None:
    for name, lengths in (("other.example", 1), ("blocked.example", 1)):
        engine, talk = box(rule(SNI, Drop())), Talk()
        opened(engine, talk)
        engine.receive(talk.send(hello(name.encode())), 0.0, IN)
        again = engine.receive(talk.tcp(b"", "S", 77, 0), 1.0, IN)
        assert len(again) == lengths
        assert again[0] == (Forward() if name == "other.example" else DropFrame())


def test_fragments_go_by_address_alone() -> None:
    ip = IP(src=CLIENT, dst=SERVER, flags="MF")
    frame = bytes(ETHER / ip / UDP(dport=53) / query())
    dns = rule(None, InjectDns())
    assert box(dns).receive(frame, 0.0, IN) == [Forward()]
    engine = box(rule(ports(53), Drop()), rule(PREFIX, Drop(), name="prefix"))
    said = engine.receive(frame, 0.0, IN)
    assert without_log(said) == [DropFrame()] and log(said).rule == "prefix"
    tcp = bytes(ETHER / ip / TCP())
    engine = box(rule(None, Reset()))
    assert engine.receive(tcp, 0.0, IN) == engine.receive(tcp, 0.0, IN) == [Forward()]


def test_reset_follows_data_that_came_early() -> None:
    engine, talk = box(rule(SNI, Reset(to=Ends.SERVER))), Talk()
    opened(engine, talk)
    start, whole = talk.seq, hello()
    late = talk.tcp(whole[60:], "PA", start + 60, talk.ack)
    assert engine.receive(late, 0.0, IN) == [Forward()]
    said = engine.receive(talk.tcp(whole[:60], "PA", start, talk.ack), 0.0, IN)
    assert injected(said)[0][1].seq == start + len(whole)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 90)), max_size=6))
def test_never_raises(mutations: list[tuple[bytes, int]]) -> None:
    action = rule(names("blocked.example"), Reset())
    page = rule(networks("0.0.0.0/1"), InjectHttp(body="x"))
    engine = box(action, page, rule(None, InjectDns()), needs_syn=False)
    seeds = [Talk().send(hello()), Talk().udp(query()), Talk(six=True).send(request())]
    for number, (bytes_, at) in enumerate(mutations):
        seed = seeds[number % 3]
        frame = seed[:at] + bytes_ + seed[at + len(bytes_) :]
        said = engine.receive(frame, float(number), IN)
        assert sum(isinstance(e, Forward | DropFrame) for e in said) == 1
        assert all(dissect(e.frame) for e in said if hasattr(e, "frame"))


def test_a_bare_acknowledgement_says_nothing() -> None:
    engine, talk = box(rule(SNI, Drop()), needs_syn=False), Talk()
    for _ in range(2):
        said = engine.receive(talk.tcp(b"", "A", talk.seq, talk.ack), 0.0, IN)
        assert said == [Forward()]
    assert engine.receive(talk.send(hello()), 0.0, IN)[0] == DropFrame()


def test_one_recogniser_more_may_still_speak() -> None:
    rules = (
        rule(SNI, Drop()),
        rule(names("blocked.example", field="http.host"), Drop()),
    )
    engine, talk = box(*rules), Talk()
    opened(engine, talk)
    first, rest = hello()[:60], hello()[60:]
    assert engine.receive(talk.send(first), 0.0, IN) == [Forward()]
    assert engine.receive(talk.send(rest), 0.0, IN)[0] == DropFrame()


def test_repeats_itself_from_the_same_chances() -> None:
    frames = [Talk().syn(), Talk().send(hello())]
    runs = [
        [engine.receive(frame, 0.0, IN) for frame in frames]
        for engine in (box(rule(SNI, Reset())), box(rule(SNI, Reset())))
    ]
    assert runs[0] == runs[1]
