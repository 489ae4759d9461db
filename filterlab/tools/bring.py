"""Tools that somebody brings along: a file of theirs, or the bare commands of two ends.

Commands become a tool's file as anybody would write it, so that both are read, checked
and started in one way. What a command line calls a program by its path is that file,
wherever it lies; everything else of the tool happens in the run's folder.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterlab.scenario.problem import BadInput, Place, Problem
from filterlab.tools.schema import port_and_protocol
from filterlab.tools.tool import Tool, load_tool

_ENTRIES = ("socks", "http", "tun", "dns")


@dataclass(frozen=True, slots=True)
class Commands:
    """A tool without a file: what starts its ends, and how it is entered.

    Exactly one of `socks`, `http` and `dns` (a port), and `tun` (an interface).
    """

    server: str | None = None
    client: str | None = None
    port: str = "443/tcp"
    socks: str | None = None
    http: str | None = None
    tun: str | None = None
    dns: str | None = None

    @property
    def any(self) -> bool:
        """Whether there is anything of a tool."""
        entries = [getattr(self, entry) for entry in _ENTRIES]
        return any(one is not None for one in (self.server, self.client, *entries))


def brought(files: Sequence[Path], commands: Commands) -> list[dict[str, Any]]:
    """What must be known to load each tool, as plain data for another process.

    Raises BadInput with all that is wrong with them.
    """
    orders: list[dict[str, Any]] = [{"file": str(path.absolute())} for path in files]
    if commands.any:
        orders.append(_order(commands))
    for order in orders:
        loaded([order])
    return orders


def loaded(orders: Sequence[Mapping[str, Any]]) -> list[Tool]:
    """The tools that `brought` told of; raises BadInput."""
    return [_load(order) for order in orders]


def _load(order: Mapping[str, Any]) -> Tool:
    if "file" in order:
        return load_tool(Path(order["file"]), os.path.relpath(order["file"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{order['name']}.yaml"
        path.write_text(order["text"])
        return load_tool(path, "--tool-server/--tool-client", order["given"])


def _order(commands: Commands) -> dict[str, Any]:
    entries = {e: v for e in _ENTRIES if (v := getattr(commands, e)) is not None}
    if len(entries) != 1 or not (commands.server or commands.client):
        raise _wrong(
            "a tool without a file needs --tool-server, --tool-client or both, and"
            " exactly one of --socks, --http, --tun and --dns"
        )
    try:
        port_and_protocol(commands.port)
    except ValueError:
        raise _wrong("--tool-port is a port and its protocol: 443/tcp") from None
    ((entry, value),) = entries.items()
    given = {"here": os.getcwd()}
    parts: dict[str, Any] = {}
    for role, line in (("server", commands.server), ("client", commands.client)):
        if line:
            start = _with_program(role, line, given)
            parts[role] = {"on": role, "start": start, "ready": {}}
    number, protocol = commands.port.partition("/")[::2]
    if commands.client and not commands.server:
        protocol = ""  # nothing listens for it
    if "server" in parts:
        proxy = entry in ("socks", "http") and "client" not in parts
        ready = {"tcp": value} if proxy else {protocol: number}
        parts["server"]["ready"] = ready
    if "client" in parts:
        kinds = {"tun": "up", "dns": "udp"}
        parts["client"]["ready"] = {kinds.get(entry, "tcp"): value}
        parts["client"]["after"] = ["server"] if "server" in parts else []
    text: dict[str, Any] = {
        "title": "Brought along by its commands",
        "parts": parts,
        "enters": dict([_entry(entry, value, "client" in parts)]),
    }
    if "server" in parts:
        text["port"] = commands.port
    name = _name(commands.client or commands.server or "")
    return {"name": name, "text": json.dumps(text, indent=1), "given": given}


def _entry(entry: str, value: str, at_client: bool) -> tuple[str, str]:
    key = "socks5" if entry == "socks" else entry
    if entry == "tun":
        return key, value
    return key, f"127.0.0.1:{value}" if at_client else f"${{server_address}}:{value}"


def _with_program(role: str, line: str, given: dict[str, str]) -> str:
    """The command with its program, if that is a path, in a variable of its own."""
    try:
        words = shlex.split(line)
    except ValueError:
        raise _wrong(f"--tool-{role} has a quote that is not closed") from None
    if not words or "/" not in words[0]:
        return line
    program = Path(words[0]).expanduser().absolute()
    if not os.access(program, os.X_OK) or program.is_dir():
        raise _wrong(f"--tool-{role}: {words[0]} is no program")
    given[f"{role}_program"] = str(program)
    return shlex.join([f"@{role}_program@", *words[1:]]).replace(
        f"@{role}_program@", f"${{{role}_program}}", 1
    )


def _name(line: str) -> str:
    words: Iterator[str] = iter(shlex.split(line))
    plain = re.sub(r"[^a-z0-9-]+", "-", Path(next(words, "")).stem.lower())
    return plain.strip("-") or "mytool"


def _wrong(message: str) -> BadInput:
    return BadInput([Problem("one-of", Place("command line", 1, 1), message)])
