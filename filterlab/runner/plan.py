"""Turns a scenario into what has to be built: hosts, their places, probes, tools.

Each service and client is a host. A probe through a tool has a device of its own at
its client's place (another machine of the same subscriber), because a VPN changes
the routes of the whole machine; and each other part of the tool (its server, a bridge)
has a host of its own, where the probe's target stands unless the tool says otherwise.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filterlab.map.graph import graph_of
from filterlab.map.share import MapReport, describe
from filterlab.policy import rules as policies
from filterlab.policy.rules import Policy
from filterlab.probes.request import ProbeRequest, Timeouts
from filterlab.report.skipped import Skipped
from filterlab.runner.passages import check_passages, over_brought
from filterlab.runner.skipping import not_installed, without
from filterlab.runner.topologies import lay_out, topology_facts
from filterlab.scenario.facts import Facts
from filterlab.scenario.load import load_scenario
from filterlab.scenario.problem import BadInput
from filterlab.scenario.schema import Probe, Scenario
from filterlab.strategies.named import HELLO_PADDING, HELLO_PADDING_BYTES
from filterlab.tools.shelf import Shelf
from filterlab.tools.tool import Tool

# Interface names hold 15 characters (IFNAMSIZ), the topologies add up to 5.
_NODE_NAME_LENGTH = 10
PROBER_PLACES = ("home", "campus", "inside")  # of national, campus and single


@dataclass(frozen=True, slots=True)
class Passage:
    """A probe's way through a tool: which, from which device, to which hosts."""

    tool: str
    device: str
    hosts: Mapping[str, str]  # role -> node, the client's not among them

    @property
    def server(self) -> str | None:
        """The node of its server; None for a tool that is all on the client."""
        return self.hosts.get("server")


@dataclass(frozen=True, slots=True)
class PlannedProbe:
    """A probe with the nodes that it concerns."""

    name: str
    probe: Probe
    client: str  # the node that tries: the client's own, or its device
    target: str  # the node of the service that is tried
    service: str  # the service's name in the scenario
    passage: Passage | None


@dataclass
class Plan:
    """Everything about a run that is known before anything is started."""

    path: Path
    scenario: Scenario
    hosts: dict[str, str] = field(default_factory=dict)  # node -> place
    node_of: dict[str, str] = field(default_factory=dict)  # service or client -> node
    probes: list[PlannedProbe] = field(default_factory=list)
    prober: str | None = None  # the node of the active prober, where a policy has one
    topo: Any = None
    map: MapReport | None = None
    subscribers: Mapping[str, int] = field(default_factory=dict)  # by client
    tools: Mapping[str, Tool] = field(default_factory=Shelf)
    skipped: tuple[Skipped, ...] = ()  # what the scenario has been rid of

    def addresses(self, node: str) -> list[str]:
        """IPv4 and IPv6 address of a host."""
        return [str(address) for address in self.topo.nodeInfo(node)["addresses"]]

    @property
    def exchanges(self) -> list[str]:
        """The names of the topology's exchanges."""
        topo = self.topo
        return [
            n for n in topo.switches() if topo.nodeInfo(n).get("role") == "exchange"
        ]

    def resolvers(self, place: str) -> list[str]:
        """The services that answer DNS, those at `place` first."""
        services = self.scenario.services
        speaking = [n for n, s in services.items() if "dns" in s.speaks]
        return sorted(speaking, key=lambda name: services[name].at != place)

    def resolver_addresses(self, planned: PlannedProbe) -> list[str]:
        """The addresses from which the probe's resolver asks others."""
        asked = _asked(self, planned.probe)
        return [one for name in asked for one in self.addresses(self.node_of[name])]

    def timeouts(self, planned: PlannedProbe) -> Timeouts:
        """Timeouts that follow the round trip of a probe, by its tool's servers."""
        direct = self._round_trip(planned.client, planned.target)
        hosts = [] if planned.passage is None else planned.passage.hosts.values()
        around = (
            self._round_trip(planned.client, host)
            + self._round_trip(host, planned.target)
            for host in hosts
        )
        return Timeouts.for_round_trip(max(direct, *around, 0.0))

    def _round_trip(self, near: str, far: str) -> float:
        assert self.map is not None
        ends = (near, far)
        journeys = [j for j in self.map.journeys if (j.client, j.service) == ends]
        return max((j.round_trip_seconds for j in journeys), default=0.05)

    def request(self, planned: PlannedProbe, ca_file: str, **more: Any) -> ProbeRequest:
        """What the probe's process is told; `more` is `via`, or another resolver."""
        probe = planned.probe
        options: dict[str, Any] = {"resolver": self._resolver_url(probe), **more}
        if probe.strategy is not None:
            options["family"] = "4"  # strategies are about IPv4 first, as Geneva's are
            if self.scenario.strategies[planned.name].client == HELLO_PADDING:
                options["hello_padding_bytes"] = HELLO_PADDING_BYTES
        if probe.over is not None:
            options["family"] = probe.over.removeprefix("ipv")
        return ProbeRequest(
            kind=probe.kind,  # type: ignore[arg-type]
            target=self._target(probe),
            http=probe.http or "1.1",  # type: ignore[arg-type]
            ca_file=ca_file,
            timeouts=self.timeouts(planned),
            most_bytes=self.scenario.services[planned.service].size_bytes,
            **options,
        )

    def _target(self, probe: Probe) -> str:
        if probe.kind != "throughput" or "://" in probe.target:
            return probe.target
        speaks = self.scenario.services[probe.target].speaks
        scheme = "https" if "https" in speaks and "bulk" not in speaks else "http"
        return f"{scheme}://{probe.target}/bytes/32m"

    def _resolver_url(self, probe: Probe) -> str | None:
        """The resolver that the probe names; None takes its client's usual one."""
        named = probe.resolver
        if named is None or "://" in named:
            return named
        service = self.scenario.services[named]
        v4 = self.addresses(self.node_of[named])[0]
        if "dns" in service.speaks:
            return f"udp://{v4}"
        if "dot" in service.speaks:
            return f"tls://{v4}#{named}"
        return f"https://{named}/dns-query"


