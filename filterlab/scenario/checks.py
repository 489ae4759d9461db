"""Checks what must hold between the parts of a scenario: that names name something.

Each check complains at the place of the wrong word, and names the other place where
two disagree. A part that could not be read is passed over: its own problem has been
told, and a second one would only follow from it.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from filterlab.scenario import content
from filterlab.scenario.facts import Facts, Layout
from filterlab.scenario.item import Item
from filterlab.scenario.problem import did_you_mean, one_of, quoted
from filterlab.scenario.schema import Client, Probe, Scenario
from filterlab.scenario.servicefile import PORTS, RESOLVERS, Service
from filterlab.scenario.source import Document, Table, spelled
from filterlab.scenario.strategies import applied

_SECURE_BY_VERSION = {"1.1": "https", "2": "https", "3": "h3"}
_RESOLVER_BY_SCHEME = {"udp": "dns", "tcp": "dns", "tls": "dot", "https": "doh"}


class Checks:
    """The cross-checks of one scenario."""

    def __init__(
        self, scenario: Scenario, document: Document, facts: Facts, path: Path
    ) -> None:
        self._scenario = scenario
        self._document = document
        self._facts = facts
        self._path = path
        self._layout: Layout | None = None
        self.policies_missing = False  # once run: the timeline names one there is not

    def run(self) -> Layout | None:
        """Make every check; what the topology offers, if that is known."""
        self._topology()
        for name, service in self._scenario.services.items():
            self._place(service, "at", service.at)
            self._ports(name, service)
        self._more_names()
        for client in self._scenario.clients.values():
            self._client(client)
        self._timeline()
        for name, probe in self._scenario.probes.items():
            self._probe(probe)
            if probe.strategy is not None:
                found = applied(probe.strategy, self._document)
                self._scenario.strategies[name] = found
        self._controller()
        return self._layout

    def unknown(
        self,
        what: str,
        item: Item,
        steps: tuple[str | int, ...],
        names: Collection[str],
    ) -> None:
        """Complain of a name that names nothing."""
        path = (*item.path, *steps)
        node = self._document.node(path)
        word = getattr(node, "text", "")
        self._document.complain(
            f"unknown-{what}",
            path,
            f"{spelled(self._document.known(path))}: there is no {what} {quoted(word)}",
            expected=one_of(names),
            help=did_you_mean(word, names),
        )

    def names(self, section: str) -> list[str]:
        """The names that a section gives, those with problems of their own as well."""
        node = self._document.root.values.get(section)
        return list(node.values) if isinstance(node, Table) else []

    def _topology(self) -> None:
        topology, known = self._scenario.topology, self._facts.topologies
        if known is None:
            return
        if topology.use not in known:
            self.unknown("topology", topology, ("use",), list(known))
            return
        facts = known[topology.use]
        strange = [key for key in topology.parameters if key not in facts.parameters]
        for key in strange:
            self._document.complain(
                "unknown-parameter",
                ("topology", key),
                f"the topology {quoted(topology.use)} has no parameter {quoted(key)}",
                on_key=True,
                expected=one_of(facts.parameters),
                help=did_you_mean(key, facts.parameters),
            )
        if strange:
            return
        try:
            self._layout = facts.lay_out(topology.parameters)
        except ValueError as why:
            message = f"the topology cannot be laid out: {why}"
            self._document.complain("bad-layout", ("topology",), message, on_key=True)

    def _place(self, item: Item, key: str, place: str) -> None:
        if self._layout is not None and place not in self._layout.places:
            self.unknown("place", item, (key,), self._layout.places)

    def _ports(self, name: str, service: Service) -> None:
        taken: dict[tuple[str, int], str] = {}
        for spoken in dict.fromkeys(service.speaks):
            for transport, port in service.endpoints(spoken):
                first = taken.setdefault((transport, port), spoken)
                if first != spoken:
                    self._document.complain(
                        "port-twice",
                        (*service.path, "speaks", service.speaks.index(spoken)),
                        f"{quoted(name)} uses port {port}/{transport} twice, "
                        f"for {first} and for {spoken}",
                        help=f"give one another port: ports: {{{spoken}: {port + 1}}}",
                        other=service.place("speaks", service.speaks.index(first)),
                        other_says=f"{first} is here",
                    )
                    break
        for spoken in service.ports:
            if spoken not in service.speaks or not PORTS[spoken]:
                self._document.complain(
                    "needless-key",
                    (*service.path, "ports", spoken),
                    f"{quoted(name)} has a port for {spoken}, but does not listen so",
                    on_key=True,
                    expected=one_of(service.speaks),
                )

    def _more_names(self) -> None:
        """A name leads to one host."""
        services = self._scenario.services
        first = {name: service.place() for name, service in services.items()}
        for service in services.values():
            for index, name in enumerate(service.also):
                if name in first:
                    self._document.complain(
                        "name-twice",
                        (*service.path, "also", index),
                        f"the name {quoted(name)} has two hosts",
                        other=first[name],
                        other_says="it is given here as well",
                    )
                first.setdefault(name, service.place("also", index))

    def _client(self, client: Client) -> None:
        if self._layout is not None and client.place_name not in self._layout.places:
            if client.at is not None:
                self._place(client, "at", client.at)
            else:
                isps = [p for p in self._layout.places if p.startswith("isp")]
                self._document.complain(
                    "unknown-place",
                    (*client.path, "isp"),
                    f"there is no ISP {client.isp}",
                    expected=one_of(p.removeprefix("isp") for p in isps),
                )
        if client.resolver is not None:
            self._resolving_service(client, client.resolver)

    def _timeline(self) -> None:
        moments = self._scenario.timeline
        if not moments:
            return
        if self._layout is not None and not self._layout.exchanges:
            use = self._scenario.topology.use
            self._document.complain(
                "no-exchange",
                ("timeline",),
                f"the timeline names policies, but the topology {quoted(use)} "
                "has no exchange",
                on_key=True,
                other=self._document.place(("topology", "use")),
                other_says="the topology is named here",
            )
        policies = content.policies(self._path)
        for moment in moments:
            for index, name in enumerate(moment.exchanges):
                exchanges = () if self._layout is None else self._layout.exchanges
                if exchanges and name != "all" and name not in exchanges:
                    names = [*exchanges, "all"]
                    self.unknown("exchange", moment, ("exchange", index), names)
            if moment.policy not in policies and self._lacks_policy(moment.policy):
                self.policies_missing = True
                self.unknown("policy", moment, ("policy",), policies)

    def _lacks_policy(self, name: str) -> bool:
        return content.policy(name, self._path) is None

    def _probe(self, probe: Probe) -> None:
        if probe.client not in self.names("clients"):
            self.unknown("client", probe, ("from",), self.names("clients"))
        if probe.through is not None:
            self._tool(probe, probe.through)
        if probe.trusts is not None:
            trusted = self._service(probe, "trusts", probe.trusts)
            if trusted is not None and not trusted.self_signed:
                self._speaks(probe, "trusts", trusted, ("interceptor",))
        if probe.server_at is not None:
            self._place(probe, "server_at", probe.server_at)
        if probe.resolver is not None:
            self._resolver(probe, probe.resolver)
        if probe.kind in ("fetch", "connect", "throughput"):
            self._target(probe)

    def _tool(self, probe: Probe, name: str) -> None:
        if self._facts.tools is None:
            return
        if name not in self._facts.tools:
            self.unknown("tool", probe, ("through",), list(self._facts.tools))

    def _target(self, probe: Probe) -> None:
        host = probe.host.lower().removesuffix(".")
        if _is_address(host):
            return
        service = self._service(probe, probe.kind, host)
        if service is None:
            return
        wanted: tuple[str, ...] = ()
        if "://" in probe.target and probe.kind != "connect":
            parts = urlsplit(probe.target)
            wanted = (parts.scheme,)
            if parts.scheme == "http":
                wanted = ("http", "portal")
            else:
                wanted = (_SECURE_BY_VERSION[probe.http or "1.1"],)
        elif probe.kind == "throughput":
            wanted = ("bulk", "http", "https")
        self._speaks(probe, probe.kind, service, wanted)

    def _resolver(self, probe: Probe, resolver: str) -> None:
        if "://" not in resolver:
            self._resolving_service(probe, resolver)
            return
        parts = urlsplit(resolver)
        host = (parts.hostname or "").removesuffix(".")
        if not _is_address(host):
            service = self._service(probe, "resolver", host)
            if service is not None:
                wanted = (_RESOLVER_BY_SCHEME[parts.scheme],)
                self._speaks(probe, "resolver", service, wanted)

    def _resolving_service(self, item: Item, name: str) -> None:
        service = self._service(item, "resolver", name)
        if service is not None:
            self._speaks(item, "resolver", service, RESOLVERS)

    def _service(self, item: Item, key: str, name: str) -> Service | None:
        """The service of a name, or a problem at the key if nothing has the name."""
        names = [
            written.lower().removesuffix(".") for written in self.names("services")
        ]
        owner = self._scenario.service_called(name)
        if owner is None and name not in names:
            path = (*item.path, key)
            self._document.complain(
                "unknown-service",
                path,
                f"{spelled(path)}: there is no service {quoted(name)}",
                expected=one_of(names),
                help=did_you_mean(name, names),
            )
        return None if owner is None else self._scenario.services[owner]

    def _speaks(
        self, item: Item, key: str, service: Service, wanted: Collection[str]
    ) -> None:
        if not wanted or set(wanted) & set(service.speaks):
            return
        self._document.complain(
            "does-not-speak",
            (*item.path, key),
            f"{spelled((*item.path, key))}: the service {quoted(str(service.path[-1]))}"
            f" does not speak {' or '.join(wanted)}",
            expected=one_of(service.speaks),
            other=service.place("speaks"),
            other_says="what it speaks is given here",
        )

    def _controller(self) -> None:
        name = self._scenario.controller
        # A dotted name is a module of the environment; only importing it would tell.
        if name is None or ("." in name and not name.endswith(".py")):
            return
        if content.controller(name, self._path) is None:
            names = list(content.controllers())
            self.unknown("controller", self._scenario, ("controller",), names)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
