"""Turns a Mininet topology into a networkx graph that says what every part is for.

Nothing is built: a `Topo` is only names, options and links.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

import networkx as nx

HOST, ROUTER, EXCHANGE, SWITCH = "host", "router", "exchange", "switch"
# What forwards by hardware address and is no hop of a route.
BRIDGES = frozenset((EXCHANGE, SWITCH))

# Units of tc-netem(8); a plain number is microseconds there.
_UNITS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "msec": 1e-3, "us": 1e-6, "usec": 1e-6}
_DELAY = re.compile(r"([0-9]*\.?[0-9]+)\s*([a-z]*)")


class Topology(Protocol):
    """What the map needs of `mininet.topo.Topo`."""

    def nodes(self) -> list[str]:
        """Names of hosts, routers and switches."""

    def isSwitch(self, n: str) -> bool:  # noqa: N802 - Mininet's name
        """Whether this node is a switch."""

    def nodeInfo(self, name: str) -> Mapping[str, Any]:  # noqa: N802 - Mininet's name
        """The options that the node was added with."""

    def links(self, *, withInfo: bool) -> list[Any]:  # noqa: N803 - Mininet's name
        """(node, node, options) of every link."""


def graph_of(topology: Topology) -> nx.Graph:
    """The topology as a graph.

    Nodes have `role`, `place`, `subscribers`, `addresses` and `commands`; edges have
    `delay_seconds` (each way), `interfaces` (node to interface name) and `sides`
    (exchange to "inside" or "outside").
    """
    graph = nx.Graph()
    for name in topology.nodes():
        options = topology.nodeInfo(name)
        usual = SWITCH if topology.isSwitch(name) else HOST
        graph.add_node(
            name,
            role=options.get("role") or usual,
            place=options.get("place") or "",
            subscribers=int(options.get("subscribers") or 0),
            addresses=tuple(str(a) for a in options.get("addresses") or () if a),
            commands=tuple(options.get("commands") or ()),
        )
    for _, _, options in topology.links(withInfo=True):
        one, two = options["node1"], options["node2"]
        side = options.get("side")
        graph.add_edge(
            one,
            two,
            delay_seconds=delay_seconds(options.get("delay")),
            interfaces={
                one: options.get("intfName1") or f"{one}-eth{options['port1']}",
                two: options.get("intfName2") or f"{two}-eth{options['port2']}",
            },
            sides={
                node: str(side)
                for node in (one, two)
                if side and graph.nodes[node]["role"] == EXCHANGE
            },
        )
    return graph


def exchanges_of(graph: nx.Graph) -> tuple[str, ...]:
    """The names of the exchanges, in the topology's order."""
    return tuple(n for n, role in graph.nodes(data="role") if role == EXCHANGE)


def delay_seconds(text: object) -> float:
    """A link's delay option ("20ms") in seconds; no option is no delay."""
    if text is None:
        return 0.0
    found = _DELAY.fullmatch(str(text).strip())
    if found is None or found[2] not in {"", *_UNITS}:
        raise ValueError(f"{text!r} is no delay, which is written like '20ms'")
    return float(found[1]) * _UNITS[found[2] or "us"]
