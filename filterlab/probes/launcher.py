"""Starts probes inside the clients: one fork each, from a process made ready once."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any

from filterlab.lab.interpreter import start_program
from filterlab.probes.request import ProbeRequest
from filterlab.probes.result import ProbeResult, broken

# Beyond what its steps may take, a probe gets this long to start and to tell.
_MARGIN_SECONDS = 2.0
_READ_BYTES = 65_536


class Launcher:
    """Performs probes in other processes' namespaces, many at the same time.

    Make it early: its process imports for most of a second, while other things can
    be done. Requests wait for it by themselves.
    """

    def __init__(self, margin_seconds: float = _MARGIN_SECONDS) -> None:
        self._margin_seconds = margin_seconds
        ours, theirs = socket.socketpair()
        self._link = ours
        with theirs:
            self._process = start_program(
                "filterlab.probes.zygote",
                [str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
            )
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._waiting: dict[int, Future[ProbeResult]] = {}
        self._count = 0
        self._gone = False
        self._reader = threading.Thread(
            target=self._read, name="probe results", daemon=True
        )
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process that probes are forked from."""
        return self._process.pid

    def submit(self, request: ProbeRequest, pid: int | None) -> Future[ProbeResult]:
        """Perform `request` in the namespaces of `pid`; None stays in ours.

        The future's result is `broken` if the probe's process dies or overstays.
        """
        future: Future[ProbeResult] = Future()
        future.set_running_or_notify_cancel()  # a fork cannot be called back
        with self._lock:
            if self._gone:
                future.set_result(broken("the probes' process has ended"))
                return future
            number = self._count
            self._count += 1
            self._waiting[number] = future
        order = {
            "id": number,
            "pid": pid,
            "request": request.as_json(),
            "seconds": request.timeouts.whole + self._margin_seconds,
        }
        # A lock of its own: the reading thread must go on while this one is held up.
        # An error means that the process is dying; the reading thread tells everybody.
        with self._sending, suppress(OSError):
            self._link.sendall(json.dumps(order).encode() + b"\n")
        return future

    def _read(self) -> None:
        unread = b""
        while True:
            try:
                data = self._link.recv(_READ_BYTES)
            except OSError:
                data = b""
            if not data:
                break
            *lines, unread = (unread + data).split(b"\n")
            for line in lines:
                self._settle(json.loads(line))
        self._give_up()

    def _settle(self, answer: dict[str, Any]) -> None:
        with self._lock:
            future = self._waiting.pop(answer["id"])
        future.set_result(ProbeResult.from_json(answer["result"]))

    def _give_up(self) -> None:
        with self._lock:
            self._gone = True
            left, self._waiting = list(self._waiting.values()), {}
        for future in left:
            future.set_result(broken("the probes' process has ended"))

    def close(self) -> None:
        """End the process and every probe under way."""
        self._link.shutdown(socket.SHUT_RDWR)
        self._process.wait()
        self._reader.join()
        self._link.close()

    def __enter__(self) -> Launcher:
        """The launcher itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
