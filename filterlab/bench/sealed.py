"""One round of one benchmark: `python -m filterlab.bench.sealed WHAT ANSWER.json`.

Started outside, it makes the seal and times its end; inside, it measures.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.bench import goodput, load
from filterlab.bench.exchange import OneExchange
from filterlab.lab.clock import wait_for
from filterlab.lab.network import Network
from filterlab.lab.seal import prepare_seal, run_sealed, sealed
from filterlab.runner.topologies import lay_out

_FIRST_PING_WITHIN_SECONDS = 20.0


def network(folder: Path) -> dict[str, Any]:
    """The default country, from nothing to a ping across it, and down again."""
    topo = lay_out("national", {})
    net = Network(topo, folder / "network", controller_port=None)
    net.up()
    for exchange in net.exchanges:
        net.plain_forwarding(exchange)
    there = net.node("web").addresses[0]
    ping = ["ping", "-n", "-q", "-c", "1", "-W", "1", there]

    def answered() -> bool:
        with net.popen("sub1", ping, stdout=-3) as process:  # subprocess.DEVNULL
            return process.wait() == 0

    wait_for("the first ping", answered, _FIRST_PING_WITHIN_SECONDS)
    at = time.monotonic()
    net.down()
    return {"answered": at, "leaving": at}


def bulk(folder: Path) -> dict[str, Any]:
    """Bulk TCP over the same switches, without and with an exchange that filters."""
    with OneExchange(folder) as lab:
        lab.pass_everything(True)
        plain = goodput.mbit_s(lab)
        lab.pass_everything(False)
        filtered = goodput.mbit_s(lab)
    return {"plain_mbit_s": plain, "filtered_mbit_s": filtered}


def connections(folder: Path) -> dict[str, Any]:
    """TLS connections without and with an exchange that inspects each of them."""
    with OneExchange(folder) as lab:
        lab.pass_everything(True)
        plain = load.measure(lab)
        lab.pass_everything(False)
        inspected = load.measure(lab)
    return {
        "plain_per_second": plain.per_second,
        "inspected_per_second": inspected.per_second,
        "added_median_ms": inspected.median_ms - plain.median_ms,
        "added_p99_ms": inspected.p99_ms - plain.p99_ms,
    }


def memory(folder: Path) -> dict[str, Any]:
    """The controller's peak memory with many undecided flows."""
    with OneExchange(folder) as lab, load.open_flows(lab, 10_000):
        counted = lab.controller.counters()
    flows = counted["exchanges"]["exchange"]["flows"]
    return {"memory_bytes": counted["memory_bytes"], "flows": flows}


_ROUNDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "network": network,
    "goodput": bulk,
    "connections": connections,
    "memory": memory,
}


def main() -> int:
    """Outside: time a seal. Inside: measure, and write the answer."""
    what, answer = sys.argv[1], Path(sys.argv[2])
    if sealed():
        prepare_seal()
        answer.write_text(json.dumps(_ROUNDS[what](answer.parent)))
        return 0
    started = time.monotonic()
    status = run_sealed([sys.executable, "-m", "filterlab.bench.sealed", *sys.argv[1:]])
    gone = time.monotonic()
    if status == 0:
        values = json.loads(answer.read_text())
        answer.write_text(json.dumps({**values, "started": started, "gone": gone}))
    return status


if __name__ == "__main__":
    sys.exit(main())
