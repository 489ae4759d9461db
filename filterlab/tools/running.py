"""Starts a tool's programs on their hosts and gives back the way into it.

Keys and configurations are made anew for each run, in a folder of the tool's own.
Parts start as soon as those that they wait for are ready, so servers and clients
come up together where the tool allows it.
"""

from __future__ import annotations

import base64
import os
import shlex
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal, Protocol

from filterlab.lab.authority import Authority
from filterlab.lab.processes import READY_SECONDS, Node, Process, Supervisor
from filterlab.lab.readiness import (
    All,
    InterfaceExists,
    InterfaceUp,
    Listening,
    LogLine,
    Readiness,
)
from filterlab.tools.schema import EntersText, PartText, ReadyText
from filterlab.tools.tool import Tool
from filterlab.tools.tunnel import lead_into_tunnel

_SECRET_BYTES = 16  # 128 bits, as the key of Shadowsocks 2022's smaller cipher needs
EntryKind = Literal["socks5", "http", "tun", "dns", "transparent"]


class Host(Node, Protocol):
    """A host of the network with its addresses, IPv4 and IPv6."""

    @property
    def addresses(self) -> Sequence[str]:
        """Its addresses as plain text."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The way into a tool on its client's host: a local socket, or an interface."""

    kind: EntryKind
    host: str = ""
    port: int = 0
    interface: str = ""


@dataclass(slots=True)
class RunningTool:
    """A tool that is ready: how to enter it, and who resolves names behind it."""

    name: str
    via: Entry
    resolver: str | None
    processes: list[Process]
    _supervisor: Supervisor
    _put_back: Callable[[], None] | None = None

    def stop(self) -> None:
        """End all its programs, and lead the client's traffic as it was before."""
        self._supervisor.stop(self.processes)
        if self._put_back is not None:
            self._put_back()
            self._put_back = None


def start_tool(
    tool: Tool,
    hosts: Mapping[str, Host],
    authority: Authority,
    folder: Path,
    supervisor: Supervisor,
    *,
    label: str | None = None,
    within: float = READY_SECONDS,
) -> RunningTool:
    """Start a tool on hosts by their roles, of which `server` and `client` are musts.

    A role without a host runs on the server's. `folder` is the tool's own, `label`
    its name in logs and errors; each part has `within` seconds to become ready, unless
    its file gives it others. Raises NotReady naming the part that is not ready,
    after ending the others.
    """
    folder.mkdir(parents=True)
    everywhere = {role: hosts.get(role, hosts["server"]) for role in tool.roles}
    everywhere = {**everywhere, **hosts}
    start = _Start(tool, everywhere, folder, supervisor, label or tool.name, within)
    try:
        start.prepare(authority)
        start.parts()
        put_back = start.tunnel()
    except BaseException:
        supervisor.stop(start.processes)
        raise
    enters = tool.enters
    return RunningTool(
        start.label,
        _entry(enters),
        enters.resolver,
        start.processes,
        supervisor,
        put_back,
    )


