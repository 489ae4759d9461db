"""How much bulk TCP gets from the client to the server, by iperf3 in their hosts."""

from __future__ import annotations

import json
import subprocess

from filterlab.bench.exchange import OneExchange
from filterlab.lab.clock import wait_for
from filterlab.lab.listeners import listening_ports

IPERF_PORT = 5201  # iperf3's own default
# Long enough for TCP to have found its rate many times over (no delay on the way).
SECONDS = 3
_UP_WITHIN_SECONDS = 10.0


def mbit_s(lab: OneExchange) -> float:
    """What the server received, in Mbit/s."""
    network = lab.network
    server = network.node("server")
    argv = ["iperf3", "--server", "--one-off"]
    with network.popen("server", argv, stdout=subprocess.DEVNULL) as serving:
        wait_for(
            "iperf3's port",
            lambda: IPERF_PORT in listening_ports(server.pid, "tcp"),
            _UP_WITHIN_SECONDS,
        )
        client = ["iperf3", "--client", server.addresses[0], "--json"]
        said = network.run("client", [*client, "--time", str(SECONDS)])
        serving.wait()
    return float(json.loads(said)["end"]["sum_received"]["bits_per_second"]) / 1e6
