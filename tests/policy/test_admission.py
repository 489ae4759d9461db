"""A gate: nobody passes whom its portal has not named, and for so long only."""

from __future__ import annotations

import pytest

from filterlab.policy.admission import Admit
from filterlab.policy.effects import DropFrame, Forward, Log, Record
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Allow, Drop, Match, Texts
from filterlab.policy.verdict import Verdict
from tests.inspection.wire import Talk
from tests.policy.boxes import IN, OUT, box, ports, rule

TOLD = ports(3799, field="udp.dstport")
LET_IN = Match("client.admitted", Texts(("yes",)))
SECONDS = 60.0


def gate(end: str = "server") -> Engine:
    return box(
        rule(TOLD, Admit(SECONDS, end), name="let in"),  # type: ignore[arg-type]
        rule(TOLD, Allow(), name="portal"),
        rule(LET_IN, Allow(), name="known"),
        rule(None, Drop(), name="others"),
    )


def passes(engine: Engine, port: int, now: float, six: bool = False) -> bool:
    said = engine.receive(Talk(port, six=six).syn(), now, IN)
    assert (Forward() in said) != (DropFrame() in said)
    return Forward() in said


@pytest.mark.parametrize("six", [False, True])
def test_the_portals_word_lets_an_address_in_for_a_time(six: bool) -> None:
    engine = gate()
    assert not passes(engine, 40_000, 0.0, six)
    word = Talk(3799, server_port=50_000, six=six).udp(b"admitted", up=False)
    said = engine.receive(word, 1.0, OUT)
    assert Forward() in said
    assert not any(isinstance(effect, Record) for effect in said)
    assert passes(engine, 40_001, 2.0, six)
    assert not passes(engine, 40_002, 2.0, not six)  # the other address is another
    assert not passes(engine, 40_000, 2.0, six)  # what was dropped stays so
    assert passes(engine, 40_003, 1.0 + SECONDS - 0.1, six)
    assert not passes(engine, 40_004, 1.0 + SECONDS, six)
    engine.receive(Talk(3799, server_port=50_001, six=six).udp(b"", up=False), 90, OUT)
    assert passes(engine, 40_005, 91.0, six)


def test_a_rule_may_let_the_client_itself_in_and_says_so() -> None:
    engine = gate("client")
    knock = Talk(40_000, server_port=3799).udp(b"")
    said = engine.receive(knock, 0.0, IN)
    first = next(e.decision for e in said if isinstance(e, Log))
    last = [e.decision for e in said if isinstance(e, Log)][-1]
    assert {first.action, last.action} == {"admit", "allow"}
    assert {first.verdict, last.verdict} == {Verdict.UNDECIDED, Verdict.ALLOW}
    assert passes(engine, 40_001, 1.0)


def test_who_is_let_in_can_be_told_from_who_is_not() -> None:
    not_in = Match("client.admitted", Texts(("no",)))
    engine = box(rule(TOLD, Admit(SECONDS)), rule(not_in, Drop()))
    assert not passes(engine, 40_000, 0.0)
    engine.receive(Talk(40_000, server_port=3799).udp(b""), 0.0, IN)
    assert passes(engine, 40_001, 0.0)
