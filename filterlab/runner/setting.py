"""What a run's report must know of its scenario: ways, the map, the policies' text.

Written into the run's folder (`setting.json`), so that a report can be made again where
the scenario is not, or is another by now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from filterlab.map.graph import graph_of
from filterlab.map.share import MapReport, describe
from filterlab.map.svg import draw_svg
from filterlab.runner.plan import Plan, PlannedProbe
from filterlab.runner.topologies import lay_out
from filterlab.scenario import content

SETTING = "setting.json"
# A rule stands in a page or two; a list of a million names is no reading matter.
_MOST_CHARACTERS = 200_000


def write_setting(
    plan: Plan, decisions: Iterable[Mapping[str, Any]], folder: Path
) -> None:
    """Write the setting into the run's folder; `decisions` name the policies' files."""
    text = json.dumps(setting_of(plan, decisions), indent=1, ensure_ascii=False)
    (folder / SETTING).write_text(text + "\n")


def setting_of(plan: Plan, decisions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The setting as one JSON object; `decisions` name the policies' files."""
    sources = {str(line["source"]).rpartition(":")[0] for line in decisions}
    return {
        "probes": {planned.name: _way(plan, planned) for planned in plan.probes},
        "exchanges": plan.exchanges,
        "map": draw_svg(mapped(plan)),
        "files": {name: text for name in sorted(sources) if (text := _text(name))},
    }


def _way(plan: Plan, planned: PlannedProbe) -> dict[str, Any]:
    """Where a probe's packets go, and from which addresses."""
    passage = planned.passage
    first = planned.target
    if passage is not None:
        first = passage.server or planned.target
    return {
        "kind": planned.probe.kind,
        "from": planned.probe.client,
        "place": plan.hosts[planned.client],
        "to": planned.service,
        "to_place": plan.hosts[planned.target],
        "exchanges": _exchanges(plan, planned.client, first),
        "device": plan.addresses(planned.client) if passage is not None else [],
    }


def _exchanges(plan: Plan, client: str, server: str) -> list[str]:
    assert plan.map is not None
    for journey in plan.map.journeys:
        if (journey.client, journey.service) == (client, server):
            return list(
                dict.fromkeys([*journey.there.exchanges, *journey.back.exchanges])
            )
    return []


def mapped(plan: Plan) -> MapReport:
    """A scenario's map, without tools' devices: their subscribers are on it already."""
    nodes, scenario = plan.node_of, plan.scenario
    pairs = [
        (nodes[client], nodes[service])
        for client in scenario.clients
        for service in scenario.services
    ]
    hosts = {node: plan.hosts[node] for node in nodes.values()}
    topology = scenario.topology
    topo = lay_out(topology.use, topology.parameters, hosts)
    return describe(graph_of(topo), pairs)


def _text(name: str) -> str | None:
    """A policy's file by the name that decisions call it."""
    for path in (Path(name), content.root() / name):
        if path.is_file():
            return path.read_text("utf-8", "replace")[:_MOST_CHARACTERS]
    return None
