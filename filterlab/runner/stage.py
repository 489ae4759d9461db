"""Everything of a run that runs: network, exchange, servers, tools, captures.

Made inside the seal. It comes up in the order in which things need each other, slow
starters first; it is torn down as a whole, whatever has failed before.
"""

from __future__ import annotations

import json
import pickle
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509

from filterlab.lab.authority import Authority
from filterlab.lab.capture import Capture, CaptureSummary, RecorderError
from filterlab.lab.network import Network, Summary
from filterlab.lab.processes import NotReady, Supervisor
from filterlab.lab.seal import prepare_seal
from filterlab.lab.services import Services, start_services
from filterlab.probes.launcher import Launcher
from filterlab.probes.secure import key_hash
from filterlab.runner.around import Around
from filterlab.runner.arrivals import wanted_at
from filterlab.runner.bookkeeping import Bookkeeping, keeps_records
from filterlab.runner.controller import (
    CONTROLLER_PORT,
    Controller,
    ControllerFault,
    exchange_config,
)
from filterlab.runner.plan import Plan, PlannedProbe
from filterlab.runner.prober import Prober
from filterlab.runner.serving import service_specs
from filterlab.runner.sharing import shared_servers
from filterlab.runner.through import Through
from filterlab.scenario import content
from filterlab.scenario.schema import Probe

# Below the seal's private /run: gone with it, and no evidence.
WORKSHOP = Path("/run/filterlab")
AT_SERVERS = "servers"  # the folder of what was captured at servers
# What the lab itself can fail with, as opposed to a bug in it.
LAB_FAILURES = (ControllerFault, NotReady, RecorderError, RuntimeError, TimeoutError)


class Stage:
    """A scenario's world, standing."""

    def __init__(
        self, plan: Plan, folder: Path, seed: int, records: str | None = None
    ) -> None:
        """`records` is where the operator's records go, if not into the folder."""
        self.plan = plan
        self.records = records
        self.folder = folder
        self.seed = seed
        self.decisions = folder / "decisions.jsonl"
        # A named application gets the switches after the controls, see _hand_over.
        port = CONTROLLER_PORT if plan.scenario.controller is None else None
        self.network = Network(plan.topo, folder / "network", port)
        self.supervisor = Supervisor(folder)
        self.prober: Prober | None = None
        self.bookkeeping: Bookkeeping | None = None
        self.launcher: Launcher | None = None
        self.controller: Controller | None = None
        self.capture: Capture | None = None
        self.captured: CaptureSummary | None = None
        self.at_servers: dict[str, Capture] = {}  # by node
        self.services: Services | None = None
        self.tools: dict[str, Through] = {}
        self.strategies: dict[str, Around] = {}
        self.leases: dict[
            str, str
        ] = {}  # a user's address behind a tool's exit -> probe
        self.authority: Authority | None = None
        self.summary: Summary | None = None
        self.seconds_up = 0.0

    def up(self) -> None:
        """Bring everything up; raises one of LAB_FAILURES or Obstacle."""
        started = time.monotonic()
        prepare_seal()
        self.launcher = Launcher()
        self.controller = self._start_controller()
        self.summary = self.network.up()
        self._set_resolvers()
        self._start_bookkeeping()
        self.capture = self._start_capture()
        self.authority = Authority(WORKSHOP / "authority")
        self._start_tools()
        self._prepare_strategies()
        self.services = start_services(
            service_specs(self.plan, self.network, self.folder),
            self.authority,
            WORKSHOP / "services",
            self.supervisor,
            decisions=self.decisions,
            wait=False,
        )
        self._capture_at_servers()
        self._start_prober()
        if self.plan.scenario.controller is None:
            self.network.connect_controllers()
            self.controller.wait_ready(self.plan.exchanges)
        else:
            for exchange in self.plan.exchanges:
                self.network.plain_forwarding(exchange)
        self.services.wait_ready()
        self.seconds_up = time.monotonic() - started

    def down(self) -> None:
        """End everything, whatever of it fails; raises the first failure at the end.

        A capture loses no frame that was on the wire before, and nothing is decided
        of a frame that it does not have.
        """
        deciding: list[Callable[[], None]] = []
        if self.controller is not None:
            deciding.append(self.controller.stop)
        deciding.append(self._stop_capture)
        deciding.append(self._stop_captures_at_servers)
        speaking: list[Callable[[], None]] = []
        if self.prober is not None:
            speaking.append(self.prober.stop)
        if self.launcher is not None:
            speaking.append(self.launcher.close)
        speaking += [around.stop for around in self.strategies.values()]
        speaking.append(lambda: self.supervisor.stop_all(grace_seconds=0.1))
        ends = [*deciding, *speaking, self.network.down]
        if self.bookkeeping is not None:
            # A packet after the last count would be missing in the records.
            ends = [*speaking, self._close_records, *deciding, self.network.down]
        failures: list[Exception] = []
        for end in ends:
            try:
                end()
            except LAB_FAILURES as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    def _start_bookkeeping(self) -> None:
        if keeps_records(self.plan) and self.plan.scenario.controller is None:
            assert self.controller is not None
            self.bookkeeping = Bookkeeping(
                self.plan, self.network, self.folder, self.records
            )
            self.controller.passed = self.bookkeeping.take

    def _close_records(self) -> None:
        """Have every connection told to the end, and all of it written."""
        assert self.bookkeeping is not None and self.controller is not None
        now = None
        try:
            if self.controller.fault() is None:
                self.network.openvswitch.credit_entries()
                self.controller.harvest()
                now = self.controller.close_records()
        finally:
            self.bookkeeping.close(now)

    def _stop_capture(self) -> None:
        if self.capture is not None:
            self.captured = self.capture.stop()

    def set_policies(self, policies: dict[str, str]) -> dict[str, float]:
        """Put policies (exchange -> policy id) in force; since when each of them is.

        All at the same moment, but for what the switches need to obey. A controller
        that the scenario names has no policies, and nothing is said of it.
        """
        assert self.controller is not None
        if self.plan.scenario.controller is not None:
            self._hand_over()
            return {}
        files = {name: self._pickled(policy) for name, policy in policies.items()}
        if self.bookkeeping is not None:
            # The entries of the policies before go with what they have counted.
            self.network.openvswitch.credit_entries()
        return self.controller.set_policies(files)

    def ca_file(self, probe: Probe) -> Path:
        """The roots that the probe's client believes in."""
        assert self.authority is not None and self.services is not None
        if probe.trusts is None:
            return self.authority.ca_file
        return self.services.trusted_with(probe.trusts)

    def pin(self, planned: PlannedProbe) -> str | None:
        """The one key that the probe's client accepts, if it has been told one."""
        if not planned.probe.pins:
            return None
        assert self.services is not None
        shown = self.services.certificate(planned.service).cert_file.read_bytes()
        return key_hash(x509.load_pem_x509_certificate(shown))

    def leap(self, at_seconds: float) -> None:
        """Let the scenario's clock show at least this much since its start."""
        if self.plan.scenario.controller is None:
            assert self.controller is not None
            if self.bookkeeping is not None:
                self.network.openvswitch.credit_entries()
                self.controller.count()
            self.controller.leap(at_seconds)
        self._linger(None)

    def _linger(self, addresses: Sequence[str] | None) -> None:
        """Return when the prober has seen what it wants of these servers, or of all."""
        if self.prober is not None:
            self.prober.wait_done(addresses)

    def _hand_over(self) -> None:
        """Give the exchanges to the application that the scenario names, once.

        Its controls are made while every exchange only forwards: it may filter from
        its first moment on.
        """
        if self.network.controller_port is not None:
            return
        assert self.controller is not None
        for exchange in self.plan.exchanges:
            ports = self.network.exchange_ports(exchange)
            plain = [f"delete in_port={port.number}" for port in ports]
            self.network.openvswitch.add_flows(exchange, plain)
        self.network.controller_port = CONTROLLER_PORT
        self.network.connect_controllers()
        self.controller.wait_ready(self.plan.exchanges)

    def faults(self) -> list[str]:
        """What of the lab has failed by now, each with the last lines of its log."""
        found = [str(death) for death in self.supervisor.died()]
        if self.controller is not None and (fault := self.controller.fault()):
            found.append(f"{fault}{tail(self.controller.log)}")
        if self.prober is not None and (fault := self.prober.fault()):
            found.append(f"{fault}{tail(self.prober.log)}")
        if self.bookkeeping is not None and (fault := self.bookkeeping.fault()):
            found.append(fault)
        try:
            self.network.check()
        except RuntimeError as error:
            found.append(str(error))
        if self.capture is not None and not self.capture.alive:
            found.append("the capture's writer has ended")
        return found

    def _start_controller(self) -> Controller:
        named = self.plan.scenario.controller
        log = self.folder / "logs" / "controller.log"
        if named is None:
            config = exchange_config(
                self.network,
                self.decisions,
                self.seed,
                self.plan.scenario.clock,
                self.plan.scenario.timing.starts,
                probers=self._prober_addresses(),
            )
            file = self.folder / "controller.json"
            file.write_text(json.dumps(config, indent=1))
            return Controller([str(file)], log)
        app = content.controller(named, self.plan.path) or named
        arguments = ["--app", str(app), "--port", str(CONTROLLER_PORT)]
        for name in self.plan.exchanges:
            arguments += ["--exchange", f"{name}={self.network.dpid(name)}"]
        return Controller(arguments, log)

    def _prober_addresses(self) -> list[str]:
        prober = self.plan.prober
        return [] if prober is None else self.plan.addresses(prober)

    def _start_prober(self) -> None:
        if self.plan.prober is None:
            return
        assert self.controller is not None
        log = self.folder / "logs" / "prober.log"
        answer = self.controller.probed
        self.prober = Prober(self.network, self.plan.prober, log, answer)
        self.controller.suspected = self.prober.take

    def _set_resolvers(self) -> None:
        """Every host asks the resolver of its own place, unless its client says."""
        scenario, plan = self.plan.scenario, self.plan
        chosen = {
            plan.node_of[name]: client.resolver
            for name, client in scenario.clients.items()
        }
        for planned in plan.probes:  # a probe's own device asks as its client does
            client = scenario.clients[planned.probe.client]
            chosen.setdefault(planned.client, client.resolver)
        for node, place in plan.hosts.items():
            named = chosen.get(node) or next(iter(plan.resolvers(place)), None)
            if named is not None:
                addresses = plan.addresses(plan.node_of[named])
                self.network.set_resolver(node, addresses[:1])

    def _start_capture(self) -> Capture:
        interfaces: dict[str, list[str]] = {}
        for exchange in self.plan.exchanges:
            for port in self.network.exchange_ports(exchange):
                label = f"{exchange}-{port.side}"
                interfaces.setdefault(label, []).append(port.interface)
        capture = Capture(interfaces, self.folder)
        capture.start()
        return capture

    def _capture_at_servers(self) -> None:
        for name in wanted_at(self.plan):
            node = self.network.node(name)
            links = node.run_in(["ip", "-o", "link"]).stdout.splitlines()
            # "2: eth0@if3: <BROADCAST...": all of them but the loopback.
            names = [re.split("[:@]", line.split()[1])[0] for line in links]
            capture = Capture(
                {name: [one for one in names if one != "lo"]},
                self.folder / AT_SERVERS,
                enter=node.enter_argv(),
            )
            capture.start()
            self.at_servers[name] = capture

    def _stop_captures_at_servers(self) -> None:
        for capture in self.at_servers.values():
            capture.stop()

    def _start_tools(self) -> None:
        assert self.authority is not None
        shared = shared_servers(self.plan.probes)
        for planned in self.plan.probes:
            if planned.passage is not None:
                self.tools[planned.name] = Through(
                    planned,
                    self.plan,
                    self.network,
                    self.authority,
                    self.supervisor,
                    WORKSHOP / "tools",
                    self._linger,
                    shared.get(planned.name),
                    self._lease,
                )

    def _lease(self, address: str, probe: str) -> None:
        """A probe has an address of its own behind the exit of its tool."""
        self.leases[address] = probe
        if self.bookkeeping is not None:
            client = self.plan.scenario.probes[probe].client
            self.bookkeeping.lease(address, client)

    def _prepare_strategies(self) -> None:
        for queue, planned in enumerate(self.plan.probes):
            if planned.probe.strategy is not None:
                self.strategies[planned.name] = Around(
                    planned,
                    self.plan,
                    self.network,
                    self.supervisor,
                    WORKSHOP / "strategies",
                    queue,
                    self.seed,
                )
                self.strategies[planned.name].start()

    def _pickled(self, policy: str) -> Path:
        folder = WORKSHOP / "policies"
        folder.mkdir(exist_ok=True)
        file = folder / f"{policy}.pickle"
        if not file.exists():
            file.write_bytes(pickle.dumps(self.plan.scenario.policies[policy]))
        return file


@contextmanager
def standing(plan: Plan, folder: Path, seed: int) -> Iterator[Stage]:
    """A stage that is up, and that ends with the block."""
    stage = Stage(plan, folder, seed)
    try:
        stage.up()
        yield stage
    finally:
        stage.down()


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, set off for an error message."""
    if not log.exists():
        return ""
    text = log.read_text(errors="replace").splitlines()[-lines:]
    return "".join(f"\n    | {line}" for line in text)
