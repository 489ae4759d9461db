"""Programs that the lab runs in its nodes: started, watched, and ended for certain.

Each runs in its node's namespaces, in a folder and session of its own, with an
environment that owes nothing to the user's (a proxy variable there would change what
a probe means), and with its output in one file.
"""

from __future__ import annotations

import itertools
import os
import select
import shlex
import signal
import subprocess
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from filterlab.lab.clock import NotInTime, wait_for
from filterlab.lab.environment import environment
from filterlab.lab.leftovers import end_marked, end_strangers
from filterlab.lab.listeners import listening_ports
from filterlab.lab.logs import LOG_LIMIT_BYTES, Log, LogWriter
from filterlab.lab.programs import find_program
from filterlab.lab.readiness import (
    Exits,
    Readiness,
    wanted_ports,
)

TAIL_LINES = 12  # what fits under an error message on a terminal of 24 lines
READY_SECONDS = 10.0  # measured: most tools 0.1 s, one 9 s, on two idle cores
# A daemon gets this long to write its last lines before it is ended outright.
GRACE_SECONDS = 0.5
_KILLED_SECONDS = 2.0  # a killed process goes at once unless the machine is stuck
# After its end its pipe drains at once, unless something that it left behind holds it.
_DRAIN_SECONDS = 0.2
# Where all that it said is wanted: with thirty programs starting on two busy cores, the
# thread that reads their pipes has come later than the above (measured).
_ALL_SAID_SECONDS = 2.0

# Carried by a program and all that it starts, however they detach themselves.
_MARK = "FILTERLAB_PROCESS"


class Node(Protocol):
    """A host or router of the network, as far as running programs needs it."""

    @property
    def name(self) -> str:
        """Its name in the topology."""

    @property
    def pid(self) -> int:
        """A process that holds its namespaces."""


class NotReady(Exception):  # noqa: N818 - the design's word
    """A program did not become usable: which, what was waited for, its last words.

    `own_fault` says that no network can be the reason: it is not there, its port is
    taken, it floods its log, or it has crashed. `left` says that it ended by itself.
    """

    def __init__(
        self,
        name: str,
        why: str,
        tail: Sequence[str],
        *,
        own_fault: bool = False,
        left: bool = False,
    ) -> None:
        said = "".join(f"\n    | {line}" for line in tail)
        super().__init__(f"{name} {why}{said or ' (it said nothing)'}")
        self.name = name
        self.why = why
        self.tail = list(tail)
        self.own_fault = own_fault
        self.left = left


@dataclass(frozen=True, slots=True)
class Death:
    """A program that ended although it should run."""

    name: str
    node: str
    why: str
    tail: list[str]

    def __str__(self) -> str:
        said = "".join(f"\n    | {line}" for line in self.tail)
        return f"{self.name} on {self.node} {self.why}{said}"


def inside(node: Node, folder: Path, argv: Sequence[str]) -> list[str]:
    """The command that runs another in a node's namespaces, in a folder.

    This process's own pid stands for the namespaces that it is in already.
    """
    if node.pid == os.getpid():
        return ["env", "-C", str(folder), *argv]
    # Entering a mount namespace moves a process to its root; `env` goes back.
    return ["mnexec", "-a", str(node.pid), "env", "-C", str(folder), *argv]


