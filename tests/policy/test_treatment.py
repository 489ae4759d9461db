"""Actions that a switch cannot carry out alone, and rules that are not always on."""

from __future__ import annotations

from datetime import date
from ipaddress import ip_address

import pytest

from filterlab.inspection.checksum import checksums_right
from filterlab.inspection.packet import dissect
from filterlab.policy import effects
from filterlab.policy.effects import DropFrame, Effect, Forward, Inject, Settle
from filterlab.policy.engine import Engine
from filterlab.policy.force import next_change
from filterlab.policy.rules import (
    Delay,
    Drop,
    Ends,
    Freeze,
    Hours,
    Load,
    Match,
    Policy,
    Position,
    Probe,
    Record,
    Redirect,
    Reset,
    Residual,
    Texts,
    Throttle,
)
from filterlab.policy.static import static_drops
from filterlab.policy.verdict import Verdict
from tests.inspection.wire import Talk, extension, hello, hello_message, record
from tests.policy.boxes import (
    IN,
    OUT,
    PREFIX,
    SNI,
    SOURCE,
    box,
    injected,
    key,
    log,
    opened,
    rule,
    settled,
    without_log,
)

MONDAY = 4 * 86_400.0  # 5 January 1970


def _passed(engine: Engine, frames: list[bytes], side: effects.Side = IN) -> list[bool]:
    return [Forward() in engine.receive(frame, 0.0, side) for frame in frames]


def test_drops_after_some_packets() -> None:
    engine, talk = box(rule(SNI, Drop(after_packets=(2, 4))), chances=[0.5]), Talk()
    opened(engine, talk)
    frames = [talk.send(hello()), *(talk.send(b"x") for _ in range(5))]
    assert _passed(engine, frames) == [True] * 4 + [False] * 2
    assert engine.receive(talk.reply(b"x"), 0.0, OUT) == [DropFrame()]


def test_freezes_after_some_bytes_of_one_direction() -> None:
    freeze = Freeze(after_bytes=(2000, 2000), counts="to_client")
    engine, talk = box(rule(PREFIX, freeze)), Talk()
    opened(engine, talk)
    assert all(_passed(engine, [talk.send(b"x" * 1400) for _ in range(5)]))
    down = [talk.reply(b"x" * 1000) for _ in range(3)]
    assert _passed(engine, down, OUT) == [True, True, False]
    said = engine.receive(talk.send(b"x"), 0.0, IN)
    assert said == [DropFrame()]


def test_a_countdown_may_end_in_a_block() -> None:
    then, residual = Drop(after_packets=(1, 1)), Residual("3-tuple", 60.0)
    engine, talk = box(rule(SNI, then, residual)), Talk()
    opened(engine, talk)
    frames = [talk.send(hello()), talk.send(b"x"), talk.send(b"x")]
    assert _passed(engine, frames) == [True, True, False]
    assert engine.receive(Talk(9).syn(), 1.0, IN)[0] == DropFrame()


def test_drops_by_lot() -> None:
    engine = box(rule(PREFIX, Drop(probability=0.3)), chances=[0.9, 0.1, 0.4])
    talk = Talk()
    frames = [talk.syn(), talk.send(b"x"), talk.send(b"x")]
    assert _passed(engine, frames) == [True, False, True]


def test_delays_each_packet_of_a_direction() -> None:
    engine, talk = box(rule(PREFIX, Delay(0.2, to_client=False))), Talk()
    frame = talk.syn()
    said = without_log(engine.receive(frame, 0.0, IN))
    assert said == [DropFrame(), Inject(frame, OUT, 0.2)]
    assert engine.receive(talk.syn_ack(), 0.0, OUT) == [Forward()]


def test_shapes_to_a_rate() -> None:
    shaping = Throttle(80, directions="each", shaping=True, queue_seconds=0.25)
    engine, talk = box(rule(PREFIX, shaping)), Talk()
    engine.receive(talk.syn(), 0.0, IN)
    frames = [talk.send(b"x" * 946) for _ in range(4)]  # 1000 bytes each: 0.1 s
    said = [engine.receive(frame, 0.0, IN) for frame in frames]
    assert said[0] == [Forward()]
    assert said[1] == [DropFrame(), Inject(frames[1], OUT, pytest.approx(0.1))]
    assert said[2][1] == Inject(frames[2], OUT, pytest.approx(0.2))
    assert said[3] == [DropFrame()]
    assert engine.receive(talk.reply(b"x"), 0.0, OUT) == [Forward()]


