"""Starts a tool's programs on their hosts and gives back the way into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filterlab.lab.authority import Authority
from filterlab.lab.processes import READY_SECONDS, Process, Supervisor
from filterlab.tools.program import Said, ask
from filterlab.tools.schema import EntersText
from filterlab.tools.starting import Host, Start
from filterlab.tools.tool import Tool

EntryKind = Literal["socks5", "http", "tun", "dns", "transparent", "program"]


@dataclass(frozen=True, slots=True)
class Entry:
    """The way into a tool on its client's host.

    A local socket, an interface, or (a program) nothing but to ask it.
    """

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
    _start: Start
    _client: Host
    _folder: Path
    _supervisor: Supervisor
    _put_back: Callable[[], None] | None = None

    def ask(self, command: str, within: float, **more: str) -> Said:
        """Have a tool that is a program itself do what its file's `command` says.

        `more` are the variables of that command: `url`, `name`.
        """
        return ask(
            f"{self.name} program",
            self._start.argv(command, more),
            self._client,
            self._folder,
            self._supervisor,
            within,
        )

    def stop(self) -> None:
        """End all its programs, and lead the client's traffic as it was before."""
        self._start.end()
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
    resolver: str = "",
) -> RunningTool:
    """Start a tool on hosts by their roles, of which `client` is a must.

    A role without a host runs on the server's. `folder` is the tool's own, `label`
    its name in logs and errors; each part has `within` seconds to become ready, unless
    its file gives it others; `resolver` is the address of one where the server stands.
    Raises NotReady naming the part that is not ready, after ending the others.
    """
    start = _start(tool, hosts, folder, supervisor, label, within, resolver)
    return _running(tool, start, hosts["client"], folder, supervisor, authority)


def start_servers(
    tool: Tool,
    hosts: Mapping[str, Host],
    authority: Authority,
    folder: Path,
    supervisor: Supervisor,
    *,
    label: str,
    within: float = READY_SECONDS,
    resolver: str = "",
) -> Start:
    """Start all of a tool but its client, for any number of clients to join.

    Arguments and errors as of `start_tool`; `client` is the first of those to come.
    """
    start = _start(tool, hosts, folder, supervisor, label, within, resolver)
    try:
        start.prepare(authority)
        start.parts("others")
    except BaseException:
        start.end()
        raise
    return start


def join(
    tool: Tool,
    servers: Start,
    client: Host,
    folder: Path,
    supervisor: Supervisor,
    *,
    label: str,
    within: float = READY_SECONDS,
) -> RunningTool:
    """Start a tool's client on one more host, beside servers that run already."""
    start = servers.for_client(client, label, within)
    return _running(tool, start, client, folder, supervisor, None)


def _start(
    tool: Tool,
    hosts: Mapping[str, Host],
    folder: Path,
    supervisor: Supervisor,
    label: str | None,
    within: float,
    resolver: str,
) -> Start:
    folder.mkdir(parents=True)
    others = {role: hosts["server"] for role in tool.roles if role not in hosts}
    whole = {**others, **hosts}
    label = label or tool.name
    return Start(tool, whole, folder, supervisor, label, within, resolver)


def _running(
    tool: Tool,
    start: Start,
    client: Host,
    folder: Path,
    supervisor: Supervisor,
    authority: Authority | None,
) -> RunningTool:
    """Start a tool, all of it if there is an authority to certify its servers."""
    try:
        if authority is not None:
            start.prepare(authority)
        start.parts("client" if authority is None else "all")
        put_back = start.lead_in()
    except BaseException:
        start.end()
        raise
    return RunningTool(
        start.label,
        _entry(tool.enters, start),
        tool.enters.resolver,
        start.processes,
        start,
        client,
        folder,
        supervisor,
        put_back,
    )


def _entry(enters: EntersText, start: Start) -> Entry:
    if enters.tun is not None:
        return Entry("tun", interface=enters.tun)
    if enters.transparent is not None:
        return Entry("transparent", port=enters.transparent)
    if enters.socks5 is not None:
        host, port = enters.socks5
        return Entry("socks5", start.filled(host), port)
    if enters.http is not None:
        host, port = enters.http
        return Entry("http", start.filled(host), port)
    if enters.dns is not None:
        return Entry("dns", *enters.dns)
    return Entry("program")
