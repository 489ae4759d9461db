"""Lays topologies out with a scenario's hosts, and says what each can offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from filterlab.lab.topology import load_topology
from filterlab.scenario import content
from filterlab.scenario.facts import Layout, Scalar, TopologyFacts


def lay_out(
    name: str, parameters: Mapping[str, Scalar], hosts: Mapping[str, str] | None = None
) -> Any:
    """A `mininet.topo.Topo` with these hosts (name -> place); nothing is started.

    Raises ValueError, with a sentence, where parameters or hosts do not fit.
    """
    return load_topology(name)(hosts=hosts, **parameters)


def topology_facts() -> dict[str, TopologyFacts]:
    """What the scenario's reader must know of each topology."""
    return {name: _facts(name) for name in content.topologies()}


def _facts(name: str) -> TopologyFacts:
    def layout(parameters: Mapping[str, Scalar]) -> Layout:
        topo = lay_out(name, parameters, {})
        exchanges = [n for n in topo.switches() if _role(topo, n) == "exchange"]
        return Layout(tuple(topo.places), tuple(exchanges))

    return TopologyFacts(tuple(load_topology(name).PARAMETERS), layout)


def _role(topo: Any, node: str) -> str:
    return str(topo.nodeInfo(node).get("role", ""))
