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
    resolver: str = "",
) -> RunningTool:
    """Start a tool on hosts by their roles, of which `client` is a must.

    A role without a host runs on the server's. `folder` is the tool's own, `label`
    its name in logs and errors; each part has `within` seconds to become ready, unless
    its file gives it others; `resolver` is the address of one where the server stands.
    Raises NotReady naming the part that is not ready, after ending the others.
    """
    folder.mkdir(parents=True)
    others = {role: hosts["server"] for role in tool.roles if role not in hosts}
    start = Start(
        tool,
        {**others, **hosts},
        folder,
        supervisor,
        label or tool.name,
        within,
        resolver,
    )
    try:
        start.prepare(authority)
        start.parts()
        put_back = start.lead_in()
    except BaseException:
        supervisor.stop(start.processes)
        raise
    return RunningTool(
        start.label,
        _entry(tool.enters, start),
        tool.enters.resolver,
        start.processes,
        start,
        hosts["client"],
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