def facts() -> Facts:
    """The topologies and tools that there are."""
    return Facts(topology_facts(), Shelf())


def make_plan(path: Path, brought: Sequence[Tool] = ()) -> Plan:
    """Read a scenario and plan its run; raises BadInput with all that is wrong.

    `brought` are tools besides the lab's own. One that no probe names has the fetch
    probes that go through no tool: each is tried over it as well. The plan is without
    the probes through a tool that is not installed, and names them.
    """
    own: dict[str, Tool] = {tool.name: tool for tool in brought}
    tools: Mapping[str, Tool] = ChainMap(own, Shelf())  # type: ignore[arg-type]
    scenario = load_scenario(path, Facts(topology_facts(), tools))
    check_passages(scenario, tools)
    for tool in brought:
        scenario = over_brought(scenario, tool)
    skipped = not_installed(scenario, tools)
    scenario = without(scenario, skipped)
    plan = Plan(path, scenario, tools=tools, skipped=skipped)
    for name, client in scenario.clients.items():
        plan.node_of[name] = _add(plan, name, client.place_name)
    for name, service in scenario.services.items():
        plan.node_of[name] = _add(plan, name.partition(".")[0], service.at)
    for name, probe in scenario.probes.items():
        plan.probes.append(_planned(plan, name, probe))
    _share_servers(plan)
    topology = scenario.topology
    if any(_probes(policy) for policy in scenario.policies.values()):
        laid = topology_facts()[topology.use].lay_out(topology.parameters)
        plan.prober = _add(plan, "prober", _prober_place(laid.places))
    plan.topo = lay_out(topology.use, topology.parameters, plan.hosts)
    plan.map = describe(graph_of(plan.topo), _pairs(plan))
    plan.subscribers = _subscribers(plan)
    if not skipped:  # else one of those may be the probe that crosses
        _check_crossings(plan)
    return plan


def _add(plan: Plan, wish: str, place: str) -> str:
    """A host near the wished name that no other has, and that an interface can bear."""
    plain = re.sub(r"[^a-z0-9-]", "", wish.lower())[:_NODE_NAME_LENGTH].strip("-")
    name, number = plain or "host", 2
    while name in plan.hosts:
        tail = str(number)
        name, number = plain[: _NODE_NAME_LENGTH - len(tail)] + tail, number + 1
    plan.hosts[name] = place
    return name


def _probes(policy: Policy) -> bool:
    return any(isinstance(rule.then, policies.Probe) for rule in policy.rules)


def _prober_place(places: Sequence[str]) -> str:
    """Where a prober stands: in the country, and no subscriber if that can be.

    The Great Firewall's come from the country's own networks (Ensafi et al., IMC 2015,
    4.1), so that their packets pass the exchange on their way.
    """
    return next((place for place in PROBER_PLACES if place in places), places[0])


