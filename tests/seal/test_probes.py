"""Probes performed in another place's namespaces: its routes, its resolver, its device.

The scene: `near`, the lab's own namespace with a resolver and a web server, and a
client at the other end of a veth pair with an /etc/resolv.conf of its own.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filterlab.probes.launcher import Launcher
from filterlab.probes.request import Device, ProbeRequest, Timeouts
from filterlab.probes.result import ProbeResult

NEAR, CLIENT = "198.18.0.1", "198.18.0.2"
SERVERS = Path(__file__).parent.parent / "probes" / "conftest.py"
QUICK = Timeouts(0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6)


@pytest.fixture
def results(in_seal: Callable[..., Any]) -> dict[str, ProbeResult]:
    """Every probe of the scene, played in a seal of its own."""
    told = in_seal(play)
    return {name: ProbeResult.from_json(result) for name, result in told.items()}


def test_the_client_s_resolver_and_routes_are_used(
    results: dict[str, ProbeResult],
) -> None:
    news = results["news"]
    assert (news.failure, news.answers, news.status) == (None, (NEAR,), 200)
    assert {endpoint.source for endpoint in news.endpoints} == {CLIENT}
    assert {endpoint.destination for endpoint in news.endpoints} == {NEAR}


def test_a_device_carries_the_probe(results: dict[str, ProbeResult]) -> None:
    assert results["device"].failure is None
    # The device's name exists in the client only: there, none means broken.
    assert results["no device"].broken


def test_routes_that_lead_nowhere(results: dict[str, ProbeResult]) -> None:
    failures = {
        "no route": "network_unreachable",
        "unreachable": "host_unreachable",
        "silent": "generic_timeout_error",
    }
    for name, failure in failures.items():
        result = results[name]
        assert (result.failure, result.steps[-1].name) == (failure, "tcp")
        assert not result.broken


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def make_client(pid: str, resolv_conf: Path) -> None:
    """A veth pair into the namespaces of `pid`, and a resolver there."""
    run("ip", "link", "add", "near", "type", "veth", "peer", "far", "netns", pid)
    run("ip", "address", "add", f"{NEAR}/24", "dev", "near")
    run("ip", "link", "set", "near", "up")
    inside = ("nsenter", f"--net=/proc/{pid}/ns/net", "ip")
    run(*inside, "address", "add", f"{CLIENT}/24", "dev", "far")
    run(*inside, "link", "set", "far", "up")
    run(*inside, "route", "add", "unreachable", "203.0.113.0/24")
    # Sent to a neighbour that is there and forwards nothing.
    run(*inside, "route", "add", "198.19.0.0/16", "via", NEAR)
    resolv_conf.write_text(f"nameserver {NEAR}\n")
    mount = ("nsenter", f"--mount=/proc/{pid}/ns/mnt", "mount", "--bind")
    run(*mount, str(resolv_conf), "/etc/resolv.conf")


def requests(port: int) -> dict[str, ProbeRequest]:
    url = f"http://{NEAR}:{port}/"
    return {
        "news": ProbeRequest("fetch", f"http://news.example:{port}/"),
        "device": ProbeRequest("fetch", url, via=Device("far")),
        "no device": ProbeRequest("fetch", url, via=Device("near")),
        "no route": ProbeRequest("connect", "192.0.2.1:80"),
        "unreachable": ProbeRequest("connect", "203.0.113.1:80"),
        "silent": ProbeRequest("connect", "198.19.0.1:80", timeouts=QUICK),
    }


def load_servers() -> Any:
    spec = importlib.util.spec_from_file_location("servers", SERVERS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["servers"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def play() -> dict[str, Any]:
    kit = load_servers()
    servers = kit.Servers(NEAR)
    place = subprocess.Popen(
        ["unshare", "--net", "--mount", "sh", "-c", "echo ready; cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with place, tempfile.TemporaryDirectory() as folder, Launcher() as launcher:
        assert place.stdout is not None
        assert place.stdout.readline() == b"ready\n"
        make_client(str(place.pid), Path(folder) / "resolv.conf")
        answer = kit.answer_dns([NEAR])
        servers.udp(lambda wire: [answer(wire)], 53)
        port = servers.tcp(kit.web(kit.response()))
        futures = {
            name: launcher.submit(request, place.pid)
            for name, request in requests(port).items()
        }
        told = {name: future.result(30).as_json() for name, future in futures.items()}
        servers.close()
    return told
