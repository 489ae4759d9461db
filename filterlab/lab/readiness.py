"""When a program can be used: facts that the kernel or its log show, never a delay.

Interfaces are read from `/proc/PID/net` (proc_pid_net(5)) of the node's own process,
which shows the node's network namespace without entering it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from filterlab.lab.listeners import listening_ports


class Running(Protocol):
    """What a condition may ask about a program."""

    @property
    def node_pid(self) -> int:
        """A process that holds the node's namespaces."""

    @property
    def exit_status(self) -> int | None:
        """None while it runs; minus the signal that ended it."""

    def log_text(self) -> str:
        """All that it said so far."""


class Readiness(Protocol):
    """A fact about a program that makes it ready; `str()` of it says which."""

    def met(self, program: Running) -> bool:
        """Say whether it is so now."""


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket accepts on this port of the node, over IPv4 or IPv6."""

    tcp: int | None = None
    udp: int | None = None

    @property
    def ports(self) -> list[tuple[str, int]]:
        """Protocol and port of each socket meant."""
        pairs = [("tcp", self.tcp), ("udp", self.udp)]
        return [(protocol, port) for protocol, port in pairs if port is not None]

    def met(self, program: Running) -> bool:
        return not self.missing(program.node_pid)

    def missing(self, node_pid: int) -> list[tuple[str, int]]:
        """Those of the sockets that are not there."""
        return [
            (protocol, port)
            for protocol, port in self.ports
            if port not in listening_ports(node_pid, protocol)
        ]

    def __str__(self) -> str:
        return " and ".join(f"port {port}/{protocol}" for protocol, port in self.ports)


@dataclass(frozen=True, slots=True)
class LogLine:
    """Its output holds this text."""

    text: str

    def met(self, program: Running) -> bool:
        return self.text in program.log_text()

    def __str__(self) -> str:
        return f"the log line {self.text!r}"


@dataclass(frozen=True, slots=True)
class InterfaceExists:
    """The node has this interface, up or not."""

    name: str

    def met(self, program: Running) -> bool:
        lines = _net(program.node_pid, "dev").splitlines()
        return any(line.split(":")[0].strip() == self.name for line in lines)

    def __str__(self) -> str:
        return f"interface {self.name}"


@dataclass(frozen=True, slots=True)
class InterfaceUp:
    """The node has this interface, up and with an IPv4 route through it.

    The route is what shows in `/proc/PID/net` that an interface is up and addressed.
    """

    name: str

    def met(self, program: Running) -> bool:
        lines = _net(program.node_pid, "route").splitlines()
        return any(line.split("\t")[0] == self.name for line in lines)

    def __str__(self) -> str:
        return f"interface {self.name} up with a route"


@dataclass(frozen=True, slots=True)
class Exits:
    """It ends by itself with this status, as commands that only set things up do."""

    status: int = 0

    def met(self, program: Running) -> bool:
        return program.exit_status == self.status

    def __str__(self) -> str:
        return f"its end with status {self.status}"


@dataclass(frozen=True, slots=True)
class All:
    """Every one of these facts."""

    conditions: tuple[Readiness, ...]

    def met(self, program: Running) -> bool:
        return all(condition.met(program) for condition in self.conditions)

    def __str__(self) -> str:
        return " and ".join(map(str, self.conditions))


def wanted_ports(readiness: Readiness) -> list[tuple[str, int]]:
    """Ports that a program wants for itself, as far as its readiness names them."""
    if isinstance(readiness, Listening):
        return readiness.ports
    if isinstance(readiness, All):
        return [port for one in readiness.conditions for port in wanted_ports(one)]
    return []


def _net(node_pid: int, table: str) -> str:
    path = Path(f"/proc/{node_pid}/net/{table}")
    return path.read_text() if path.exists() else ""
