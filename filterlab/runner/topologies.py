"""Loads the files of `topologies/`: a class each, which `mn` can load as well."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from filterlab.scenario import content
from filterlab.scenario.facts import Layout, Scalar, TopologyFacts


@cache
def _class_in(path: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"topologies.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.topos[name]


def lay_out(
    name: str, parameters: Mapping[str, Scalar], hosts: Mapping[str, str] | None = None
) -> Any:
    """A `mininet.topo.Topo` with these hosts (name -> place); nothing is started.

    Raises ValueError, with a sentence, where parameters or hosts do not fit.
    """
    return _class_in(content.topologies()[name], name)(hosts=hosts, **parameters)


def topology_facts() -> dict[str, TopologyFacts]:
    """What the scenario's reader must know of each topology."""
    return {name: _facts(name, path) for name, path in content.topologies().items()}


def _facts(name: str, path: Path) -> TopologyFacts:
    def layout(parameters: Mapping[str, Scalar]) -> Layout:
        topo = lay_out(name, parameters, {})
        exchanges = [n for n in topo.switches() if _role(topo, n) == "exchange"]
        return Layout(tuple(topo.places), tuple(exchanges))

    return TopologyFacts(tuple(_class_in(path, name).PARAMETERS), layout)


def _role(topo: Any, node: str) -> str:
    return str(topo.nodeInfo(node).get("role", ""))
