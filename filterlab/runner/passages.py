"""Says which probes cannot go through the tool that they name, and why.

What a tool can carry follows from how it is entered: a SOCKS5 or HTTP proxy and a
port that takes TCP carry no QUIC, a resolver replaces the one that a probe names, and
a program does what its file has a command for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from filterlab.runner.topologies import topology_facts
from filterlab.scenario.problem import BadInput
from filterlab.scenario.schema import Probe, Scenario
from filterlab.tools.tool import Tool


def check_passages(scenario: Scenario, tools: Mapping[str, Tool]) -> None:
    """Raise BadInput with every probe that cannot go through its tool."""
    problems = [
        scenario.problem_at(probe, f"the tool '{probe.through}' {why}", "through")
        for probe in scenario.probes.values()
        if probe.through is not None
        for why in _objections(scenario, probe, tools[probe.through])
    ]
    if problems:
        raise BadInput(problems)


def over_brought(scenario: Scenario, tool: Tool) -> Scenario:
    """The scenario with its fetch probes over a tool that none of them names.

    Raises BadInput where none of them can go through it.
    """
    probes = scenario.probes
    if any(probe.through == tool.name for probe in probes.values()):
        return scenario
    more: dict[str, Probe] = {}
    why = "has no probe that fetches a page without a tool"
    for name, probe in probes.items():
        if probe.kind != "fetch" or probe.through is not None:
            continue
        # Its names are resolved as the tool resolves them.
        over = probe.model_copy(update={"through": tool.name, "resolver": None})
        objections = list(_objections(scenario, over, tool))
        if not objections:
            more[f"{name} over {tool.name}"] = over
        else:
            why = f"has no probe for it, as it {objections[0]}"
    if not more:
        message = f"the scenario {why}, so the tool '{tool.name}' would not be tried"
        raise BadInput([scenario.problem_at(scenario, message)])
    return scenario.model_copy(update={"probes": {**probes, **more}})


def _objections(scenario: Scenario, probe: Probe, tool: Tool) -> Iterator[str]:
    enters = tool.enters
    program = enters.program
    names_only = program is not None and program.fetch is None
    if probe.resolver is not None and (enters.dns is not None or names_only):
        yield f"is a resolver itself, and the probe names '{probe.resolver}'"
    stream = enters.socks5 or enters.http or enters.transparent
    if probe.http == "3" and stream is not None:
        yield "carries TCP only, and HTTP/3 is UDP"
    if program is not None and program.resolve is None and probe.kind != "fetch":
        yield f"can only fetch, and the probe's kind is {probe.kind}"
    speaking = any("dns" in one.speaks for one in scenario.services.values())
    if tool.uses("resolver_address") and not speaking:
        yield "asks a resolver of the lab, and no service speaks dns"
    topology = scenario.topology
    places = topology_facts()[topology.use].lay_out(topology.parameters).places
    for role, place in tool.file.places.items():
        if place not in places:
            yield (
                f"places its {role} at '{place}', and the topology"
                f" '{topology.use}' has only {', '.join(places)}"
            )
