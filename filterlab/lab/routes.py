"""Where a packet goes, read from a topology's own routes without starting anything.

Every node's `commands` hold its addresses and static routes; this follows them as
the kernel does (the longest prefix wins, RFC 1812 section 5.2.4.3), through
exchanges, which only pass frames on.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from filterlab.lab.links import parse_delay_ms

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Prefix = ipaddress.IPv4Network | ipaddress.IPv6Network

_FAR = 64  # more hops than any of the lab's paths: the default TTL of Linux


@dataclass
class Table:
    """One node's addresses and routes; an interface of None is an unreachable route."""

    addresses: set[Address] = field(default_factory=set)
    routes: dict[Prefix, str | None] = field(default_factory=dict)

    def interface_for(self, target: Address) -> str | None:
        """The interface of the longest prefix that holds the target, if any."""
        best: tuple[int, str | None] = (-1, None)
        for prefix, interface in self.routes.items():
            if target.version == prefix.version and target in prefix:
                best = max(best, (prefix.prefixlen, interface), key=lambda b: b[0])
        return best[1]


def table_of(commands: list[str]) -> Table:
    """Read a node's `ip addr` and `ip route` lines."""
    table = Table()
    for command in commands:
        words = command.split()
        if words[:2] in (["ip", "addr"], ["ip", "address"]):
            interface = ipaddress.ip_interface(words[3])
            table.addresses.add(interface.ip)
            device = words[words.index("dev") + 1]
            network: Prefix = interface.network
            if "peer" in words:
                network = ipaddress.ip_network(words[words.index("peer") + 1])
            table.routes[network] = device
        elif words[:2] == ["ip", "route"]:
            unreachable = words[3] in ("unreachable", "blackhole", "prohibit")
            prefix = ipaddress.ip_network(words[4 if unreachable else 3])
            # A later route to the same prefix replaces the earlier one.
            out = None if unreachable else words[words.index("dev") + 1]
            table.routes[prefix] = out
    return table


class Plan:
    """The routes and wires of a whole topology."""

    def __init__(self, topo: Any) -> None:
        """Read the topology."""
        self._topo = topo
        self._exchanges = set(topo.switches())
        self._tables = {
            name: table_of(list(topo.nodeInfo(name).get("commands", ())))
            for name in topo.hosts()
        }
        self._behind: dict[tuple[str, str], tuple[str, str]] = {}
        self._delays: dict[frozenset[str], float] = {}
        for _, _, info in topo.links(withInfo=True):
            ends = [
                (info["node1"], info["intfName1"]),
                (info["node2"], info["intfName2"]),
            ]
            self._behind[ends[0]], self._behind[ends[1]] = ends[1], ends[0]
            pair = frozenset((info["node1"], info["node2"]))
            self._delays[pair] = parse_delay_ms(info.get("delay", 0))

    def path(self, source: str, target: str) -> list[str] | None:
        """The nodes that a packet passes on its way to an address, the ends included.

        None when a node on the way has no route, or the path goes round in a ring.
        """
        goal = ipaddress.ip_address(target)
        passed = [source]
        while goal not in self._tables[passed[-1]].addresses:
            interface = self._tables[passed[-1]].interface_for(goal)
            if interface is None or len(passed) > _FAR:
                return None
            node, door = self._behind[passed[-1], interface]
            while node in self._exchanges:
                passed.append(node)
                node, door = self._beyond(node, door)
            passed.append(node)
        return passed

    def _beyond(self, exchange: str, door: str) -> tuple[str, str]:
        others = [e for e in self._behind if e[0] == exchange and e[1] != door]
        if len(others) != 1:
            raise ValueError(f"exchange {exchange} joins more than two routers")
        return self._behind[others[0]]

    def hops(self, source: str, target: str) -> int | None:
        """The smallest TTL with which a packet gets there; None if it never does."""
        path = self.path(source, target)
        if path is None:
            return None
        return sum(node not in self._exchanges for node in path) - 1

    def delay_ms(self, path: list[str]) -> float:
        """The sum of the delays along a path, one way."""
        return sum(self._delays[frozenset(pair)] for pair in pairwise(path))


def round_trip_ms(topo: Any, first: str, second: str) -> float:
    """The delays between two nodes, there and back, each way by its own routes."""
    plan = Plan(topo)
    total = 0.0
    for source, target in ((first, second), (second, first)):
        path = plan.path(source, topo.nodeInfo(target)["addresses"][0])
        if path is None:
            raise ValueError(f"{source} has no route to {target}")
        total += plan.delay_ms(path)
    return total
