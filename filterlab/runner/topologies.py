"""Lays topologies out with a scenario's hosts, and says what each can offer."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
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
    known = load_topology(name).PARAMETERS

    def layout(parameters: Mapping[str, Scalar]) -> Layout:
        for parameter, value in parameters.items():
            _check_number(parameter, value, *known[parameter])
        topo = lay_out(name, parameters, {})
        exchanges = [n for n in topo.switches() if _role(topo, n) == "exchange"]
        return Layout(tuple(topo.places), tuple(exchanges))

    return TopologyFacts(tuple(known), layout)


def _check_number(name: str, value: Scalar, default: Scalar, meaning: str) -> None:
    """Raise ValueError where a number is wanted (by its default) and none is given."""
    if isinstance(default, str):
        return
    if isinstance(value, str) or not 0 <= value < inf:
        raise ValueError(f"{name} is {value}, and should be a number: {meaning}")


def _role(topo: Any, node: str) -> str:
    return str(topo.nodeInfo(node).get("role", ""))
