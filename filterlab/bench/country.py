"""One round of bringing a country up: `... filterlab.bench.country WHAT ANSWER`.

It imports only what building a network needs, so that nothing else is measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filterlab.lab.clock import wait_for
from filterlab.lab.network import Network
from filterlab.lab.seal import prepare_seal, run_sealed, sealed
from filterlab.lab.topology import load_topology

_FIRST_PING_WITHIN_SECONDS = 20.0


def network(folder: Path) -> dict[str, Any]:
    """The default country, from nothing to a ping across it, and down again."""
    topo = load_topology("national")()
    net = Network(topo, folder / "network", controller_port=None)
    net.up()
    for exchange in net.exchanges:
        net.plain_forwarding(exchange)
    there = net.node("web").addresses[0]
    ping = ["ping", "-n", "-q", "-c", "1", "-W", "1", there]

    def answered() -> bool:
        with net.popen("sub1", ping, stdout=subprocess.DEVNULL) as process:
            return process.wait() == 0

    wait_for("the first ping", answered, _FIRST_PING_WITHIN_SECONDS)
    at = time.monotonic()
    net.down()
    return {"answered": at, "leaving": at}


def one_round(
    module: str, rounds: Mapping[str, Callable[[Path], dict[str, Any]]]
) -> int:
    """Outside: make a seal for this module, and time it. Inside: measure."""
    what, answer = sys.argv[1], Path(sys.argv[2])
    if sealed():
        prepare_seal()
        answer.write_text(json.dumps(rounds[what](answer.parent)))
        return 0
    started = time.monotonic()
    status = run_sealed([sys.executable, "-m", module, *sys.argv[1:]])
    gone = time.monotonic()
    if status == 0:
        values = json.loads(answer.read_text())
        answer.write_text(json.dumps({**values, "started": started, "gone": gone}))
    return status


if __name__ == "__main__":
    sys.exit(one_round("filterlab.bench.country", {"network": network}))
