"""Blocking that goes on after a rule has struck."""

from __future__ import annotations

from typing import Any

import pytest

from filterlab.policy.effects import DropFrame, Forward, Log, Settle
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Drop, InjectDns, Position, Probe, Reset, Residual
from filterlab.policy.verdict import Verdict
from tests.inspection.wire import Talk, hello, query
from tests.policy.boxes import IN, OUT, SNI, box, injected, key, log, opened, rule


def _struck(residual: Residual, then: Any = None, **more: Any) -> tuple[Engine, Talk]:
    engine, talk = box(rule(SNI, then or Drop(), residual), **more), Talk()
    opened(engine, talk)
    engine.receive(talk.send(hello()), 0.0, IN)
    return engine, talk


def test_tells_the_switch_the_whole_key() -> None:
    residual = Residual("3-tuple", 60.0, to_client=False)
    engine, talk = box(rule(SNI, Drop(), residual)), Talk()
    opened(engine, talk)
    said = engine.receive(talk.send(hello()), 0.0, IN)
    assert said[:-1] == [
        DropFrame(),
        Settle(
            key(talk),
            "drop",
            match="3-tuple",
            to_client=False,
            seconds=60.0,
            idle_seconds=0.0,
        ),
    ]
    assert engine.receive(talk.reply(b"x"), 1.0, OUT) == [
        Forward(),
        Settle(key(talk), "forward"),
    ]


@pytest.mark.parametrize(
    ("kind", "port", "server_port", "blocks"),
    [
        ("2-tuple", 2, 80, True),
        ("server-port", 2, 443, True),
        ("server-port", 2, 80, False),
        ("3-tuple", 2, 443, True),
        ("3-tuple", 2, 80, False),
        ("4-tuple", 40_000, 443, True),
        ("4-tuple", 2, 443, False),
    ],
)
def test_meets_later_flows_of_its_key(
    kind: Any, port: int, server_port: int, blocks: bool
) -> None:
    engine, _ = _struck(Residual(kind, 60.0))
    said = engine.receive(Talk(port, server_port).syn(), 30.0, IN)
    assert (said[0] == DropFrame()) is blocks
    if blocks and port == 2:
        assert log(said).residual and log(said).action == "drop"
        again = engine.receive(Talk(port, server_port).syn(), 31.0, IN)
        assert again == [DropFrame()]


def test_the_switch_tells_of_a_flow_that_meets_it_once() -> None:
    engine, _ = _struck(Residual("server-port", 60.0))
    other = Talk(2)
    said = engine.receive(other.syn(), 20.0, IN)
    assert said[0] == DropFrame()
    assert said[1] == Settle(key(other), "drop", seconds=40.0, idle_seconds=0.0)
    assert log(said).residual
    armed, _ = _struck(Residual("server-port", 60.0, rearm=True))
    assert len(armed.receive(Talk(2).syn(), 20.0, IN)) == 2  # dropped, and logged


def test_blocks_for_everybody_what_the_prober_has_confirmed() -> None:
    probe = rule(SNI, Probe(("openvpn",), block=Residual("server-port", 60.0)))
    engine, talk = box(probe), Talk()
    opened(engine, talk)
    engine.receive(talk.send(hello()), 0.0, IN)
    assert engine.receive(talk.send(b"more"), 1.0, IN) == [Forward()]
    why = {"prober": "openvpn"}
    listed, line = engine.expose(probe, key(talk), why, 2.0)
    assert listed == Settle(
        key(talk), "drop", match="server-port", seconds=60.0, idle_seconds=0.0
    )
    assert isinstance(line, Log) and line.decision.verdict is Verdict.EXPOSED
    assert engine.receive(talk.send(b"more"), 3.0, IN)[0] == DropFrame()
    blocked = engine.receive(Talk(2).syn(), 4.0, IN)
    assert blocked[0] == DropFrame()
    assert log(blocked).finding == why
    assert engine.receive(Talk(2, 80).syn(), 4.0, IN)[0] == Forward()
    assert engine.receive(Talk(3).syn(), 62.0, IN)[0] == Forward()