def _planned(plan: Plan, name: str, probe: Probe) -> PlannedProbe:
    scenario = plan.scenario
    service = scenario.service_called(probe.host) or _first_resolver(plan)
    client = plan.node_of[probe.client]
    target = plan.node_of[service]
    if probe.strategy is not None and probe.through is None:
        client = _add(plan, f"{probe.client[:6]}-d", plan.hosts[client])
    if probe.through is None:
        return PlannedProbe(name, probe, client, target, service, None)
    device = _add(plan, f"{probe.client[:6]}-d", plan.hosts[client])
    tool = plan.tools[probe.through]
    hosts = {}
    for role in tool.roles:
        if role != "client" and probe.server_of is None:
            usual = probe.server_at or plan.hosts[target]
            place = tool.file.places.get(role, usual)
            if role == "server" and probe.server_at is not None:
                place = probe.server_at
            hosts[role] = _add(plan, f"{probe.through[:8]}-{role[0]}", place)
    passage = Passage(probe.through, device, hosts)
    return PlannedProbe(name, probe, device, target, service, passage)


def _share_servers(plan: Plan) -> None:
    """Lead each probe that uses another one's servers to their hosts."""
    passages = {planned.name: planned.passage for planned in plan.probes}
    for number, planned in enumerate(plan.probes):
        other = passages.get(planned.probe.server_of or "")
        if planned.passage is not None and other is not None:
            passage = replace(planned.passage, hosts=other.hosts)
            plan.probes[number] = replace(planned, passage=passage)


def _first_resolver(plan: Plan) -> str:
    """Where a question about a name that is no service of the lab goes."""
    return plan.resolvers("")[0] if plan.resolvers("") else next(iter(plan.node_of))


def _pairs(plan: Plan) -> Iterator[tuple[str, str]]:
    """Every (node, node) that a probe's packets travel between, resolvers included."""
    for planned in plan.probes:
        yield from _pairs_of(plan, planned)


def _pairs_of(plan: Plan, planned: PlannedProbe) -> Iterator[tuple[str, str]]:
    yield planned.client, planned.target
    if planned.passage is not None:
        for node in planned.passage.hosts.values():
            yield planned.client, node
            yield node, planned.target
    for resolver in _asked(plan, planned.probe):
        yield planned.client, plan.node_of[resolver]


def met_by(plan: Plan, planned: PlannedProbe) -> frozenset[str]:
    """The exchanges that any packet of a probe passes."""
    assert plan.map is not None
    pairs = set(_pairs_of(plan, planned))
    ways = (j for j in plan.map.journeys if (j.client, j.service) in pairs)
    return frozenset(exchange for way in ways for exchange in way.exchanges)


def _asked(plan: Plan, probe: Probe) -> list[str]:
    client = plan.scenario.clients[probe.client]
    named = probe.resolver or client.resolver
    if named is not None:
        return [named] if named in plan.scenario.services else []
    return plan.resolvers(client.place_name)[:1]


def crossed(plan: Plan) -> Mapping[str, bool]:
    """Whether any probe's packets pass an exchange."""
    assert plan.map is not None
    uncrossed = set(plan.map.uncrossed)
    return {name: name not in uncrossed for name in plan.exchanges}


def _subscribers(plan: Plan) -> dict[str, int]:
    """How many subscribers each client stands for: an equal part of its provider's.

    The devices of tools are machines of subscribers counted already.
    """
    clients = {name: plan.node_of[name] for name in plan.scenario.clients}
    hosts = {node: plan.hosts[node] for node in clients.values()}
    topology = plan.scenario.topology
    topo = lay_out(topology.use, topology.parameters, hosts)
    return {
        name: int(topo.nodeInfo(node).get("subscribers") or 1)
        for name, node in clients.items()
    }


def _check_crossings(plan: Plan) -> None:
    """A policy on an exchange that no probe can cross is a mistake."""
    passed = crossed(plan)
    problems = []
    for moment in plan.scenario.timeline:
        for name in moment.exchanges:
            if passed.get(name, True):
                continue
            problems.append(
                plan.scenario.problem_at(
                    moment,
                    f"no probe crosses the exchange '{name}', so its policy"
                    f" '{moment.policy}' could not be seen to do anything",
                    "exchange",
                    expected="one of: " + ", ".join(n for n in passed if passed[n]),
                    help=f"see the ways with: filterlab map {plan.path}",
                )
            )
    if problems:
        raise BadInput(problems)
