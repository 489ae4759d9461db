"""Starts the lab's own Python programs: anew, or out of an interpreter that is ready.

Importing costs half a second a program, which is most of a short run. A process that
has imported everything can set some forks of itself aside (`set_aside`) while it has
one thread; `start_program` turns one of them into the program, and starts a new
interpreter where none is left. A fork is a child like any other: it is waited for,
signalled, and ended with the namespace that it lives in.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any, NoReturn

_ORDER_BYTES = 65_536
_MOST_DESCRIPTORS = 16


class Fork:
    """A running fork: of `subprocess.Popen`, what the lab uses."""

    stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        self._reaping = threading.Lock()

    def poll(self) -> int | None:
        """Its exit status, minus the signal that ended it; None while it runs."""
        with self._reaping:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""
        if self.poll() is None:
            handle = os.pidfd_open(self.pid)
            try:
                select.select([handle], [], [], timeout)
            finally:
                os.close(handle)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it outright."""
        self.send_signal(signal.SIGKILL)


Program = subprocess.Popen[bytes] | Fork


@dataclass
class _Aside:
    """Forks that wait for something to do."""

    forks: list[tuple[Fork, socket.socket]] = field(default_factory=list)
    taking: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> tuple[Fork, socket.socket] | None:
        with self.taking:
            return self.forks.pop() if self.forks else None


_aside = _Aside()


def set_aside(count: int) -> None:
    """Set forks of this process aside; call it while there is one thread only."""
    for _ in range(count):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            for _, link in _aside.forks:
                link.close()
            _be_program(theirs)
        theirs.close()
        _aside.forks.append((Fork(pid), ours))


def start_program(
    module: str,
    arguments: Sequence[str] = (),
    *,
    piped: bool = False,
    errors: IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
) -> Program:
    """Start `python -m MODULE ARGUMENTS`.

    Standard input and output are pipes (`piped`), or nothing and this process's own.
    """
    found = _aside.take()
    if found is None:
        ends = subprocess.PIPE if piped else None
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=ends or subprocess.DEVNULL,
            stdout=ends,
            stderr=errors,
            pass_fds=pass_fds,
        )
    fork, link = found
    numbers = {number: number for number in pass_fds}
    theirs: list[int] = []
    if piped:
        (read_in, write_in), (read_out, write_out) = os.pipe(), os.pipe()
        fork.stdin = open(write_in, "wb", buffering=0)  # noqa: SIM115 - the caller's
        fork.stdout = open(read_out, "rb")  # noqa: SIM115
        numbers |= {0: read_in, 1: write_out}
        theirs = [read_in, write_out]
    else:
        theirs = [os.open(os.devnull, os.O_RDONLY)]
        numbers |= {0: theirs[0]}
    if errors is not None:
        numbers |= {2: errors.fileno()}
    order = {"module": module, "arguments": list(arguments), "as": list(numbers)}
    with link:
        socket.send_fds(link, [json.dumps(order).encode()], list(numbers.values()))
    for number in theirs:
        os.close(number)
    return fork


def _be_program(link: socket.socket) -> NoReturn:
    """Wait for an order, and be what it says."""
    status = 1
    try:
        text, fds, _, _ = socket.recv_fds(link, _ORDER_BYTES, _MOST_DESCRIPTORS)
        if not text:
            os._exit(0)  # nobody needed it
        order: dict[str, Any] = json.loads(text)
        link.close()
        _take_places(fds, order["as"])
        sys.argv = [order["module"], *order["arguments"]]
        status = importlib.import_module(order["module"]).main() or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
        os._exit(status)


def _take_places(received: list[int], places: list[int]) -> None:
    """Give each descriptor the number that it has for whoever sent it."""
    # Out of the way first: a received number may be another one's place.
    above = max([*received, *places, 2]) + 1
    moved = [os.dup2(fd, above + n) for n, fd in enumerate(received)]
    for fd in received:
        os.close(fd)
    for fd, place in zip(moved, places, strict=True):
        os.dup2(fd, place)
        os.close(fd)
    if 0 in places:
        sys.stdin = open(0)  # noqa: SIM115 - for the whole life of the program