@pytest.mark.parametrize(
    ("directions", "limited"),
    [
        ("each", [True, True]),
        ("to_client", [False, True]),
        ("to_server", [True, False]),
    ],
)
def test_polices_each_direction(directions: str, limited: list[bool]) -> None:
    then = Throttle(150, directions=directions)  # type: ignore[arg-type]
    said = box(rule(PREFIX, then)).receive(Talk().syn(), 0.0, IN)
    settles = [e for e in said if isinstance(e, Settle)]
    assert [(s.to_server, s.to_client) for s in settles] == [
        (True, False),
        (False, True),
    ]
    assert [s.limit is not None for s in settles] == limited
    assert len({s.limit.share for s in settles if s.limit}) == sum(limited)


@pytest.mark.parametrize("six", [False, True])
def test_redirects_to_another_server_and_back(six: bool) -> None:
    other = ip_address("2001:db8:9::9" if six else "203.0.113.7")
    engine, talk = box(rule(PREFIX, Redirect(other, 8443))), Talk(six=six)
    ((side, led),) = injected(engine.receive(talk.syn(), 0.0, IN))
    assert (side, led.dst, led.dst_port) == (OUT, other.packed, 8443)
    assert checksums_right(led) and led.seq == talk.seq - 1
    # The other server's answer is the client's packet with its ends exchanged.
    frame = bytearray(led.frame)
    ends = led.network + (8 if six else 12)
    size = len(led.src)
    frame[ends : ends + 2 * size] = led.dst + led.src
    at = led.transport
    frame[at : at + 4] = frame[at + 2 : at + 4] + frame[at : at + 2]
    frame[at + 13] = 0x12
    ((side, back),) = injected(engine.receive(bytes(frame), 0.0, OUT))
    assert (side, back.src_port, back.dst_port) == (IN, talk.server_port, talk.port)
    original = dissect(talk.syn())
    assert original is not None and back.src == original.dst
    assert engine.flow_count == 2  # one flow, found by two names
    engine.expire(500.0)
    assert engine.flow_count == 0


def test_records_and_probes_and_goes_on() -> None:
    rules = (
        rule(PREFIX, Record(), name="who"),
        rule(SNI, Probe(), name="what"),
        rule(SNI, Reset()),
    )
    engine, talk = box(*rules), Talk()
    first = engine.receive(talk.syn(), 0.0, IN)
    found = {"ip.dst": "198.18.0.5"}
    assert first[:2] == [Forward(), effects.Record(key(talk), IN, found)]
    assert log(first).action == "record" and log(first).verdict is Verdict.UNDECIDED
    engine.receive(talk.syn_ack(), 0.0, OUT)
    said = engine.receive(talk.send(hello()), 0.0, IN)
    found = {"tls.sni": "blocked.example"}
    assert effects.Probe(key(talk), found, rules[1]) in said
    assert len(injected(said)) == 2
    assert not any(isinstance(e, effects.Record) for e in said)


def test_a_rule_may_strike_in_some_cases_only() -> None:
    for chance, blocks in ((0.2, True), (0.3, False)):
        engine = box(rule(PREFIX, Drop(), probability=0.26), chances=[chance])
        said = engine.receive(Talk().syn(), 0.0, IN)
        assert (DropFrame() in said) is blocks


@pytest.mark.parametrize(
    ("hours", "when", "blocks"),
    [
        (Hours(22 * 3600, 6 * 3600), 23 * 3600, True),
        (Hours(22 * 3600, 6 * 3600), 5 * 3600, True),
        (Hours(22 * 3600, 6 * 3600), 6 * 3600, False),
        (Hours(22 * 3600, 6 * 3600, frozenset({6})), 5 * 3600, True),
        (Hours(22 * 3600, 6 * 3600, frozenset({0})), 5 * 3600, False),
        (Hours(days=frozenset({0})), 12 * 3600, True),
        (Hours(days=frozenset({1})), 12 * 3600, False),
    ],
)
def test_rules_by_the_hour(hours: Hours, when: int, blocks: bool) -> None:
    said = box(rule(PREFIX, Drop(), hours=hours)).receive(
        Talk().syn(), MONDAY + when, IN
    )
    assert (DropFrame() in said) is blocks


