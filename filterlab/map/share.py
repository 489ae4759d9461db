"""Which exchange sees what share of the traffic between clients and services.

A pair of a client and a service weighs as much as the client has subscribers. The
ways are those of the routing tables, there and back apart: an exchange that sees one
direction only cannot do what one can that sees both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import networkx as nx

from filterlab.map.graph import BRIDGES, EXCHANGE, exchanges_of
from filterlab.map.route import Routing


@dataclass(frozen=True, slots=True)
class Crossing:
    """One passage through an exchange.

    `direction` is "outward" (inside to outside), "inward", or "within" where the
    packet leaves on the side that it came from. `hop` counts the routers before.
    """

    exchange: str
    direction: str
    hop: int


@dataclass(frozen=True, slots=True)
class Way:
    """One direction of a pair: every node passed, and what that takes."""

    nodes: tuple[str, ...]
    crossings: tuple[Crossing, ...]
    hops: int
    seconds: float

    @property
    def exchanges(self) -> tuple[str, ...]:
        """The exchanges passed, in order."""
        return tuple(crossing.exchange for crossing in self.crossings)


@dataclass(frozen=True, slots=True)
class Journey:
    """A client and a service, and the ways there and back."""

    client: str
    client_place: str
    service: str
    service_place: str
    subscribers: int
    there: Way
    back: Way

    @property
    def round_trip_seconds(self) -> float:
        """What the links alone delay a question and its answer."""
        return self.there.seconds + self.back.seconds

    @property
    def exchanges(self) -> frozenset[str]:
        """The exchanges that see any of it."""
        return frozenset(self.there.exchanges + self.back.exchanges)


@dataclass(frozen=True, slots=True)
class ExchangeShare:
    """Shares (0 to 1) of all pairs, by subscribers, that one exchange sees."""

    exchange: str
    sees: float
    both: float  # questions and answers
    outbound_only: float  # only what clients send
    inbound_only: float  # only what services send
    pairs: int


@dataclass(frozen=True, slots=True)
class ChokePoint:
    """A node, or a link as "a - b", that much depends on.

    `carries` is the share of pairs routed through it, `cuts` the share that would
    have no other way at all without it, and `cut_off` those pairs, as indices into
    the report's journeys.
    """

    name: str
    role: str
    carries: float
    cuts: float
    cut_off: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MapReport:
    """What the map of one scenario says."""

    journeys: tuple[Journey, ...]
    exchanges: tuple[ExchangeShare, ...]
    choke_points: tuple[ChokePoint, ...]

    @property
    def uncrossed(self) -> tuple[str, ...]:
        """Exchanges that no pair crosses: a policy there could not do anything."""
        return tuple(share.exchange for share in self.exchanges if not share.pairs)

    @property
    def free(self) -> tuple[Journey, ...]:
        """The pairs that cross no exchange."""
        return tuple(journey for journey in self.journeys if not journey.exchanges)

    @property
    def free_share(self) -> float:
        """The share of pairs, by subscribers, that cross no exchange."""
        return _share(self.journeys, lambda journey: not journey.exchanges)

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON object."""
        return {
            **asdict(self),
            "uncrossed": list(self.uncrossed),
            "free": [[journey.client, journey.service] for journey in self.free],
            "free_share": self.free_share,
        }


def describe(
    graph: nx.Graph, pairs: Iterable[tuple[str, str]], version: int = 4
) -> MapReport:
    """The map of these (client, service) pairs of hosts; raises `NoRoute`."""
    routing = Routing(graph)
    unique = dict.fromkeys(pairs)
    journeys = tuple(_journey(routing, *pair, version) for pair in unique)
    return MapReport(
        journeys,
        tuple(_exchange_share(name, journeys) for name in exchanges_of(graph)),
        _choke_points(graph, journeys),
    )


def path(graph: nx.Graph, client: str, service: str) -> tuple[str, ...]:
    """All nodes on the way from one host to another; raises `NoRoute`."""
    return Routing(graph).path(client, service)


def round_trip_seconds(graph: nx.Graph, client: str, service: str) -> float:
    """What the links delay a question and its answer; raises `NoRoute`."""
    return _journey(Routing(graph), client, service, 4).round_trip_seconds


