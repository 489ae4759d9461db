"""The map's ways are the network's: as many hops, and through the same routers."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.lab.network import Network
from filterlab.lab.topology import load_topology
from filterlab.map.graph import ROUTER, graph_of
from filterlab.map.share import path

PAIRS = [("sub1", "news"), ("sub3", "web"), ("sub2", "bank"), ("news", "sub3")]
REPORTER = re.compile(r"From (\S+)")  # who answers a ping whose TTL ran out


def routers_met() -> Any:
    """For each pair, the routers that say a packet's time ran out, and the map's."""
    topology = load_topology("national")(delay_abroad_ms=0, delay_home_ms=0)
    folder = Path(tempfile.mkdtemp(dir="/run"))
    network = Network(topology, folder, controller_port=None)
    network.up()
    for exchange in network.exchanges:
        network.plain_forwarding(exchange)
    graph = graph_of(topology)
    routers = [name for name, role in graph.nodes(data="role") if role == ROUTER]
    owners = {a: name for name in routers for a in graph.nodes[name]["addresses"]}
    answer = {}
    for source, target in PAIRS:
        way = path(graph, source, target)
        expected = [node for node in way if node in routers]
        met = []
        for ttl in range(1, len(expected) + 1):
            argv = ["ping", "-n", "-c1", "-W2", "-t", str(ttl)]
            argv.append(network.node(target).addresses[0])
            done = network.node(source).run_in(argv, check=False)
            met += [
                _name(owners, graph, text) for text in REPORTER.findall(done.stdout)
            ]
        answer[f"{source} {target}"] = [met, expected]
    return answer


def _name(owners: dict[str, str], graph: Any, address: str) -> str:
    """The router of an address: its own, or the gateway address of a host network."""
    if address in owners:
        return owners[address]
    for name, node in graph.nodes(data=True):
        if any(f" {address}/" in command for command in node["commands"]):
            return str(name)
    return address


def test_packets_meet_the_routers_of_the_map(in_seal: Callable[..., Any]) -> None:
    for pair, (met, expected) in in_seal(routers_met).items():
        assert met == expected, pair
