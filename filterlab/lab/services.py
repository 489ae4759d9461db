"""Starts the servers of a scenario on their hosts, all at once, and watches them.

A name has one host. What it speaks decides which programs run there: Caddy for the
web (`filterlab.lab.web`), unbound for DNS (`filterlab.lab.dns`), iperf3, and for mail
one of the lab's own (`filterlab.lab.mailbox`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filterlab.lab import dns, interception, mailbox, portal, web
from filterlab.lab.authority import Authority, Certificate
from filterlab.lab.endpoint import Socket, answers
from filterlab.lab.processes import READY_SECONDS, Node, Process, Supervisor
from filterlab.lab.readiness import All, Listening

IPERF = "iperf"
IPERF_PORT = 5201  # iperf3's own default
SMTP = "smtp"
SMTP_PORT = 25  # RFC 5321 section 4.5.4.2
SMTPS = "smtps"
SMTPS_PORT = 465  # RFC 8314 section 7.3
PORTAL = "portal"
INTERCEPTOR = interception.INTERCEPTOR
SPEAKS = web.WEB | dns.DNS | {IPERF, SMTP, SMTPS, PORTAL, INTERCEPTOR}
PROGRAMS = {
    "caddy": web.WEB,
    "unbound": dns.DNS,
    "iperf3": frozenset({IPERF}),
    "mitmdump": frozenset({INTERCEPTOR}),
}


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A name that serves something: its host, its place, and what it speaks.

    `ports` gives other ports than the usual ones, by what is spoken there.
    """

    name: str
    node: Node
    place: str
    speaks: tuple[str, ...]
    addresses: tuple[str, ...]
    ports: Mapping[str, int] = field(default_factory=dict)
    also: Sequence[str] = ()  # more names of the same host
    redirects: str | None = None  # where its web server sends everybody
    intercepts: Sequence[str] = ()  # whose TLS it reads
    self_signed: bool = False  # by a root of its own, which nobody else knows
    visits: Path | None = None  # where its web server writes each request down

    @property
    def names(self) -> tuple[str, ...]:
        """All its names, its own first."""
        return (self.name, *self.also)

    def resolves(self) -> bool:
        """Whether it is a resolver."""
        return bool(dns.DNS & set(self.speaks))


@dataclass(slots=True)
class Service:
    """A service that was started."""

    spec: ServiceSpec
    certificate: Certificate
    sockets: list[Socket]
    processes: list[Process]


class Services:
    """The servers of a run."""

    def __init__(self, ca_file: Path, services: Sequence[Service]) -> None:
        self._ca_file = ca_file
        self._services = {service.spec.name: service for service in services}

    def __getitem__(self, name: str) -> Service:
        return self._services[name]

    @property
    def names(self) -> list[str]:
        """The names of all services, in the scenario's order."""
        return list(self._services)

    def wait_ready(self, within: float = READY_SECONDS) -> None:
        """Wait until every server listens; raises NotReady naming one that does not."""
        for service in self._services.values():
            for process in service.processes:
                process.wait_ready(within)

    def endpoints(self, name: str) -> list[tuple[str, str, int]]:
        """Transport, address and port of each socket of a service."""
        service = self._services[name]
        return [
            (one.transport, address, one.port)
            for one in service.sockets
            for address in service.spec.addresses
        ]

    def trusted_with(self, name: str) -> Path:
        """The roots of who has installed this service's beside the lab's."""
        return self._services[name].processes[0].folder / interception.TRUSTED

    def certificate(self, name: str) -> Certificate:
        """The certificate that a service shows."""
        return self._services[name].certificate

    def alive(self, name: str) -> bool:
        """Whether every socket of the service answers when asked on its own host."""
        service = self._services[name]
        if not all(process.alive for process in service.processes):
            return False
        asked = [
            (one, address)
            for one in service.sockets
            for address in service.spec.addresses
        ]
        own = service.spec.self_signed
        ca_file = self.trusted_with(name) if own else self._ca_file
        return answers(service.spec.node.pid, asked, name, ca_file)


def needed_programs(speaks: Sequence[str]) -> list[str]:
    """The programs that services need which speak these."""
    return [name for name, spoken in PROGRAMS.items() if spoken & set(speaks)]


def start_services(
    specs: Sequence[ServiceSpec],
    authority: Authority,
    folder: Path,
    supervisor: Supervisor,
    *,
    ttl_seconds: int = dns.TTL_SECONDS,
    decisions: Path | None = None,
    wait: bool = True,
) -> Services:
    """Start all servers at once and wait until every one listens.

    Raises ValueError for something that nobody here speaks, and NotReady naming the
    first that does not listen. Files lie in `folder`. Without `wait` the caller does
    something else meanwhile, and then `Services.wait_ready`.
    """
    for spec in specs:
        if unknown := set(spec.speaks) - SPEAKS:
            raise ValueError(f"{spec.name} cannot speak {', '.join(sorted(unknown))}")
    objects = folder / "objects"
    if any(web.WEB & set(spec.speaks) for spec in specs):
        web.write_objects(objects)
    names = {n: (spec.place, spec.addresses) for spec in specs for n in spec.names}
    resolvers = _resolvers(specs)
    starter = _Starter(authority, folder, supervisor, decisions)
    services = []
    for spec in specs:
        zones = dns.zones_of(spec.place, names, resolvers) if spec.resolves() else []
        services.append(starter.start(spec, zones, objects, ttl_seconds))
    started = Services(authority.ca_file, services)
    if wait:
        started.wait_ready()
    return started


