"""The national topology, brought up: hops, delays, ways out, switched-off offloads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.lab.network import Network
from filterlab.lab.topology import load_topology


def national(**parameters: Any) -> Network:
    topo = load_topology("national")(**parameters)
    network = Network(topo, Path(tempfile.mkdtemp()), controller_port=None)
    network.up()
    for exchange in network.exchanges:
        network.plain_forwarding(exchange)
    return network


def reach_everything() -> dict[str, bool]:
    network = national(delay_abroad_ms=0, delay_home_ms=0)
    answers = {}
    hosts = network.names("host")
    for source in hosts:
        for target in hosts:
            for address in network.node(target).addresses:
                argv = ["ping", "-c1", "-W2", address]
                done = network.node(source).run_in(argv, check=False)
                answers[f"{source} {target} {address}"] = done.returncode == 0
    return answers


def test_every_host_reaches_every_other_over_both_families(
    in_seal: Callable[..., Any],
) -> None:
    answers = in_seal(reach_everything)
    assert len(answers) == 2 * 6 * 6
    assert [pair for pair, answered in answers.items() if not answered] == []
