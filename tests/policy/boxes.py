"""Policies and engines for tests, small enough to read beside their transcripts."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

from filterlab.inspection.flow import FlowKey
from filterlab.inspection.packet import Packet, dissect
from filterlab.policy.effects import Effect, Inject, Log, Settle, Side
from filterlab.policy.engine import Engine
from filterlab.policy.rules import (
    Action,
    Condition,
    Match,
    Names,
    Networks,
    Numbers,
    Policy,
    Position,
    Residual,
    Rule,
    Source,
    StackModel,
)
from filterlab.policy.verdict import Decision
from tests.inspection.wire import Talk

SOURCE = Source("policy.yaml", 7)
IN, OUT = Side.INSIDE, Side.OUTSIDE


def names(*listed: str, field: str = "tls.sni") -> Match:
    """A host name condition; `*.x` covers what is below x."""
    exact = frozenset(name for name in listed if not name.startswith("*."))
    below = frozenset(name[2:] for name in listed if name.startswith("*."))
    return Match(field, Names(exact, below))


def networks(*listed: str, field: str = "ip.dst") -> Match:
    """An address condition."""
    by_length: dict[tuple[int, int], frozenset[int]] = {}
    for text in listed:
        net = ip_network(text)
        key = net.version, net.prefixlen
        held = by_length.get(key, frozenset())
        by_length[key] = held | {int(net.network_address)}
    return Match(field, Networks(by_length))


def ports(*listed: int, field: str = "port") -> Match:
    """A port condition."""
    return Match(field, Numbers(frozenset(listed)))


SNI = names("blocked.example")
PREFIX = networks("198.18.0.0/24", "2001:db8:200::/48")


def rule(
    when: Condition | None,
    then: Action,
    residual: Residual | None = None,
    name: str = "list",
    **more: Any,
) -> Rule:
    """One rule."""
    return Rule(name, SOURCE, when, then, residual, **more)


def box(
    *rules: Rule,
    position: Position = Position.IN_PATH,
    chances: Iterable[float] = (),
    **stack: Any,
) -> Engine:
    """An engine whose chances are given, and then always a half."""
    given = iter(chances)
    policy = Policy("test", "Test", SOURCE, position, StackModel(**stack), rules)
    return Engine(policy, lambda: next(given, 0.5))


def opened(engine: Engine, talk: Talk, now: float = 0.0) -> list[Effect]:
    """The handshake of a connection; what the engine said of it."""
    said = engine.receive(talk.syn(), now, IN)
    return said + engine.receive(talk.syn_ack(), now, OUT)


def key(talk: Talk, protocol: int = 6) -> FlowKey:
    """The key of a talk's flow."""
    packet = dissect(talk.udp(b""))
    assert packet is not None
    return FlowKey(protocol, packet.src, talk.port, packet.dst, talk.server_port)


def log(effects: list[Effect]) -> Decision:
    """The one decision among the effects."""
    (decision,) = (e.decision for e in effects if isinstance(e, Log))
    return decision


def injected(effects: list[Effect]) -> list[tuple[Side, Packet]]:
    """The forged packets, and where they leave."""
    found = []
    for effect in effects:
        if isinstance(effect, Inject):
            packet = dissect(effect.frame)
            assert packet is not None
            found.append((effect.towards, packet))
    return found


def settled(effects: list[Effect]) -> Settle:
    """The one settlement among the effects."""
    (settlement,) = (e for e in effects if isinstance(e, Settle))
    return settlement


def without_log(effects: list[Effect]) -> list[Effect]:
    """The effects on the wire."""
    return [e for e in effects if not isinstance(e, Log)]