def _resolvers(specs: Sequence[ServiceSpec]) -> dict[str, list[str]]:
    resolvers: dict[str, list[str]] = {}
    for spec in specs:
        # Resolvers ask each other in the clear, as they do on the Internet.
        if "dns" in spec.speaks and "dns" not in spec.ports:
            resolvers.setdefault(spec.place, []).extend(spec.addresses)
    return resolvers


def _own_program(file: str, name: str, port: int) -> list[str]:
    # -I: no user's Python settings reach it
    return [sys.executable, "-I", file, name, str(port)]


class _Starter:
    """Starts one service after the other, without waiting."""

    def __init__(
        self,
        authority: Authority,
        folder: Path,
        supervisor: Supervisor,
        decisions: Path | None,
    ) -> None:
        self._decisions = decisions
        self._authority = authority
        self._folder = folder
        self._supervisor = supervisor

    def start(
        self,
        spec: ServiceSpec,
        zones: Sequence[dns.Zone],
        objects: Path,
        ttl_seconds: int,
    ) -> Service:
        """Start what the service speaks."""
        certificate = self._signer(spec).issue(
            f"service-{spec.name}", names=spec.names, addresses=spec.addresses
        )
        service = Service(spec, certificate, [], [])
        if web.WEB & set(spec.speaks):
            self._web(service, certificate, objects)
        if spec.resolves():
            self._dns(service, certificate, zones, ttl_seconds)
        if IPERF in spec.speaks:
            port = spec.ports.get(IPERF, IPERF_PORT)
            command = ["iperf3", "--server", "--port", str(port)]
            self._run(service, command, [Socket(IPERF, "tcp", port)])
        if SMTP in spec.speaks:
            port = spec.ports.get(SMTP, SMTP_PORT)
            command = _own_program(mailbox.__file__, spec.name, port)
            self._run(service, command, [Socket(SMTP, "tcp", port)])
        if SMTPS in spec.speaks:
            port = spec.ports.get(SMTPS, SMTPS_PORT)
            command = _own_program(mailbox.__file__, spec.name, port)
            command += [str(certificate.chain_file), str(certificate.key_file)]
            self._run(service, command, [Socket(SMTPS, "tcp", port)])
        if PORTAL in spec.speaks:
            port = spec.ports.get(PORTAL, web.HTTP_PORT)
            command = _own_program(portal.__file__, spec.name, port)
            self._run(service, command, [Socket("http", "tcp", port)])
        if INTERCEPTOR in spec.speaks:
            port = spec.ports.get(INTERCEPTOR, interception.PORT)
            command = interception.prepare(
                self._own(service),
                port,
                spec.intercepts,
                self._authority.ca_file,
                self._decisions,
            )
            self._run(service, command, [Socket(INTERCEPTOR, "tcp", port)])
        return service

    def _signer(self, spec: ServiceSpec) -> Authority:
        if not spec.self_signed:
            return self._authority
        folder = self._folder / spec.name
        own = Authority(folder / "authority", f"{spec.name}, root of its own")
        both = self._authority.ca_file.read_bytes() + own.ca_file.read_bytes()
        (folder / interception.TRUSTED).write_bytes(both)
        return own

    def _web(self, service: Service, certificate: Certificate, objects: Path) -> None:
        spec, folder = service.spec, self._own(service)
        listening = web.sockets(spec.speaks, spec.ports)
        routes = web.routes(folder, spec.names, objects, spec.redirects)
        content = web.configuration(
            folder, routes, listening, spec.addresses, certificate, spec.visits
        )
        self._run(service, web.write_configuration(folder, content), listening)

    def _dns(
        self,
        service: Service,
        certificate: Certificate,
        zones: Sequence[dns.Zone],
        ttl_seconds: int,
    ) -> None:
        spec = service.spec
        listening = dns.sockets(spec.speaks, spec.ports)
        text = dns.configuration(
            zones, listening, spec.addresses, certificate, ttl_seconds
        )
        command = dns.write_configuration(self._own(service), text)
        self._run(service, command, listening)

    def _run(
        self, service: Service, command: list[str], listening: list[Socket]
    ) -> None:
        service.sockets += listening
        ready = All(tuple(Listening(**{one.transport: one.port}) for one in listening))
        process = self._supervisor.start(
            f"{service.spec.name} {Path(command[0]).name}",
            command,
            service.spec.node,
            ready=ready,
            folder=self._own(service),
        )
        service.processes.append(process)

    def _own(self, service: Service) -> Path:
        folder = self._folder / service.spec.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder
