"""A probe's way through a tool: the tool is started anew for every attempt.

So each attempt meets the policy in force with its first packets, as a subscriber's
does who starts a VPN. A session that the probe keeps is the exception: it is how one
from before the blocking fares.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filterlab.lab.authority import Authority
from filterlab.lab.network import Network
from filterlab.lab.processes import NotReady, Supervisor
from filterlab.probes.failure import TIMEOUT
from filterlab.probes.launcher import Launcher
from filterlab.probes.request import Device, HttpProxy, Socks, Via
from filterlab.probes.result import ProbeResult, Step, broken
from filterlab.runner import asking
from filterlab.runner.plan import Plan, PlannedProbe
from filterlab.runner.sharing import SharedServers
from filterlab.tools.running import Entry, RunningTool, join, start_servers, start_tool
from filterlab.tools.schema import ProgramText
from filterlab.tools.starting import Start

# A tool's handshake takes some round trips more than TLS's, and its programs start
# within a tenth of a second (measured, research/users.md 3.2): after so many of the
# probe's own timeouts it will not come any more.
_TIMEOUTS_TO_CONNECT = 1.5


class Through:
    """One probe's tool: its programs' hosts, and how to fetch through it."""

    def __init__(
        self,
        planned: PlannedProbe,
        plan: Plan,
        network: Network,
        authority: Authority,
        supervisor: Supervisor,
        workshop: Path,
        linger: Callable[[Sequence[str]], None] = lambda addresses: None,
        shared: SharedServers | None = None,
        lease: Callable[[str, str], None] = lambda address, client: None,
    ) -> None:
        assert planned.passage is not None
        self._planned = planned
        self._plan = plan
        self._authority = authority
        self._supervisor = supervisor
        self._workshop = workshop
        self._linger = linger  # a prober may still be looking at its servers
        self._tool = plan.tools[planned.passage.tool]
        self._device = network.node(planned.passage.device)
        self._hosts = {
            role: network.node(node) for role, node in planned.passage.hosts.items()
        }
        self._shared = shared
        self._lease = lease  # a user's own address behind the exit, and whose it is
        self._session: RunningTool | None = None
        self._keeps = False
        self._attempts = 0

    def begin(self, phase: str) -> None:
        """A phase begins; from the one that the probe names on, its session is kept."""
        self._keeps = self._keeps or phase == self._planned.probe.session

    def fetch(self, launcher: Launcher) -> ProbeResult:
        """Start the tool, perform the probe through it, and end the tool.

        A session that is kept is started once, and left to run.
        """
        started = time.monotonic()
        try:
            tool = self._session or self._start()
        except NotReady as error:
            return self._failed(error, time.monotonic() - started)
        seconds = time.monotonic() - started
        self._tell_lease()
        try:
            result = self._try(tool, launcher)
        except NotReady as error:  # a program that is the client, and not installed
            result = broken(_last_line_says(str(error)))
        finally:
            self._linger([a for h in self._hosts for a in self._addresses(h)])
            deaths = [p.death() for p in tool.processes if p.death() is not None]
            self._session = tool if self._keeps and not deaths else None
            if self._session is None:
                tool.stop()
        if deaths:
            return broken(_last_line_says(str(deaths[0])))
        if not tool.processes:
            return result
        killed = [p.name for p in tool.processes if p.obstinate]
        detail = {"killed": killed} if killed else {}
        return asking.after(Step("tunnel", None, 0.0, seconds, detail), result)

    def _tell_lease(self) -> None:
        """Whoever runs the tool's servers knows whose each of their addresses is."""
        enters = self._tool.enters
        if enters.tun is None or enters.translates:
            return
        asked = ["ip", "-json", "address", "show", "dev", enters.tun]
        for device in json.loads(self._device.run_in(asked).stdout):
            for one in device.get("addr_info", ()):
                if one["scope"] == "global":
                    self._lease(one["local"], self._planned.name)

    def _addresses(self, role: str) -> list[str]:
        return self._plan.addresses(self._hosts[role].name)

    def _start(self) -> RunningTool:
        self._attempts += 1
        # Some programs take a space in a file's name for its end.
        name = "-".join(f"{self._planned.name} {self._attempts}".split())
        timeouts = self._plan.timeouts(self._planned)
        within = timeouts.socks * _TIMEOUTS_TO_CONNECT
        folder = self._workshop / name.replace("/", "_")
        supervisor, device = self._supervisor, self._device
        if self._shared is not None:
            servers = self._shared.start(self._start_servers)
            folder = servers.folder
            return join(
                self._tool,
                servers,
                device,
                folder,
                supervisor,
                label=name,
                within=within,
            )
        return start_tool(
            self._tool,
            {"client": device, **self._hosts},
            self._authority,
            folder,
            supervisor,
            label=name,
            within=within,
            resolver=self._resolver_abroad(),
        )

    def _start_servers(self) -> Start:
        name = "-".join(f"{self._planned.name} shared".split())
        return start_servers(
            self._tool,
            {"client": self._device, **self._hosts},
            self._authority,
            self._workshop / name.replace("/", "_"),
            self._supervisor,
            label=name,
            resolver=self._resolver_abroad(),
        )

    def _try(self, tool: RunningTool, launcher: Launcher) -> ProbeResult:
        program = self._tool.enters.program
        if program is None:
            return self._probe(launcher, **self._way(tool.via))
        return self._ask(tool, program, launcher)

    def _ask(
        self, tool: RunningTool, program: ProgramText, launcher: Launcher
    ) -> ProbeResult:
        """What a tool says that is a program itself.

        One that only resolves names does so, and then the probe goes there directly.
        """
        probe = self._planned.probe
        limits = self._plan.timeouts(self._planned)
        within = limits.dns + limits.tcp + limits.tls  # all that resolving can be
        if probe.kind == "fetch" and program.fetch is not None:
            within += limits.http
            said = tool.ask(program.fetch, within, url=probe.target, name=probe.host)
            return asking.fetched(said)
        assert program.resolve is not None  # `check_passages` has refused the probe
        found = asking.resolved(tool.ask(program.resolve, within, name=probe.host))
        if probe.kind == "resolve" or not found.reached:
            return found
        direct = self._probe(launcher, addresses=found.answers)
        return asking.after(found.steps[0], replace(direct, answers=found.answers))

    def _probe(self, launcher: Launcher, **way: Any) -> ProbeResult:
        ca_file = str(self._authority.ca_file)
        request = self._plan.request(self._planned, ca_file, **way)
        return launcher.submit(request, self._device.pid).result()

    def _way(self, entry: Entry) -> dict[str, Any]:
        """How the probe gets into the tool, and who resolves its names."""
        if entry.kind == "dns":
            return {"resolver": f"udp://{entry.host}:{entry.port}"}
        if entry.kind == "transparent":
            return {}
        via = _via(entry)
        if isinstance(via, Socks | HttpProxy):
            return {"via": via}
        named = self._planned.probe.resolver or self._resolvers()[0]
        if "://" in named:
            return {"via": via, "resolver": named}
        address = self._plan.addresses(self._plan.node_of[named])[0]
        return {"via": via, "resolver": f"udp://{address}"}

    def _resolvers(self) -> list[str]:
        """The services that answer DNS, those where the tool comes out first."""
        exit_host = self._hosts.get(self._tool.enters.exit, self._device)
        return self._plan.resolvers(self._plan.hosts[exit_host.name])

    def _resolver_abroad(self) -> str:
        found = self._resolvers()
        return self._plan.addresses(self._plan.node_of[found[0]])[0] if found else ""

    def _failed(self, error: NotReady, seconds: float) -> ProbeResult:
        """A client that could not connect is a result; all else is no censorship.

        No other part crosses an exchange to be ready, and no exchange makes a client
        flood its log, crash, or miss its program. One that leaves does so for a reason
        of its own or for the network's: what it did with no policy in force, and what
        the exchange decided about its flows, tell which.
        """
        part = error.name.rpartition(" ")[2]
        facts = self._tool.file.parts.get(part)
        if error.own_fault or facts is None or facts.on != "client":
            return broken(_last_line_says(str(error)))
        detail = {"error": str(error), "happened": f"the {part} {error.why}"}
        step = Step("tunnel", TIMEOUT, 0.0, seconds, {**detail, "left": error.left})
        return ProbeResult(steps=(step,), failure=TIMEOUT, seconds=seconds)


def _last_line_says(report: str) -> str:
    """A report with its headline once more at its end, as a traceback has it."""
    return f"{report}\n{report.splitlines()[0]}"


def _via(entry: Entry) -> Via:
    if entry.kind == "tun":
        return Device(entry.interface)
    kind = Socks if entry.kind == "socks5" else HttpProxy
    return kind(entry.host, entry.port)
