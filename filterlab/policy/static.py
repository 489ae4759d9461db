"""Picks the rules that a switch can carry out alone, from addresses and ports only.

Only the leading rules of a policy qualify: whatever comes after a rule that must look
at a flow may have to wait for it. A switch sees no flows, so the reverse direction of
each match is to be dropped by its source; that also stops what the listed server
might send of its own accord.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from filterlab.inspection.fields import FIELDS
from filterlab.inspection.flow import PROTOCOL_NAMES, TCP, UDP
from filterlab.policy.rules import (
    AllOf,
    AnyOf,
    Condition,
    Drop,
    Match,
    Networks,
    Numbers,
    Policy,
    Position,
    Rule,
    Shutdown,
    Texts,
    Wanted,
)

Network = IPv4Network | IPv6Network

_MOST_PORTS = 128  # a wider range costs more entries than it is worth
_NUMBER_OF = {name: number for number, name in PROTOCOL_NAMES.items()}


@dataclass(frozen=True, slots=True)
class StaticMatch:
    """Packets of clients in `src_net` to servers in `dst_net`, and the answers.

    None stands for any. With `dst_port`, `protocol` is TCP or UDP.
    """

    src_net: Network | None = None
    dst_net: Network | None = None
    protocol: int | None = None
    dst_port: int | None = None


@dataclass(frozen=True, slots=True)
class StaticDrop:
    """One match and the rule that it comes from."""

    rule: Rule
    match: StaticMatch


def static_drops(policy: Policy) -> list[StaticDrop]:
    """What a switch may drop unseen, in the order of the rules."""
    if policy.position is not Position.IN_PATH:
        return []
    drops: list[StaticDrop] = []
    for rule in policy.rules:
        then = rule.then
        if not isinstance(then, Drop | Shutdown) or rule.residual is not None:
            break
        if not rule.always or (isinstance(then, Drop) and not then.at_once):
            break  # the engine must see who it is for, and when
        matches = _matches(rule.when)
        if matches is None:
            break
        drops += [StaticDrop(rule, match) for match in matches]
    return drops


def _matches(condition: Condition | None) -> list[StaticMatch] | None:
    match condition:
        case None:
            return [StaticMatch()]
        case Match():
            return _of_match(FIELDS[condition.field].key, condition.wanted)
        case AnyOf(parts):
            found: list[StaticMatch] = []
            for part in parts:
                if (some := _matches(part)) is None:
                    return None
                found += some
            return found
        case AllOf(parts):
            both: list[StaticMatch] = [StaticMatch()]
            for part in parts:
                if (some := _matches(part)) is None:
                    return None
                both = [m for a in both for b in some if (m := _both(a, b))]
            return both
    return None


def _of_match(key: str, wanted: Wanted) -> list[StaticMatch] | None:
    match key, wanted:
        case "ip.src", Networks():
            return [StaticMatch(src_net=network) for network in _networks(wanted)]
        case "ip.dst", Networks():
            return [StaticMatch(dst_net=network) for network in _networks(wanted)]
        case "ip.addr", Networks():
            either = list(_networks(wanted))
            return [StaticMatch(src_net=network) for network in either] + [
                StaticMatch(dst_net=network) for network in either
            ]
        case "ip.proto", Texts(patterns):
            if not all(pattern in _NUMBER_OF for pattern in patterns):
                return None
            return [StaticMatch(protocol=_NUMBER_OF[pattern]) for pattern in patterns]
        case (("tcp.dstport" | "udp.dstport" | "port"), Numbers()):
            return _of_ports(key, wanted)
    return None


def _of_ports(key: str, wanted: Numbers) -> list[StaticMatch] | None:
    if sum(high - low + 1 for low, high in wanted.ranges) > _MOST_PORTS:
        return None
    ports = set(wanted.single)
    for low, high in wanted.ranges:
        ports.update(range(low, high + 1))
    protocols = {"tcp.dstport": (TCP,), "udp.dstport": (UDP,)}.get(key, (TCP, UDP))
    return [
        StaticMatch(protocol=protocol, dst_port=port)
        for port in sorted(ports)
        for protocol in protocols
    ]


def _networks(wanted: Networks) -> Iterator[Network]:
    for (version, length), networks in sorted(wanted.by_length.items()):
        for number in sorted(networks):
            if version == 4:
                yield IPv4Network((number, length))
            else:
                yield IPv6Network((number, length))


def _both(one: StaticMatch, other: StaticMatch) -> StaticMatch | None:
    """What both say; None if nothing can be both."""
    try:
        return StaticMatch(
            _narrower(one.src_net, other.src_net),
            _narrower(one.dst_net, other.dst_net),
            _same(one.protocol, other.protocol),
            _same(one.dst_port, other.dst_port),
        )
    except _NothingError:
        return None


class _NothingError(Exception):
    """Two demands that no packet meets at once."""


def _same(one: int | None, other: int | None) -> int | None:
    if one is not None and other is not None and one != other:
        raise _NothingError
    return other if one is None else one


def _narrower(one: Network | None, other: Network | None) -> Network | None:
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return _inner(one, other, one.subnet_of(other), other.subnet_of(one))
    if isinstance(one, IPv6Network) and isinstance(other, IPv6Network):
        return _inner(one, other, one.subnet_of(other), other.subnet_of(one))
    raise _NothingError


def _inner(one: Network, other: Network, in_other: bool, in_one: bool) -> Network:
    if in_other:
        return one
    if in_one:
        return other
    raise _NothingError
