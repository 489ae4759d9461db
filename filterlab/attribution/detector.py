"""Three tests for a VPN, each a pure function of what somebody has written down.

    registry        the service's log: a visit from an address that nobody handed over
    hairpin         the exchange's records: a subscriber's connection to X, and, begun
                    while it lasts, one of X to the service that carries as much
    two addresses   the service's log: one account from two addresses within a time

Source: the research's censors.md, section 4.5; the real algorithm is not published.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from filterlab.attribution.registry import Registry

REGISTRY, HAIRPIN, TWO_ADDRESSES = "registry", "hairpin", "two addresses"
TOGETHER = "together"  # whoever is found by any of the three
TESTS = (REGISTRY, HAIRPIN, TWO_ADDRESSES, TOGETHER)


@dataclass(frozen=True, slots=True)
class Visit:
    """A line of the service's log: which account, from where, when."""

    account: str
    address: str
    port: int
    at_seconds: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """A connection that crossed the exchange; `inside` is the end in the country."""

    inside: str
    outside: str
    outside_port: int
    start_seconds: float
    end_seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts as a match.

    `volume` are the least and the most of the tunnel's bytes to those of the visit;
    `same_address` asks that the tunnel lead to the address that the visit comes from.
    """

    within_seconds: float
    volume: tuple[float, float]
    period_seconds: float
    same_address: bool = True


@dataclass(frozen=True, slots=True)
class Hairpin:
    """A visit that came back in: whose account, by which exit, of which subscriber."""

    account: str
    exit: str
    subscriber: str
    volume: float


def strangers(visits: Iterable[Visit], registry: Registry) -> set[str]:
    """The accounts with a visit from an address that nobody handed over."""
    return {one.account for one in visits if not registry.holds(one.address)}


def hairpins(
    visits: Iterable[Visit],
    crossings: Sequence[Crossing],
    service: Collection[str],
    terms: Terms,
) -> list[Hairpin]:
    """The visits that a subscriber's own connection outwards explains.

    `service` are the addresses of the service. A visit and its connection across the
    exchange are known for one by address and port.
    """
    back = {
        (one.outside, one.outside_port): one
        for one in crossings
        if one.inside in service
    }
    out = [one for one in crossings if one.inside not in service]
    found = []
    for visit in visits:
        inward = back.get((visit.address, visit.port))
        if inward is None:
            continue
        for outward in out:
            if _explains(outward, inward, terms):
                volume = outward.bytes / inward.bytes
                found.append(
                    Hairpin(visit.account, visit.address, outward.inside, volume)
                )
    return found


def _explains(outward: Crossing, inward: Crossing, terms: Terms) -> bool:
    if terms.same_address and outward.outside != inward.outside:
        return False
    # How long a visit lasts is of no use: a straggler of its packets may come late.
    within = terms.within_seconds
    begun = outward.start_seconds - within <= inward.start_seconds
    if not begun or inward.start_seconds > outward.end_seconds + within:
        return False
    if not inward.bytes:
        return False
    least, most = terms.volume
    return least <= outward.bytes / inward.bytes <= most


def in_two_places(visits: Iterable[Visit], period_seconds: float) -> set[str]:
    """The accounts that were seen from two addresses within a time."""
    by_account: dict[str, list[Visit]] = {}
    for visit in visits:
        by_account.setdefault(visit.account, []).append(visit)
    return {
        account
        for account, seen in by_account.items()
        if any(
            one.address != other.address
            and abs(one.at_seconds - other.at_seconds) <= period_seconds
            for one, other in combinations(seen, 2)
        )
    }


def detect(
    visits: Sequence[Visit],
    crossings: Sequence[Crossing],
    service: Collection[str],
    registries: Mapping[str, Registry],
    terms: Terms,
) -> dict[tuple[str, str], frozenset[str]]:
    """The accounts that each test finds, by the test and the registry it was given.

    The registry is "" for a test that needs none.
    """
    turned = {one.account for one in hairpins(visits, crossings, service, terms)}
    doubled = in_two_places(visits, terms.period_seconds)
    found: dict[tuple[str, str], frozenset[str]] = {}
    for name, registry in registries.items():
        strange = strangers(visits, registry)
        found[REGISTRY, name] = frozenset(strange)
        found[TOGETHER, name] = frozenset(strange | turned | doubled)
    found[HAIRPIN, ""] = frozenset(turned)
    found[TWO_ADDRESSES, ""] = frozenset(doubled)
    return dict(sorted(found.items(), key=lambda item: TESTS.index(item[0][0])))