class Process:
    """One program in one node. Made by a `Supervisor`."""

    def __init__(
        self, name: str, argv: Sequence[str], node: Node, folder: Path, ready: Readiness
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.node = node
        self.folder = folder
        self.ready = ready
        self.stop_signal = signal.SIGTERM
        self.wanted = False
        self.obstinate = False  # it had to be killed
        self._asked = False
        self.number = 0
        self._popen: subprocess.Popen[bytes] | None = None
        self._log: Log | None = None

    def start(
        self, writer: LogWriter, log_file: Path, variables: Mapping[str, str]
    ) -> None:
        """Start it; raises NotReady if it is not installed or its port is taken."""
        program = find_program(self.argv[0])
        if program is None:
            why = f"needs {self.argv[0]}, not installed here"
            raise NotReady(self.name, why, [], own_fault=True)
        for protocol, port in wanted_ports(self.ready):
            if port in listening_ports(self.node.pid, protocol):
                why = f"needs port {port}/{protocol}, in use on {self.node.name}"
                raise NotReady(self.name, why, [], own_fault=True)
        self._log = Log(log_file, on_flood=self.kill)
        pipe = writer.listen(self._log)
        try:
            self._popen = subprocess.Popen(
                inside(self.node, self.folder, [program, *self.argv[1:]]),
                env=environment(self.folder, variables),
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.close(pipe)
        self.wanted = not isinstance(self.ready, Exits)

    @property
    def node_pid(self) -> int:
        """A process that holds the node's namespaces."""
        return self.node.pid

    @property
    def pid(self) -> int:
        """Its process id; 0 before it is started."""
        return self._popen.pid if self._popen else 0

    @property
    def exit_status(self) -> int | None:
        """None while it runs; minus the signal that ended it."""
        return self._popen.poll() if self._popen else None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._popen is not None and self._popen.poll() is None

    def log_text(self) -> str:
        """All that it said so far."""
        return self._log.text() if self._log else ""

    def log_tail(self, lines: int = TAIL_LINES) -> list[str]:
        """The last lines that it said."""
        return self._log.tail(lines) if self._log else []

    def forget_log(self) -> str:
        """What it said, for the last time: of no interest once all went well."""
        said = self.log_text()
        if self._log:
            self._log.path.unlink(missing_ok=True)
        return said

    def wait_ready(self, within: float = READY_SECONDS) -> None:
        """Wait until it is usable; raises NotReady if it ends before, or in time."""
        try:
            wait_for(f"{self.name}: {self.ready}", self._ready_or_gone, within)
        except NotInTime:
            why = f"was not ready after {within:g} s: waited for {self.ready}"
            raise NotReady(self.name, why, self.log_tail()) from None
        if self.exit_status is not None and not self.ready.met(self):
            why = f"{self.end_text()} before it was ready: waited for {self.ready}"
            words, crashed = self._last_words(), self._crashed
            raise NotReady(self.name, why, words, own_fault=crashed, left=not crashed)

    def wait_end(self, within: float) -> bool:
        """Wait until it has ended; False if it still runs then."""
        if self.alive:
            try:
                handle = os.pidfd_open(self.pid)
            except ProcessLookupError:  # another thread has seen its end meanwhile
                return True
            select.select([handle], [], [], within)
            os.close(handle)
        return not self.alive

    def death(self) -> Death | None:
        """How it ended, if it should still run."""
        if not self.wanted or self.alive:
            return None
        return Death(self.name, self.node.name, self.end_text(), self._last_words())

    def end_text(self) -> str:
        """How it ended, as part of a sentence that begins with its name."""
        status = self.exit_status
        if self._log and self._log.flooded:
            return f"flooded its log (more than {LOG_LIMIT_BYTES >> 20} MB): ended"
        if status is None:
            return "is running"
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"left with status {status}"

    @property
    def _crashed(self) -> bool:
        flooded = self._log is not None and self._log.flooded
        return flooded or (self.exit_status or 0) < 0

    def ask_to_stop(self) -> None:
        """Send its stop signal to it and all that stayed in its session's group."""
        self.wanted, self._asked = False, True
        self._signal(self.stop_signal)
        self._signal(signal.SIGCONT)  # one that was suspended could not obey

    def kill(self) -> None:
        """End it and its group outright; its log says so if it had been asked."""
        if self.alive and self._asked and self._log:
            self.obstinate = True
            name = signal.Signals(self.stop_signal).name
            self._log.note(f"it did not end by {name}, and was killed")
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # Until it is reaped its pid is its own, so nobody else can be hit.
        if self._popen is not None and self._popen.returncode is None:
            try:
                os.killpg(self._popen.pid, number)
            except ProcessLookupError:
                return

    def last_text(self) -> str:
        """All that it said, once it has ended."""
        if self._log:
            self._log.ended.wait(_ALL_SAID_SECONDS)
        return self.log_text()

    def _ready_or_gone(self) -> bool:
        return not self.alive or self.ready.met(self)

    def _last_words(self) -> list[str]:
        if self._log:
            self._log.ended.wait(_DRAIN_SECONDS)
        return self.log_tail()


class Supervisor:
    """Knows every program of a run; their output lies in `FOLDER/logs/NAME.log`."""

    def __init__(self, folder: Path) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.processes: list[Process] = []
        self._writer = LogWriter()
        self._mark = uuid.uuid4().hex
        self._numbers = itertools.count(1)

    def start(
        self,
        name: str,
        argv: Sequence[str],
        node: Node,
        *,
        ready: Readiness,
        folder: Path,
        variables: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Process:
        """Start a program in a node and return at once; see `Process.wait_ready`.

        A program whose readiness is `Exits` may end; any other must go on running.
        """
        process = Process(name, argv, node, folder, ready)
        process.number = next(self._numbers)
        process.stop_signal = stop_signal
        marked = {**(variables or {}), _MARK: self._mark_of(process)}
        process.start(self._writer, self._log_file(name), marked)
        self.processes.append(process)
        return process

    def run(
        self,
        name: str,
        argv: Sequence[str],
        node: Node,
        *,
        folder: Path,
        within: float = READY_SECONDS,
    ) -> str:
        """Run a command in a node to its end and return what it said.

        Raises NotReady with its last lines if it fails or takes too long.
        """
        process = self.start(name, argv, node, ready=Exits(0), folder=folder)
        try:
            process.wait_ready(within)
        except NotReady as error:
            self.stop([process])
            why = f"`{shlex.join(argv)}` on {node.name} {error.why}"
            raise NotReady(name, why, error.tail) from None
        process.last_text()
        self.processes.remove(process)
        return process.forget_log()

    def died(self) -> list[Death]:
        """Programs that ended although they should run."""
        # A copy, because tools start and stop in other threads.
        deaths = [process.death() for process in list(self.processes)]
        return [death for death in deaths if death is not None]

    def stop(
        self, processes: Sequence[Process], grace_seconds: float = GRACE_SECONDS
    ) -> None:
        """End these programs and all that they started, for certain."""
        for process in processes:
            process.ask_to_stop()
        self._await_end(processes, grace_seconds)
        for process in processes:
            process.kill()
        self._await_end(processes, _KILLED_SECONDS)
        end_marked(_MARK, {self._mark_of(process) for process in processes})

    def clear(self, nodes: Sequence[Node], known: Collection[int]) -> None:
        """End what none of our programs is in these nodes, but for what was `known`.

        That is what a program has left that scrubs its environment.
        """
        end_strangers([node.pid for node in nodes], known, _MARK, self._mark)

    def stop_all(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End every program of the run."""
        self.stop(list(self.processes), grace_seconds)
        self._writer.close()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()

    def _mark_of(self, process: Process) -> str:
        return f"{self._mark}/{process.number}"

    def _log_file(self, name: str) -> Path:
        plain = "".join(c if c.isalnum() or c in "-._" else "_" for c in name)
        path = self.logs / f"{plain}.log"
        number = 1
        while path.exists():
            number += 1
            path = self.logs / f"{plain}.{number}.log"
        return path

    @staticmethod
    def _await_end(processes: Sequence[Process], within: float) -> None:
        end = time.monotonic() + within
        for process in processes:
            process.wait_end(max(0.0, end - time.monotonic()))
