"""The exchange's controller as the runner sees it: a child process and its JSON lines.

Requests go down its standard input, answers and events come up its standard output;
`filterlab.openflow.launch` is the other end.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filterlab.lab.interpreter import start_program
from filterlab.lab.network import Network
from filterlab.scenario import content

# os-ken imports for half a second and shakes hands; but the machine may have ten times
# more to do than it can, which is no fault of the controller.
READY_WITHIN_SECONDS = 60.0
# A policy of 100,000 static entries takes the switch a few seconds.
ANSWER_WITHIN_SECONDS = 60.0


CONTROLLER_PORT = 6653  # IANA: openflow


def exchange_config(
    network: Network,
    decisions: Path,
    seed: int,
    clock_rate: float,
    clock_starts: float | None = None,
    probers: Sequence[str] = (),
) -> dict[str, Any]:
    """What `controllers/exchange.py` must know of a network before it starts."""
    exchanges: list[dict[str, Any]] = [
        {
            "name": name,
            "dpid": network.dpid(name),
            "ports": [
                {"number": p.number, "side": p.side, "mac": p.mac_behind}
                for p in network.exchange_ports(name)
            ],
        }
        for name in network.exchanges
    ]
    return {
        "app": str(content.controllers()["exchange"]),
        "listen_port": CONTROLLER_PORT,
        "decisions": str(decisions),
        "seed": seed,
        "clock_rate": clock_rate,
        "clock_starts": clock_starts,
        "probers": list(probers),
        "exchanges": exchanges,
    }


class ControllerFault(Exception):  # noqa: N818 - the word of its own lines
    """The controller ended, or said that it cannot go on."""


class Controller:
    """A running os-ken process that decides for one or more exchanges."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self.log = log
        # Who is told of suspects: of servers that the prober is to look at.
        self.suspected: Callable[[dict[str, Any]], None] | None = None
        # Who is told of connections that are over, while a policy keeps records.
        self.passed: Callable[[dict[str, Any]], None] | None = None
        self._asking = threading.Lock()
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._next_id = 0
        with log.open("wb") as errors:
            self._process = start_program(
                "filterlab.openflow.launch", arguments, piped=True, errors=errors
            )
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id, for whoever measures its memory."""
        return self._process.pid

    def wait_ready(self, exchanges: Sequence[str]) -> None:
        """Return when each exchange has its tables; raise ControllerFault otherwise."""
        waiting = set(exchanges)
        while waiting:
            event = self._next(READY_WITHIN_SECONDS, f"exchanges {sorted(waiting)}")
            if event.get("event") == "ready":
                waiting.discard(event["exchange"])

    def set_policies(self, policies: Mapping[str, Path]) -> dict[str, float]:
        """Put one pickled policy in force at each exchange, all at the same moment.

        Says of each exchange since when its policy decides, as captures tell time.
        """
        requests = {
            self._ask({"do": "policy", "exchange": name, "policy": str(path)}): name
            for name, path in policies.items()
        }
        since: dict[str, float] = {}
        while requests:
            answer = self._answer(set(requests))
            since[requests.pop(answer["id"])] = answer["since"]
        return since

    def probed(self, said: Mapping[str, Any]) -> None:
        """Pass on what the prober has seen of a suspect; nobody is waited for."""
        request = {"suspect": said["id"], "seen": said["seen"], "kind": said["kind"]}
        self._ask({"do": "probed", **request})

    def leap(self, at_seconds: float) -> None:
        """Let the scenario's clock show at least this, and see what is due by then."""
        self._answer({self._ask({"do": "leap", "at_seconds": at_seconds})})

    def count(self) -> None:
        """Let the exchanges learn which connections have had their last packet."""
        self._answer({self._ask({"do": "count"})})

    def harvest(self) -> None:
        """Let the switches tell what they have counted of every decided flow."""
        self._answer({self._ask({"do": "harvest"})})

    def close_records(self) -> float:
        """Be told of every connection that is left; what the clock shows."""
        return float(self._answer({self._ask({"do": "close records"})})["now"])

    def counters(self) -> dict[str, Any]:
        """What each exchange has counted so far."""
        return self._answer({self._ask({"do": "counters"})})

    def fault(self) -> str | None:
        """Why the controller is no longer of use, or None while it is well."""
        if self._process.poll() is None:
            return None
        status = self._process.returncode
        return f"the controller ended with status {status}"

    def stop(self) -> None:
        """End the process; os-ken does not stop at SIGINT, so SIGTERM it is."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _ask(self, request: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        with self._asking:
            self._next_id += 1
            line = json.dumps({"id": self._next_id, **request}) + "\n"
            try:
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()
            except BrokenPipeError:
                said = self.fault() or "the controller hung up"
                raise ControllerFault(said) from None
            return self._next_id

    def _answer(self, wanted: set[int]) -> dict[str, Any]:
        while True:
            message = self._next(ANSWER_WITHIN_SECONDS, "an answer")
            if message.get("id") in wanted:
                return message

    def _next(self, within: float, waiting_for: str) -> dict[str, Any]:
        try:
            message = self._lines.get(timeout=within)
        except queue.Empty:
            raise ControllerFault(
                f"the controller was silent for {within:g} s; waited for {waiting_for}"
            ) from None
        if message is None:
            self._process.wait()
            raise ControllerFault(self.fault() or "the controller hung up")
        if message.get("event") == "fault":
            raise ControllerFault(str(message.get("text", "")).strip())
        return message

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except json.JSONDecodeError:
                continue  # an application's own print, not one of our lines
            if not isinstance(message, dict):
                continue
            listener: Callable[[dict[str, Any]], None] | None = self._lines.put
            if message.get("event") in ("suspect", "probe"):
                listener = self.suspected
            elif message.get("event") == "passed":
                listener = self.passed
            if listener is not None:
                listener(message)
        self._lines.put(None)
