"""New connections in numbers: how many a second, how long each takes, how many held.

Each says a ClientHello with a name of its own (made by Python's own TLS) and is done
when the server has said a byte; so the exchange has seen what it looks for.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from filterlab.bench.exchange import OneExchange
from filterlab.bench.figure import percentile
from filterlab.lab.clock import wait_for
from filterlab.lab.listeners import listening_ports

_UP_WITHIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a client measured."""

    per_second: float
    median_ms: float
    p99_ms: float


def measure(lab: OneExchange) -> Load:
    """Many connections at once for their rate, then one by one for their latency."""
    with _server(lab):
        said = _client(lab, "measure")
        found = json.loads(said)
    milliseconds = [1000 * seconds for seconds in found["latencies"]]
    return Load(
        found["per_second"], median(milliseconds), percentile(milliseconds, 0.99)
    )


@contextmanager
def open_flows(lab: OneExchange, count: int) -> Iterator[None]:
    """Hold so many connections of which the exchange knows too little to decide."""
    lab.pass_everything(False)
    with _server(lab):
        node = lab.network.node("client")
        argv = _argv("hold", lab.network.node("server").addresses[0], str(count))
        with node.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None and holder.stdin is not None
            if holder.stdout.readline() != b"held\n":
                raise RuntimeError(f"the client could not hold {count} connections")
            yield
            holder.stdin.close()


@contextmanager
def _server(lab: OneExchange) -> Iterator[None]:
    node = lab.network.node("server")
    with node.popen(_argv("serve")) as server:
        wait_for(
            "the server's port",
            lambda: 443 in listening_ports(node.pid, "tcp"),
            _UP_WITHIN_SECONDS,
        )
        yield
        server.kill()


def _client(lab: OneExchange, verb: str) -> str:
    address = lab.network.node("server").addresses[0]
    return lab.network.run("client", _argv(verb, address))


def _argv(*words: str) -> list[str]:
    return [sys.executable, "-m", "filterlab.bench.ends", *words]
