"""A probe's way through a tool: the tool is started anew for every attempt.

So each attempt meets the policy in force with its first packets, as a subscriber's
does who starts a VPN; a session from before the blocking would not be asked again.
"""

from __future__ import annotations

import time
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
from filterlab.runner.plan import Plan, PlannedProbe
from filterlab.tools.running import Entry, RunningTool, start_tool
from filterlab.tools.shelf import Shelf

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
    ) -> None:
        assert planned.passage is not None
        self._planned = planned
        self._plan = plan
        self._network = network
        self._authority = authority
        self._supervisor = supervisor
        self._workshop = workshop
        self._tool = Shelf()[planned.passage.tool]
        self._device = network.node(planned.passage.device)
        self._server = network.node(planned.passage.server)
        self._attempts = 0

    def fetch(self, launcher: Launcher) -> ProbeResult:
        """Start the tool, perform the probe through it, and end the tool."""
        started = time.monotonic()
        try:
            tool = self._start()
        except NotReady as error:
            return self._failed(error, time.monotonic() - started)
        seconds = time.monotonic() - started
        try:
            request = self._plan.request(
                self._planned, str(self._authority.ca_file), **self._way(tool)
            )
            result = launcher.submit(request, self._device.pid).result()
        finally:
            deaths = [p.death() for p in tool.processes if p.death() is not None]
            tool.stop()
        if deaths:
            return broken(_last_line_says(str(deaths[0])))
        return _after(seconds, result)

    def _start(self) -> RunningTool:
        self._attempts += 1
        # Some programs take a space in a file's name for its end.
        name = "-".join(f"{self._planned.name} {self._attempts}".split())
        timeouts = self._plan.timeouts(self._planned)
        return start_tool(
            self._tool,
            {"client": self._device, "server": self._server},
            self._authority,
            self._workshop / name.replace("/", "_"),
            self._supervisor,
            label=name,
            within=timeouts.socks * _TIMEOUTS_TO_CONNECT,
        )

    def _way(self, tool: RunningTool) -> dict[str, Any]:
        """How the probe gets into the tool, and who resolves its names."""
        via = _via(tool.via)
        if isinstance(via, Socks | HttpProxy):
            return {"via": via}
        place = self._plan.hosts[self._server.name]
        named = self._planned.probe.resolver or self._plan.resolvers(place)[0]
        if "://" in named:
            return {"via": via, "resolver": named}
        address = self._plan.addresses(self._plan.node_of[named])[0]
        return {"via": via, "resolver": f"udp://{address}"}

    def _failed(self, error: NotReady, seconds: float) -> ProbeResult:
        """A client that could not connect is a result; any other part is the lab's."""
        part = error.name.rpartition(" ")[2]
        facts = self._tool.file.parts.get(part)
        if facts is None or facts.on != "client":
            return broken(_last_line_says(str(error)))
        step = Step("tunnel", TIMEOUT, 0.0, seconds, {"error": str(error)})
        return ProbeResult(steps=(step,), failure=TIMEOUT, seconds=seconds)


def _last_line_says(report: str) -> str:
    """A report with its headline once more at its end, as a traceback has it."""
    return f"{report}\n{report.splitlines()[0]}"


def _via(entry: Entry) -> Via:
    if entry.kind == "tun":
        return Device(entry.interface)
    kind = Socks if entry.kind == "socks5" else HttpProxy
    return kind(entry.host, entry.port)


def _after(seconds: float, result: ProbeResult) -> ProbeResult:
    """The result with the tunnel's own start as its first step."""
    tunnel = Step("tunnel", None, 0.0, seconds)
    later = tuple(replace(s, started=s.started + seconds) for s in result.steps)
    whole = result.seconds + seconds
    return replace(result, steps=(tunnel, *later), seconds=whole)
