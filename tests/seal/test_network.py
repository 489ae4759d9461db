"""The national topology, brought up: hops, delays, ways out, switched-off offloads."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.network import Network
from filterlab.lab.topology import load_topology
from filterlab.map.graph import graph_of
from filterlab.map.share import round_trip_seconds


def national(**parameters: Any) -> Network:
    topo = load_topology("national")(**parameters)
    network = Network(topo, Path(tempfile.mkdtemp(dir="/run")), controller_port=None)
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


def hops_by_ttl() -> dict[str, int]:
    network = national(delay_abroad_ms=0, delay_home_ms=0)
    needed = {}
    for target in ("web", "bank"):
        for address in network.node(target).addresses:
            for ttl in range(1, 20):
                argv = ["ping", "-c1", "-W2", "-t", str(ttl), address]
                if network.node("sub1").run_in(argv, check=False).returncode == 0:
                    needed[f"{target} {'v6' if ':' in address else 'v4'}"] = ttl
                    break
    return needed


def test_a_server_abroad_answers_from_hop_11(in_seal: Callable[..., Any]) -> None:
    home = 7
    assert in_seal(hops_by_ttl) == {
        "web v4": 11,
        "web v6": 11,
        "bank v4": home,
        "bank v6": home,
    }


def offloads() -> dict[str, list[str]]:
    network = national(delay_abroad_ms=0, delay_home_ms=0)
    still_on = {}
    for wire in network.wires:
        for end in (wire.first, wire.second):
            argv = ["ethtool", "-k", end.interface]
            if end.node is None:
                said = subprocess.run(argv, capture_output=True, text=True).stdout
            else:
                said = network.run(end.node, argv)
            still_on[end.interface] = [
                line.split(":")[0].strip()
                for line in said.splitlines()
                if any(word in line for word in MUST_BE_OFF) and ": on" in line
            ]
    return still_on


MUST_BE_OFF = (
    "tx-checksumming:",
    "tcp-segmentation-offload:",
    "generic-segmentation-offload:",
    "generic-receive-offload:",
    "tx-udp-segmentation:",
)


def test_no_interface_sends_what_no_wire_could_carry(
    in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("ethtool")
    still_on = in_seal(offloads)
    assert len(still_on) > 50
    assert {name: on for name, on in still_on.items() if on} == {}


def measured_round_trips(delay_ms: int) -> dict[str, Any]:
    network = national(delay_abroad_ms=delay_ms, delay_home_ms=0)
    address = network.node("web").addresses[0]
    argv = ["ping", "-q", "-c", "20", "-i", "0.02", address]
    said = network.run("sub1", argv).splitlines()[-1]
    return {
        "fastest_ms": float(said.split("=")[1].split("/")[0]),
        "planned_ms": round_trip_seconds(graph_of(network.topo), "sub1", "web") * 1000,
    }


def test_the_round_trip_is_what_the_topology_says(in_seal: Callable[..., Any]) -> None:
    for delay_ms in (10, 50):
        seen = in_seal(measured_round_trips, delay_ms)
        assert seen["planned_ms"] == pytest.approx(2 * delay_ms)
        # wirefilter counts in whole milliseconds, at each of its two crossings.
        assert seen["planned_ms"] - 2 <= seen["fastest_ms"] <= seen["planned_ms"] * 1.2


def cut_and_mend() -> list[bool]:
    network = national(delay_abroad_ms=0, delay_home_ms=0)
    answers = []
    for up in (None, False, True):
        if up is not None:
            network.set_link("isp1_agg", "isp1_core", up=up)
        for address in network.node("web").addresses:
            argv = ["ping", "-c1", "-W1", address]
            done = network.node("sub1").run_in(argv, check=False)
            answers.append(done.returncode == 0)
    return answers


def test_a_link_is_cut_and_mended(in_seal: Callable[..., Any]) -> None:
    assert in_seal(cut_and_mend) == [True, True, False, False, True, True]


def resolver_and_shell() -> dict[str, str]:
    network = national(delay_abroad_ms=0, delay_home_ms=0)
    network.set_resolver("sub1", ["198.18.1.2"])
    return {
        "sub1": network.run("sub1", ["cat", "/etc/resolv.conf"]),
        "sub2": network.run("sub2", ["cat", "/etc/resolv.conf"]),
        "shell": network.mininet["sub1"].cmd("cat /etc/resolv.conf").strip(),
        "switch": network.mininet["ntec"].cmd("ovs-vsctl list-ports ntec").strip(),
        "ping": network.mininet["sub1"].cmd(
            "ping -c1 -W2", network.mininet["web"].IP()
        ),
    }


def test_each_host_has_a_resolver_of_its_own_and_a_mininet_shell(
    in_seal: Callable[..., Any],
) -> None:
    seen = in_seal(resolver_and_shell)
    assert seen["sub1"] == "nameserver 198.18.1.2\n"
    assert seen["sub2"] == ""
    assert seen["shell"] == "nameserver 198.18.1.2"
    assert seen["switch"].split() == ["ntec-in", "ntec-out"]
    assert "1 received" in seen["ping"]
