"""Follows a packet through a topology, hop by hop, as its routing tables would.

The tables are read from the nodes' own `ip address add` and `ip route add` lines
(ip-address(8), ip-route(8)), so the map cannot disagree with the network: longest
prefix first, then the lowest metric.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)

import networkx as nx

from filterlab.map.graph import BRIDGES

Address = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

MAX_HOPS = 64  # the TTL that Linux sends with: whatever goes further is in a loop
_REFUSALS = frozenset(("blackhole", "unreachable", "prohibit", "throw"))
_TYPES = _REFUSALS | {"unicast", "local", "onlink"}
_REPLACES = frozenset(("replace", "change"))
_ADDS = _REPLACES | {"add", "append"}


class NoRoute(Exception):  # noqa: N818 - it is the network's answer, not a fault
    """No packet gets from here to there; the text says where it ends."""


@dataclass(frozen=True, slots=True)
class Route:
    """One line of a routing table; `refused` routes drop what they match."""

    network: IPNetwork
    gateway: Address | None = None
    interface: str | None = None
    metric: int = 0
    refused: bool = False


@dataclass(slots=True)
class Table:
    """What one node knows: its own addresses, and routes, the best first."""

    addresses: set[Address] = field(default_factory=set)
    routes: list[Route] = field(default_factory=list)

    def forget(self, route: Route) -> None:
        """Drop the routes that this one takes the place of."""
        key = (route.network, route.metric)
        self.routes = [r for r in self.routes if (r.network, r.metric) != key]

    def look_up(self, target: Address) -> Route | None:
        """The route that a packet to this address takes."""
        for route in self.routes:
            if route.network.version == target.version and target in route.network:
                return route
        return None


class Routing:
    """The routing tables of a whole graph."""

    def __init__(self, graph: nx.Graph) -> None:
        self.graph = graph
        self._tables = {
            name: table_of(node["commands"], node["addresses"])
            for name, node in graph.nodes(data=True)
        }

    def address(self, name: str, version: int = 4) -> Address:
        """The address that a node is known by."""
        for text in self.graph.nodes[name]["addresses"]:
            address = ip_address(text)
            if address.version == version:
                return address
        raise NoRoute(f"{name} has no IPv{version} address")

    def path(self, source: str, target: str, version: int = 4) -> tuple[str, ...]:
        """All nodes from source to target, exchanges and switches among them.

        The way back may be another one. Raises `NoRoute`.
        """
        return self.path_to(source, self.address(target, version))

    def path_to(self, source: str, goal: Address) -> tuple[str, ...]:
        """All nodes that a packet from source to this address passes."""
        passed = [source]
        for _ in range(MAX_HOPS):
            here = passed[-1]
            if goal in self._tables[here].addresses:
                return tuple(passed)
            passed += self._next(here, goal)
        raise NoRoute(f"a packet from {source} to {goal} goes round in a loop")

    def _next(self, here: str, goal: Address) -> tuple[str, ...]:
        """What a packet passes up to and including the next node that routes."""
        route = self._tables[here].look_up(goal)
        if route is None:
            raise NoRoute(f"{here} has no route to {goal}")
        if route.refused:
            raise NoRoute(f"{here} refuses packets to {goal}")
        towards = route.gateway or goal
        interface = route.interface or self._interface_for(here, towards)
        found = []
        for ways in self._neighbours(here, interface):
            if towards in self._tables[ways[-1]].addresses:
                return ways
            found.append(ways)
        # A link-local gateway stands in no command: the kernel makes it up.
        if towards.is_link_local and len(found) == 1:
            return found[0]
        raise NoRoute(f"{here} finds nobody with the address {towards}")

    def _interface_for(self, here: str, gateway: Address) -> str | None:
        for route in self._tables[here].routes:
            if route.network.version == gateway.version and gateway in route.network:
                return route.interface
        return None

    def _neighbours(
        self, here: str, interface: str | None
    ) -> Iterator[tuple[str, ...]]:
        """Ways to every routing node of the segment behind an interface."""
        waiting: deque[tuple[str, ...]] = deque()
        for neighbour, edge in self.graph.adj[here].items():
            if interface in (None, edge["interfaces"][here]):
                waiting.append((neighbour,))
        seen = {here}
        while waiting:
            way = waiting.popleft()
            last = way[-1]
            if last in seen:
                continue
            seen.add(last)
            if self.graph.nodes[last]["role"] in BRIDGES:
                waiting += [(*way, beyond) for beyond in self.graph.adj[last]]
            else:
                yield way


def table_of(commands: Iterable[str], addresses: Iterable[str] = ()) -> Table:
    """The routing table that these lines of iproute2 make."""
    table = Table({ip_address(address) for address in addresses})
    for line in commands:
        words = [word for word in line.split() if not word.startswith("-")]
        words = words[1:] if words[:1] == ["ip"] else words
        if len(words) < 3 or words[1] not in _ADDS:
            continue
        if "address".startswith(words[0]):
            _add_address(table, words[2:])
        elif "route".startswith(words[0]) and "table" not in words:
            _add_route(
                table,
                _route(words[2:], version=6 if "-6" in line else 4),
                in_place=words[1] == "replace",
            )
    table.routes.sort(key=lambda route: (-route.network.prefixlen, route.metric))
    return table


def _add_route(table: Table, route: Route, in_place: bool) -> None:
    """Add a route; with `in_place`, instead of the one to the same network."""
    place = route.network, route.metric
    if in_place:
        table.routes = [r for r in table.routes if (r.network, r.metric) != place]
    table.routes.append(route)


def _add_address(table: Table, words: list[str]) -> None:
    table.addresses.add(ip_interface(words[0]).ip)
    # With a peer, it is the peer's prefix that the kernel makes a route to.
    joined = ip_interface(_after(words, "peer") or words[0]).network
    table.routes.append(Route(joined, interface=_after(words, "dev")))


def _route(words: list[str], version: int) -> Route:
    refused = words[0] in _REFUSALS
    words = words[1:] if words[0] in _TYPES else words
    via = _after(words, "via")
    gateway = ip_address(via) if via else None
    if words[0] == "default":
        six = gateway.version == 6 if gateway else version == 6
        network = ip_network("::/0" if six else "0.0.0.0/0")
    else:
        network = ip_network(words[0], strict=False)
    metric = int(_after(words, "metric") or 0)
    return Route(network, gateway, _after(words, "dev"), metric, refused)


def _after(words: list[str], keyword: str) -> str | None:
    """The word behind a keyword (behind its family name, as in `via inet6 ...`)."""
    if keyword not in words:
        return None
    rest = [w for w in words[words.index(keyword) + 1 :] if w not in ("inet", "inet6")]
    return rest[0] if rest else None
