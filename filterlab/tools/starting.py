"""One start of one tool: its secrets and files made, its parts started in order.

Keys and configurations are made anew for each run, in a folder of the tool's own.
Parts start as soon as those that they wait for are ready, so servers and clients
come up together where the tool allows it.
"""

from __future__ import annotations

import base64
import os
import shlex
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from string import Template
from typing import Literal, Protocol

import filterlab
from filterlab.lab.authority import Authority
from filterlab.lab.leftovers import inhabitants
from filterlab.lab.processes import Node, NotReady, Process, Supervisor
from filterlab.lab.readiness import (
    All,
    InterfaceExists,
    InterfaceUp,
    Listening,
    LogLine,
    Readiness,
)
from filterlab.tools.redirect import MARK, lead_into_port
from filterlab.tools.schema import PartText, ReadyText
from filterlab.tools.tool import Tool
from filterlab.tools.tunnel import lead_into_tunnel

# Where this package was imported from: its own programs must come from there too.
_LIBRARY = str(Path(filterlab.__file__).parents[1])
_SECRET_BYTES = 16  # 128 bits, as the key of Shadowsocks 2022's smaller cipher needs


class Host(Node, Protocol):
    """A host of the network with its addresses, IPv4 and IPv6."""

    @property
    def addresses(self) -> Sequence[str]:
        """Its addresses as plain text."""


class Start:
    """One start of one tool: prepare it, start its parts, and lead traffic in."""

    def __init__(
        self,
        tool: Tool,
        hosts: Mapping[str, Host],
        folder: Path,
        supervisor: Supervisor,
        label: str,
        within: float,
        resolver: str,
    ) -> None:
        self.label = label
        self._within = within
        self.processes: list[Process] = []
        self._tool = tool
        self._hosts = hosts
        self.folder = folder
        self._supervisor = supervisor
        self._variables = {
            "python": sys.executable,
            "library": _LIBRARY,
            "folder": str(folder),
            "port": str(tool.port[0]) if tool.port is not None else "",
            "mark": str(MARK),
            "resolver_address": resolver,
            **tool.given,
        }
        for role, host in hosts.items():
            self._variables |= _addresses(role, host)
        self._settle(hosts.values())

    def _settle(self, hosts: Iterable[Host]) -> None:
        self._own = list(hosts)
        self._known = inhabitants([host.pid for host in self._own])

    def end(self) -> None:
        """End all its programs, and whatever they have left on its hosts."""
        self._supervisor.stop(self.processes)
        self._supervisor.clear(self._own, self._known)

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
        maker = self._hosts.get("server", self._hosts["client"])
        for name, line in file.keys.items():
            said = self._run(f"key {name}", line, maker)
            self._variables[name] = said.strip()
        for path, content in file.files.items():
            target = self._inside(path)
            target.touch(mode=0o600)  # many hold secrets, and programs insist on it
            target.write_text(self.filled(content) + "\n")

    def _inside(self, path: str) -> Path:
        """A file of the tool's own; a link that its keys made may lead elsewhere."""
        target = self.folder / path
        if not target.resolve().is_relative_to(self.folder.resolve()):
            why = f"would write outside of the run's folder: {path}"
            raise NotReady(self.label, why, [f"it leads to {target.resolve()}"])
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

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
        return self._supervisor.run(name, command, node, folder=self.folder)

    def for_client(self, client: Host, label: str, within: float) -> Start:
        """The same start for another client: its secrets, files and servers.

        What the files say of the client, they say of the first one.
        """
        other = copy(self)
        other.label, other._within, other.processes = label, within, []
        other._hosts = {**self._hosts, "client": client}
        other._variables = {**self._variables, **_addresses("client", client)}
        other._settle([client])
        return other

    def parts(self, of: Literal["all", "client", "others"] = "all") -> None:
        """Start every part, or the client's or the others, and wait for each."""
        started: dict[str, tuple[PartText, Process]] = {}
        ready: set[str] = set()
        for name, part in self._tool.start_order():
            if of not in ("all", "client" if part.on == "client" else "others"):
                ready.add(name)  # somebody else has seen to it
                continue
            for earlier in part.after:
                self._await(earlier, started, ready)
            started[name] = part, self._start(name, part)
        for name in started:
            self._await(name, started, ready)

    def lead_in(self) -> Callable[[], None] | None:
        """Lead the client's traffic into the tool, where it does not enter by itself.

        Returns what leads it back.
        """
        enters = self._tool.enters
        client = self._hosts["client"]
        outside = [
            address
            for role, host in self._hosts.items()
            if role != "client"
            for address in host.addresses
        ]
        if enters.transparent is not None:
            port = enters.transparent
            return lead_into_port(port, client=client, outside=outside, run=self._shell)
        if enters.tun is None:
            return None
        return lead_into_tunnel(
            enters.tun,
            client=client,
            exit_host=self._hosts[enters.exit],
            outside=outside,
            run=self._shell,
            translates=enters.translates,
        )

    def _start(self, name: str, part: PartText) -> Process:
        process = self._supervisor.start(
            f"{self.label} {name}",
            self.argv(part.start),
            self._hosts[part.on],
            ready=_readiness(part.ready),
            folder=self.folder,
            variables={k: self.filled(v) for k, v in part.variables.items()},
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
            f"{self.label} {what}", self.argv(line), host, folder=self.folder
        )

    def argv(self, line: str, more: Mapping[str, str] | None = None) -> list[str]:
        """A command line as words, with the variables (and `more`) filled in."""
        return [self.filled(word, more) for word in shlex.split(line)]

    def filled(self, template: str, more: Mapping[str, str] | None = None) -> str:
        """A text with the variables (and `more`) filled in."""
        return Template(template).substitute(self._variables, **(more or {}))


def _addresses(role: str, host: Host) -> dict[str, str]:
    v4 = [one for one in host.addresses if ":" not in one]
    v6 = [one for one in host.addresses if ":" in one]
    return {
        f"{role}_address": v4[0] if v4 else "",
        f"{role}_address6": v6[0] if v6 else "",
    }


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