def test_ends_with_its_time() -> None:
    engine, talk = _struck(Residual("4-tuple", 60.0))
    assert engine.receive(talk.send(b"x"), 59.0, IN) == [DropFrame()]
    assert engine.receive(talk.send(b"x"), 60.0, IN)[0] == Forward()
    assert engine.receive(talk.send(b"x"), 61.0, IN) == [Forward()]


def test_a_packet_that_meets_it_rearms_it() -> None:
    engine, talk = box(rule(SNI, Drop(), Residual("4-tuple", 60.0, rearm=True))), Talk()
    opened(engine, talk)
    said = engine.receive(talk.send(hello()), 0.0, IN)
    assert said[1] == Settle(
        key(talk), "drop", match="4-tuple", seconds=None, idle_seconds=60.0
    )
    for now in (50.0, 100.0):
        assert engine.receive(talk.send(b"x"), now, IN) == [DropFrame()]
    engine.expire(170.0)
    assert engine.receive(talk.send(b"x"), 171.0, IN)[0] == Forward()


def test_begins_late_and_then_tells_the_switch() -> None:
    engine, talk = (
        box(rule(SNI, Drop(), Residual("3-tuple", 60.0, onset_seconds=1.0))),
        Talk(),
    )
    opened(engine, talk)
    assert engine.receive(talk.send(hello()), 0.0, IN)[:-1] == [Forward()]
    later = Talk(2)
    assert engine.receive(later.syn(), 0.5, IN) == [Forward()]
    said = engine.receive(later.syn_ack(), 11.0, OUT)
    assert said[0] == DropFrame() and isinstance(said[1], Settle)
    assert said[1].seconds == 50.0


def test_happens_with_its_probability() -> None:
    for chance, blocks in ((0.2, True), (0.9, False)):
        engine, _ = _struck(
            Residual("3-tuple", 60.0, probability=0.5), chances=[chance]
        )
        said = engine.receive(Talk(2).syn(), 1.0, IN)
        assert (said[0] == DropFrame()) is blocks


def test_resets_later_connections_after_their_handshake() -> None:
    residual = Residual("3-tuple", 90.0, mechanism="reset")
    engine, _ = _struck(residual, Reset())
    later = Talk(2)
    assert opened(engine, later, 5.0) == [Forward(), Forward()]
    said = engine.receive(later.send(b""), 5.0, IN)
    assert said[0] == Forward() and len(injected(said)) == 2
    assert log(said).residual and log(said).action == "reset"
    assert len(injected(engine.receive(later.send(b"x"), 6.0, IN))) == 2
    engine, _ = _struck(residual, Reset(then_drop=True))
    assert engine.receive(Talk(2).send(b"x"), 5.0, IN)[0] == DropFrame()
    engine, _ = _struck(residual)
    assert len(injected(engine.receive(Talk(2).send(b"x"), 5.0, IN))) == 2


def test_a_dns_socket_meets_the_block_too() -> None:
    engine = box(rule(None, InjectDns(), Residual("2-tuple", 5.0)))
    talk = Talk(server_port=53)
    said = engine.receive(talk.udp(query()), 0.0, IN)
    assert said[0] == DropFrame() and len(injected(said)) == 1
    assert engine.receive(talk.udp(query()), 1.0, IN) == [DropFrame()]
    said = engine.receive(talk.udp(query()), 6.0, IN)
    assert len(injected(said)) == 1


def test_a_residual_box_null_routes_what_comes_later() -> None:
    engine, talk = _struck(Residual("3-tuple", 60.0), position=Position.RESIDUAL)
    assert engine.receive(talk.send(b"x"), 1.0, IN) == [DropFrame()]


def test_a_box_beside_the_path_resets_only() -> None:
    residual = Residual("3-tuple", 60.0, mechanism="reset")
    engine, _ = _struck(residual, Reset(), position=Position.ON_PATH)
    said = engine.receive(Talk(2).send(b"x"), 1.0, IN)
    assert len(injected(said)) == 2 and len(said) == 3