def test_flows_are_looked_at_again_when_the_hour_comes() -> None:
    hours = Hours(8 * 3600, 9 * 3600)
    engine, talk = box(rule(PREFIX, Drop(), hours=hours), idle_seconds=9e9), Talk()
    start = MONDAY + 8 * 3600 - 60
    said = engine.receive(talk.syn(), start, IN)
    assert settled(said).action == "forward" and settled(said).seconds == 60
    assert engine.receive(talk.send(b"x"), start + 59, IN) == [Forward()]
    said = engine.receive(talk.send(b"x"), start + 61, IN)
    assert settled(said).action == "drop" and settled(said).seconds == 3599
    assert next_change([hours], start) == 60


def test_rules_by_load() -> None:
    engine = box(rule(PREFIX, Drop(), load=Load(at_least=3)))
    passed = [Forward() in engine.receive(Talk(p).syn(), 0.0, IN) for p in range(5)]
    assert passed == [True, True, False, False, False]
    engine = box(rule(PREFIX, Drop(), load=Load(below=2)))
    passed = [Forward() in engine.receive(Talk(p).syn(), 0.0, IN) for p in range(3)]
    assert passed == [False, True, True]


def test_a_switch_is_not_told_of_what_is_not_always_so() -> None:
    for then, more in (
        (Drop(), {"hours": Hours(0, 9)}),
        (Drop(), {"load": Load(1)}),
        (Drop(after_packets=(1, 1)), {}),
        (Drop(probability=0.5), {}),
    ):
        whole = rule(PREFIX, then, **more)  # type: ignore[arg-type]
        assert not static_drops(Policy("p", "P", SOURCE, rules=(whole,)))


def test_several_resets_of_several_looks() -> None:
    then = Reset(
        to=Ends.CLIENT,
        ttl="mirror",
        ip_id=(7, 9),
        payload=b"no",
        seq_offsets=(0, 1460),
        dont_fragment=False,
        also=(Reset(flags="R", ttl=(9, 9), ip_id=3),),
    )
    engine, talk = box(rule(SNI, then), chances=[0.0, 0.99]), Talk()
    opened(engine, talk)
    said = injected(engine.receive(talk.send(hello()), 0.0, IN))
    looks = [
        (side, p.seq - talk.ack, p.payload, p.frame[18:21].hex()) for side, p in said
    ]
    assert looks[:2] == [(IN, 0, b"no", "000700"), (IN, 1460, b"no", "000900")]
    assert [(side, p.flags, p.ttl) for side, p in said[2:]] == [(IN, 4, 9), (OUT, 4, 9)]
    assert [p.ttl for _, p in said[:2]] == [64, 64]


@pytest.mark.parametrize(
    ("width", "later", "blocks"),
    [
        ("client", Talk(9, 80), True),
        ("server", Talk(9, 80), True),
        ("client", Talk(9, 80, six=True), False),
    ],
)
def test_blocks_by_one_address(width: str, later: Talk, blocks: bool) -> None:
    engine, talk = box(rule(SNI, Drop(), Residual(width, 60.0))), Talk()  # type: ignore[arg-type]
    opened(engine, talk)
    said = engine.receive(talk.send(hello()), 0.0, IN)
    assert settled(said).match == width
    assert (engine.receive(later.syn(), 1.0, IN)[0] == DropFrame()) is blocks


def test_a_block_of_random_length() -> None:
    residual = Residual("3-tuple", 120.0, most_seconds=180.0)
    engine, talk = box(rule(SNI, Drop(), residual), chances=[0.25]), Talk()
    opened(engine, talk)
    assert settled(engine.receive(talk.send(hello()), 0.0, IN)).seconds == 135.0


def _as_of(when: date, field: str, *values: str) -> bool:
    policy = Policy(
        "p",
        "P",
        SOURCE,
        Position.IN_PATH,
        rules=(rule(Match(field, Texts(values)), Drop()),),
        signatures_as_of=when,
    )
    engine, talk = Engine(policy, lambda: 0.5), Talk()
    opened(engine, talk)
    versions = extension(43, b"\2\3\4")
    text = record(hello_message(extension(0xFE0D, b"x"), versions))
    said: list[Effect] = engine.receive(talk.send(text), 0.0, IN)
    return DropFrame() in said


def test_old_signatures_know_no_newer_protocol() -> None:
    assert _as_of(date(2023, 1, 1), "tls.ech", "yes")
    assert not _as_of(date(2020, 8, 1), "tls.ech", "yes")
    assert _as_of(date(2020, 8, 1), "tls.version", "1.3")
    assert not _as_of(date(2017, 1, 1), "tls.version", "1.3")
    assert _as_of(date(2017, 1, 1), "tls.version", "1.2")
