"""The process that probes are forked from: everything is imported here, once.

Run as `python -m filterlab.probes.zygote FD`, where FD is a Unix socket. It reads one
JSON object a line, `{"id", "pid", "request", "seconds"}`, forks a child for each, and
writes `{"id", "result"}` when the child has answered, died, or outstayed its seconds.
It ends, with its children, when the socket's other end is closed.

One thread only: fork copies a single thread, and setns(2) refuses to move a process
with several into another mount namespace.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any

from filterlab.lab.namespace import enter
from filterlab.lab.priority import stand_back
from filterlab.probes.perform import perform
from filterlab.probes.request import ProbeRequest
from filterlab.probes.result import ProbeResult, broken

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_READ_BYTES = 65_536


@dataclass(slots=True)
class _Child:
    number: int
    pid: int
    until: float
    heard: bytes = b""


class Zygote:
    """Forks a child for each request that the socket brings."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._selector = selectors.DefaultSelector()
        self._selector.register(link, selectors.EVENT_READ)
        self._children: dict[int, _Child] = {}
        self._unread = b""

    def serve(self) -> None:
        """Serve until the other end is closed."""
        try:
            while True:
                for key, _ in self._selector.select(self._patience()):
                    if key.fileobj is not self._link:
                        self._hear(key.fd)
                    elif not self._take_requests():
                        return
                self._end_overdue()
        finally:
            for child in self._children.values():
                os.kill(child.pid, signal.SIGKILL)

    def _patience(self) -> float | None:
        if not self._children:
            return None
        first = min(child.until for child in self._children.values())
        return max(0.0, first - time.monotonic())

    def _take_requests(self) -> bool:
        data = self._link.recv(_READ_BYTES)
        if not data:
            return False
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._fork(json.loads(line))
        return True

    def _fork(self, order: dict[str, Any]) -> None:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            _be_child(order, writer)
        os.close(writer)
        until = time.monotonic() + order["seconds"]
        self._children[reader] = _Child(order["id"], pid, until)
        self._selector.register(reader, selectors.EVENT_READ)

    def _hear(self, reader: int) -> None:
        data = os.read(reader, _READ_BYTES)
        child = self._children[reader]
        child.heard += data
        if data:
            return
        self._forget(reader)
        code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
        if code == 0:
            self._answer(child.number, child.heard.decode())
        else:
            self._report(child.number, f"the probe's process ended with status {code}")

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for reader, child in list(self._children.items()):
            if child.until <= now:
                self._forget(reader)
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
                self._report(child.number, "the probe did not end by its deadline")

    def _forget(self, reader: int) -> None:
        self._selector.unregister(reader)
        os.close(reader)
        del self._children[reader]

    def _report(self, number: int, text: str) -> None:
        self._answer(number, json.dumps(broken(text).as_json()))

    def _answer(self, number: int, result: str) -> None:
        self._link.sendall(f'{{"id": {number}, "result": {result}}}\n'.encode())


def _be_child(order: dict[str, Any], writer: int) -> None:
    """Perform the probe where it belongs, tell, and leave without clean-up."""
    status = 1
    try:
        result = _perform_at(order["pid"], ProbeRequest.from_json(order["request"]))
        with open(writer, "wb") as pipe:
            pipe.write(json.dumps(result.as_json()).encode())
        status = 0
    finally:
        os._exit(status)


def _perform_at(pid: int | None, request: ProbeRequest) -> ProbeResult:
    try:
        if pid is not None:
            enter(pid)
    except OSError:
        return broken(traceback.format_exc())
    # Not before: entering a namespace may take the wish back (prctl(2)).
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return perform(request)


def main() -> None:
    """Serve the socket whose number is the first argument."""
    link = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's; the runner decides
    stand_back()
    gc.collect()
    gc.freeze()  # so that a child's collections do not copy the shared pages
    Zygote(link).serve()


if __name__ == "__main__":
    main()
