"""Which rules a switch may carry out alone."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from filterlab.policy.position import inability
from filterlab.policy.rules import (
    AllOf,
    AnyOf,
    Drop,
    Match,
    Not,
    Numbers,
    Policy,
    Position,
    Reset,
    Residual,
    Rule,
    Shutdown,
    Texts,
    Throttle,
)
from filterlab.policy.static import StaticMatch, static_drops
from tests.policy.boxes import SNI, SOURCE, networks, ports, rule


def _matches(*rules: Rule, position: Position = Position.IN_PATH) -> list[StaticMatch]:
    policy = Policy("p", "P", SOURCE, position, rules=rules)
    return [drop.match for drop in static_drops(policy)]


def _of(when: Any) -> list[StaticMatch]:
    return _matches(rule(when, Drop()))


_NET, _SIX = ip_network("198.18.0.0/24"), ip_network("2001:db8::/32")
_TCP = Match("ip.proto", Texts(("tcp",)))


def test_single_fields() -> None:
    assert _of(None) == [StaticMatch()]
    assert _of(networks("198.18.0.0/24", "2001:db8::/32")) == [
        StaticMatch(dst_net=_NET),
        StaticMatch(dst_net=_SIX),
    ]
    assert _of(networks("198.18.0.0/24", field="ip.src")) == [StaticMatch(src_net=_NET)]
    assert _of(networks("198.18.0.0/24", field="ip.addr")) == [
        StaticMatch(src_net=_NET),
        StaticMatch(dst_net=_NET),
    ]
    assert _of(_TCP) == [StaticMatch(protocol=6)]
    assert _of(ports(53)) == [
        StaticMatch(protocol=6, dst_port=53),
        StaticMatch(protocol=17, dst_port=53),
    ]
    ranged = Match("udp.dstport", Numbers(frozenset(), ((1, 2),)))
    assert [match.dst_port for match in _of(ranged)] == [1, 2]


def test_parts() -> None:
    inner = networks("198.18.0.7/32")
    outer = networks("198.18.0.0/24")
    for both in (AllOf((inner, outer)), AllOf((outer, inner))):
        assert _of(both) == [StaticMatch(dst_net=ip_network("198.18.0.7/32"))]
    assert _of(AllOf((_TCP, ports(443)))) == [StaticMatch(protocol=6, dst_port=443)]
    assert _of(AllOf((outer, networks("10.0.0.0/8")))) == []
    assert _of(AllOf((outer, networks("::/0")))) == []
    six = networks("2001:db8::/48"), networks("2001:db8::/32")
    assert _of(AllOf(six)) == [StaticMatch(dst_net=ip_network("2001:db8::/48"))]
    assert len(_of(AnyOf((outer, _TCP)))) == 2


def test_what_needs_the_engine_is_left_to_it() -> None:
    for when in (
        SNI,
        Not(_TCP),
        AnyOf((_TCP, SNI)),
        AllOf((_TCP, SNI)),
        Match("ip.proto", Texts(("*",))),
        Match("port", Numbers(frozenset(), ((1, 1000),))),
        ports(6, field="ip.version"),
    ):
        assert _of(when) == []
    plain = rule(_TCP, Shutdown())
    assert len(_matches(plain, rule(SNI, Reset()), plain)) == 1
    assert _matches(rule(_TCP, Drop(), Residual("2-tuple", 9.0))) == []
    assert _matches(plain, position=Position.RESIDUAL) == []


def test_what_a_position_cannot_do() -> None:
    beside, residual = Position.ON_PATH, Position.RESIDUAL
    dropping = Residual("2-tuple", 9.0)
    assert inability(beside, rule(None, Drop()))
    assert inability(beside, rule(None, Throttle(1)))
    assert inability(beside, rule(None, Reset(then_drop=True)))
    assert inability(beside, rule(None, Reset(), dropping))
    assert inability(residual, rule(None, Throttle(1)))
    assert inability(residual, rule(None, Shutdown(), dropping)) is None
    assert inability(beside, rule(None, Reset())) is None
    assert inability(Position.RESOLVER, rule(None, Drop())) is None