class _Start:
    """One start of one tool."""

    def __init__(
        self,
        tool: Tool,
        hosts: Mapping[str, Host],
        folder: Path,
        supervisor: Supervisor,
        label: str,
        within: float,
    ) -> None:
        self.label = label
        self._within = within
        self.processes: list[Process] = []
        self._tool = tool
        self._hosts = hosts
        self._folder = folder
        self._supervisor = supervisor
        self._variables = {"folder": str(folder), "port": str(tool.port[0])}
        for role, host in hosts.items():
            v4 = [one for one in host.addresses if ":" not in one]
            v6 = [one for one in host.addresses if ":" in one]
            self._variables[f"{role}_address"] = v4[0] if v4 else ""
            self._variables[f"{role}_address6"] = v6[0] if v6 else ""

    def prepare(self, authority: Authority) -> None:
        """Make secrets, certificates, keys and files, in this order."""
        file = self._tool.file
        self._own_run_folders()
        self._variables["ca_file"] = str(authority.ca_file)
        for name, kind in file.random.items():
            self._variables[name] = _secret(kind)
        for name, wanted in file.certificates.items():
            made = authority.issue(
                f"tool-{self.label}-{name}".replace("/", "_"),
                names=wanted.names or [f"{name}.{self._tool.name}.example"],
                addresses=self._hosts[wanted.host].addresses,
                usage="client" if wanted.usage == "client" else "server",
            )
            self._variables[f"{name}_certificate"] = str(made.cert_file)
            self._variables[f"{name}_chain"] = str(made.chain_file)
            self._variables[f"{name}_key"] = str(made.key_file)
        for name, line in file.keys.items():
            said = self._run(f"key {name}", line, self._hosts["server"])
            self._variables[name] = said.strip()
        for path, content in file.files.items():
            target = self._folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch(mode=0o600)  # many hold secrets, and programs insist on it
            target.write_text(self._filled(content) + "\n")

    def _own_run_folders(self) -> None:
        if not self._tool.file.run_folders:
            return
        lines = [
            f"mkdir -p /run/{one}; mountpoint -q /run/{one} ||"
            f" mount -t tmpfs tmpfs /run/{one}"
            for one in self._tool.file.run_folders
        ]
        for role in self._tool.roles:
            host = self._hosts[role]
            self._shell(f"folders of {role}", "\n".join(lines), host)

    def _shell(self, what: str, script: str, node: Node) -> str:
        command = ["sh", "-e", "-c", script]
        name = f"{self.label} {what}"
        return self._supervisor.run(name, command, node, folder=self._folder)

    def parts(self) -> None:
        """Start every part and wait until all are ready."""
        started: dict[str, tuple[PartText, Process]] = {}
        ready: set[str] = set()
        for name, part in self._tool.start_order():
            for earlier in part.after:
                self._await(earlier, started, ready)
            started[name] = part, self._start(name, part)
        for name in started:
            self._await(name, started, ready)

    def tunnel(self) -> Callable[[], None] | None:
        """Lead the client's traffic into the tool's interface, if it has one.

        Returns what leads it back.
        """
        enters = self._tool.enters
        if enters.tun is None:
            return None
        return lead_into_tunnel(
            enters.tun,
            client=self._hosts["client"],
            exit_host=self._hosts[enters.exit],
            outside=[
                address
                for role, host in self._hosts.items()
                if role != "client"
                for address in host.addresses
            ],
            run=self._shell,
        )

    def _start(self, name: str, part: PartText) -> Process:
        process = self._supervisor.start(
            f"{self.label} {name}",
            self._argv(part.start),
            self._hosts[part.on],
            ready=_readiness(part.ready),
            folder=self._folder,
            variables={k: self._filled(v) for k, v in part.variables.items()},
            stop_signal=part.stop,
        )
        self.processes.append(process)
        return process

    def _await(
        self,
        name: str,
        started: Mapping[str, tuple[PartText, Process]],
        ready: set[str],
    ) -> None:
        if name in ready:
            return
        part, process = started[name]
        process.wait_ready(part.within or self._within)
        for line in part.then:
            self._run(f"{name} setup", line, self._hosts[part.on])
        ready.add(name)

    def _run(self, what: str, line: str, host: Host) -> str:
        return self._supervisor.run(
            f"{self.label} {what}", self._argv(line), host, folder=self._folder
        )

    def _argv(self, line: str) -> list[str]:
        return [self._filled(word) for word in shlex.split(line)]

    def _filled(self, template: str) -> str:
        return Template(template).substitute(self._variables)


def _secret(kind: str) -> str:
    if kind == "uuid":
        return str(uuid.uuid4())
    secret = os.urandom(_SECRET_BYTES)
    return base64.b64encode(secret).decode() if kind == "base64" else secret.hex()


def _readiness(ready: ReadyText) -> Readiness:
    conditions: list[Readiness] = []
    if ready.tcp is not None or ready.udp is not None:
        conditions.append(Listening(tcp=ready.tcp, udp=ready.udp))
    if ready.log is not None:
        conditions.append(LogLine(ready.log))
    if ready.interface is not None:
        conditions.append(InterfaceExists(ready.interface))
    if ready.up is not None:
        conditions.append(InterfaceUp(ready.up))
    return All(tuple(conditions))


def _entry(enters: EntersText) -> Entry:
    if enters.tun is not None:
        return Entry("tun", interface=enters.tun)
    if enters.transparent is not None:
        return Entry("transparent", port=enters.transparent)
    if enters.socks5 is not None:
        return Entry("socks5", *enters.socks5)
    if enters.http is not None:
        return Entry("http", *enters.http)
    assert enters.dns is not None  # the schema has exactly one
    return Entry("dns", *enters.dns)