def _journey(routing: Routing, client: str, service: str, version: int) -> Journey:
    nodes = routing.graph.nodes
    return Journey(
        client,
        nodes[client]["place"],
        service,
        nodes[service]["place"],
        nodes[client]["subscribers"] or 1,  # a host that stands for itself
        _way(routing.graph, routing.path(client, service, version)),
        _way(routing.graph, routing.path(service, client, version)),
    )


def _way(graph: nx.Graph, nodes: tuple[str, ...]) -> Way:
    crossings = []
    hops = 0
    for before, node, after in zip(nodes, nodes[1:], (*nodes[2:], ""), strict=False):
        role = graph.nodes[node]["role"]
        if role == EXCHANGE and after:
            came = graph.edges[before, node]["sides"].get(node, "")
            left = graph.edges[node, after]["sides"].get(node, "")
            crossings.append(Crossing(node, _direction(came, left), hops))
        if role not in BRIDGES:
            hops += 1
    links = pairwise(nodes)
    seconds = sum(graph.edges[link]["delay_seconds"] for link in links)
    return Way(nodes, tuple(crossings), hops, seconds)


def _direction(came: str, left: str) -> str:
    if came == left:
        return "within"
    return "outward" if came == "inside" or left == "outside" else "inward"


def _share(journeys: Iterable[Journey], wanted: Callable[[Journey], bool]) -> float:
    """The share of journeys, by subscribers, of which something is true."""
    total = hit = 0
    for journey in journeys:
        total += journey.subscribers
        hit += journey.subscribers if wanted(journey) else 0
    return hit / total if total else 0.0


def _exchange_share(name: str, journeys: tuple[Journey, ...]) -> ExchangeShare:
    def seen(there: bool, back: bool) -> float:
        return _share(
            journeys,
            lambda journey: (
                (name in journey.there.exchanges) is there
                and (name in journey.back.exchanges) is back
            ),
        )

    return ExchangeShare(
        name,
        sees=_share(journeys, lambda journey: name in journey.exchanges),
        both=seen(True, True),
        outbound_only=seen(True, False),
        inbound_only=seen(False, True),
        pairs=sum(name in journey.exchanges for journey in journeys),
    )


def _choke_points(
    graph: nx.Graph, journeys: tuple[Journey, ...]
) -> tuple[ChokePoint, ...]:
    """Nodes and links that cut pairs when they are gone, the worst first."""
    ends = {end for journey in journeys for end in (journey.client, journey.service)}
    points = [
        _choke_point(
            node,
            graph.nodes[node]["role"],
            _carried(journeys, (node,)),
            nx.restricted_view(graph, [node], []),
            journeys,
        )
        for node in set(nx.articulation_points(graph)) - ends
    ]
    points += [
        _choke_point(
            " - ".join(sorted(link)),
            "link",
            _carried(journeys, link),
            nx.restricted_view(graph, [], [link]),
            journeys,
        )
        for link in nx.bridges(graph)
        if ends.isdisjoint(link)  # a host's own line is no choke point
    ]
    found = [point for point in points if point.cuts]
    order = sorted(found, key=lambda p: (-p.cuts, p.role == "link", p.name))
    return tuple(order)


def _carried(journeys: tuple[Journey, ...], through: tuple[str, ...]) -> float:
    """The share of pairs that pass a node, or both ends of a link in a row."""
    wanted = set(through)

    def passes(journey: Journey) -> bool:
        return any(
            wanted == {one, two} or wanted == {one} or wanted == {two}
            for nodes in (journey.there.nodes, journey.back.nodes)
            for one, two in pairwise(nodes)
        )

    return _share(journeys, passes)


def _choke_point(
    name: str,
    role: str,
    carries: float,
    rest: nx.Graph,
    journeys: tuple[Journey, ...],
) -> ChokePoint:
    """What is cut when only the rest of the graph is left."""
    part_of = {
        node: number
        for number, part in enumerate(nx.connected_components(rest))
        for node in part
    }

    def apart(journey: Journey) -> bool:
        return part_of[journey.client] != part_of[journey.service]

    cut_off = tuple(i for i, journey in enumerate(journeys) if apart(journey))
    return ChokePoint(name, role, carries, _share(journeys, apart), cut_off)
