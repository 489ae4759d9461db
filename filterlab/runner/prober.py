"""The active prober of a run: a program on a host of its own, and what it is asked.

    exchange -> suspect -> prober's program -> reactions -> exchange

A prober that dies is the lab's fault, and never a censor's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from filterlab.lab.clock import NotInTime, wait_for
from filterlab.lab.network import Network

# A question has two seconds (filterlab.prober.reaction), and some servers get several
# kinds of questions at a time; a stage on a slow clock is not waited for.
_DONE_WITHIN_SECONDS = 8.0


class Prober:
    """A prober at work; `answer` is told what it has seen of each suspect."""

    def __init__(
        self,
        network: Network,
        node: str,
        log: Path,
        answer: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.log = log
        self._answer = answer
        self._addresses: dict[str, str] = {}  # of the suspects not yet done with
        self._changing = threading.Lock()
        with log.open("wb") as errors:
            self._process = network.popen(
                node,
                [sys.executable, "-m", "filterlab.prober.serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        threading.Thread(target=self._read, daemon=True).start()

    def take(self, event: Mapping[str, Any]) -> None:
        """A suspect that will be looked at, or is to be looked at now."""
        with self._changing:
            self._addresses[event["id"]] = event["address"]
            if event["event"] != "probe" or self._process.stdin is None:
                return
            try:
                self._process.stdin.write((json.dumps(dict(event)) + "\n").encode())
                self._process.stdin.flush()
            except BrokenPipeError:
                return  # it has died, which `fault` says

    def wait_done(self, addresses: Collection[str] | None = None) -> None:
        """Return when nothing is left to ask these servers, or nobody is to ask it."""

        def done() -> bool:
            with self._changing:
                left = set(self._addresses.values())
            return not (left if addresses is None else left.intersection(addresses))

        try:
            wait_for("the prober", lambda: done() or self.fault(), _DONE_WITHIN_SECONDS)
        except NotInTime:
            return  # what it sees then, it sees too late to be waited for

    def fault(self) -> str | None:
        """Why there is no prober any more, or None while it is well."""
        if self._process.poll() is None:
            return None
        return f"the prober ended with status {self._process.returncode}"

    def stop(self) -> None:
        """End it, whatever it is about to ask."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            self._answer(said)
            with self._changing:
                self._addresses.pop(said["id"], None)
