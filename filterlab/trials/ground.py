"""The network on which programs are tried: one exchange that lets everything pass.

One country for all of them, one program after the other; every role of a tool but the
client's has a host of its own, abroad like the web server and the resolver.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filterlab.lab.authority import Authority
from filterlab.lab.capture import Capture
from filterlab.lab.network import Network
from filterlab.lab.processes import NotReady, Supervisor
from filterlab.lab.services import ServiceSpec, start_services
from filterlab.lab.topology import load_topology
from filterlab.probes.launcher import Launcher
from filterlab.probes.request import Device, HttpProxy, ProbeRequest, Socks
from filterlab.probes.said import addresses_said, failure_said
from filterlab.tools.running import Entry, RunningTool, start_tool
from filterlab.tools.tool import Tool
from filterlab.trials.subjects import RESOLVER, WEB, Subject
from filterlab.trials.trial import Trial

_EXCHANGE = "exchange"
_ASK_SECONDS = 20.0  # a program's own timeouts are shorter


class Ground:
    """The network, its web server and resolver, and hosts for the tools' roles."""

    def __init__(self, subjects: Sequence[Subject], folder: Path) -> None:
        self._folder = folder
        tools = [subject.tool for subject in subjects if subject.tool]
        roles = {role for tool in tools for role in tool.roles if role != "client"}
        hosts = {"client": "isp1", "web": "abroad", "dns": "abroad"}
        hosts |= {role: "abroad" for role in sorted(roles)}
        topo = load_topology("national")(
            isps=1, gateways=(f"{_EXCHANGE}:1",), hosts=hosts
        )
        self._network = Network(topo, folder / "network", controller_port=None)
        self._network.up()
        for exchange in self._network.exchanges:
            self._network.plain_forwarding(exchange)
        self._resolver = self._network.node("dns").addresses[0]
        for name in hosts:
            self._network.set_resolver(name, [self._resolver])
        self._authority = Authority(folder / "authority")
        self._supervisor = Supervisor(folder)
        services = [
            self._service(WEB, "web", "http", "https", "h3"),
            self._service(RESOLVER, "dns", "dns", "dot", "doh"),
        ]
        start_services(services, self._authority, folder / "services", self._supervisor)
        self._launcher = Launcher()

    def close(self) -> None:
        """End every program."""
        self._launcher.__exit__(None, None, None)
        self._supervisor.stop_all()

    def try_out(self, subject: Subject, out: Path) -> Trial:
        """Try one program, and leave what its side saw as `out`/NAME.pcapng."""
        label = subject.name
        sides = {port.side: port for port in self._network.exchange_ports(_EXCHANGE)}
        capture = Capture({label: sides["inside"].interface}, out)
        with capture:
            failure = self._attempt(subject)
        (out / "capture.log").unlink(missing_ok=True)
        return Trial(
            subject.name,
            subject.versions,
            tuple(self._network.node("client").addresses),
            tuple(self._peers(subject)),
            failure,
            True,
        )

    def _service(self, name: str, node: str, *speaks: str) -> ServiceSpec:
        host = self._network.node(node)
        return ServiceSpec(name, host, "abroad", speaks, tuple(host.addresses))

    def _peers(self, subject: Subject) -> list[str]:
        roles = [r for r in subject.tool.roles if r != "client"] if subject.tool else []
        others = ["web"] if subject.attempt.kind == "fetch" else ["dns"]
        nodes = map(self._network.node, roles or others)
        return [address for node in nodes for address in node.addresses]

    def _attempt(self, subject: Subject) -> str:
        """Why nothing came; empty if all did."""
        if subject.tool is None:
            attempt = subject.attempt
            asked = f"{attempt.asks}://{self._resolver}"
            if attempt.asks == "https":
                asked += "/dns-query"  # its certificate bears its address as well
            if attempt.asks == "tls":
                asked += f"#{RESOLVER}"
            more: dict[str, Any] = {"http": attempt.http}
            more |= {"resolver": asked} if attempt.asks else {}
            return self._probe(attempt.kind, attempt.target, **more)
        try:
            running = self._start(subject.tool)
        except NotReady as error:
            return str(error).splitlines()[0]
        try:
            return self._through(subject, subject.tool, running)
        finally:
            running.stop()

    def _start(self, tool: Tool) -> RunningTool:
        roles = {role: self._network.node(role) for role in tool.roles}
        return start_tool(
            tool,
            {**roles, "client": self._network.node("client")},
            self._authority,
            self._folder / "tools" / tool.name,
            self._supervisor,
            resolver=self._resolver,
        )

    def _through(self, subject: Subject, tool: Tool, running: RunningTool) -> str:
        program = tool.enters.program
        page = f"https://{WEB}/"
        if program is None:
            return self._probe("fetch", page, **_way(running.via, self._resolver))
        command = program.fetch or program.resolve
        assert command is not None
        said = running.ask(command, _ASK_SECONDS, url=page, name=WEB)
        output = said.out.decode(errors="replace")
        came = WEB in output if program.fetch else addresses_said(output)
        if said.status == 0 and (came or subject.is_plain):
            return ""
        return failure_said(said.program, said.status, said.complaints)

    def _probe(self, kind: Any, target: str, **more: Any) -> str:
        request = ProbeRequest(
            kind, target, ca_file=str(self._authority.ca_file), **more
        )
        pid = self._network.node("client").pid
        result = self._launcher.submit(request, pid).result()
        return "" if result.reached else result.failure or "not reached"


def _way(entry: Entry, resolver: str) -> dict[str, Any]:
    """How a probe gets into a tool, and who resolves its names."""
    if entry.kind == "dns":
        return {"resolver": f"udp://{entry.host}:{entry.port}"}
    if entry.kind == "socks5":
        return {"via": Socks(entry.host, entry.port)}
    if entry.kind == "http":
        return {"via": HttpProxy(entry.host, entry.port)}
    if entry.kind == "tun":
        return {"via": Device(entry.interface), "resolver": f"udp://{resolver}"}
    return {}
