"""Strategies on the wire: published outcomes, what leaves a host, and what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.clock import wait_for
from filterlab.lab.doctor import examine
from filterlab.probes.result import ProbeResult
from filterlab.runner.plan import make_plan
from filterlab.runner.stage import Stage, standing
from tests.seal.conftest import lacking

SCENARIOS = Path(__file__).parent / "scenarios"
ONE = SCENARIOS / "one-strategy.yaml"
WITHIN_SECONDS = 30.0


@pytest.fixture
def queueing(needs: Callable[..., None]) -> None:
    """Skip where the kernel has no NFQUEUE."""
    needs("iptables", "tshark")
    found = next(one for one in examine() if one.name == "NFQUEUE")
    if not found.present:
        lacking(f"NFQUEUE: {found.found}; {found.mend}")


def played(scenario: str, folder: Path) -> dict[str, Any]:
    """The result of a run that came out as its scenario expects."""
    command = [sys.executable, "-m", "filterlab.cli", "run", str(SCENARIOS / scenario)]
    command += ["--out", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout or "{}")
    unmet = [
        f"{one['text']}: {one['why']}"
        for one in result.get("expectations", [])
        if not one["met"]
    ]
    assert done.returncode == 0, (unmet, done.stderr)
    return result


def seen(capture: Path, what: str, *fields: str) -> list[list[str]]:
    """The fields of the frames of a capture that match, as Wireshark reads them."""
    words = [word for field in fields for word in ("-e", field)]
    argv = ["tshark", "-n", "-r", str(capture), "-Y", what, "-T", "fields", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.usefixtures("queueing")
def test_published_strategies_do_what_was_published(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = played("strategies.yaml", folder)
    shown = {one["name"]: one["strategy"] for one in result["probes"]}
    assert shown["plain"] is None
    assert shown["segments"] == "segments-8-4"
    assert shown["triple load"] == "server: server-triple-load"
    assert shown["syn data"].startswith("[TCP:flags:S]-duplicate")
    capture = folder / "gate-inside.pcapng"
    the_hello_went_in_pieces_of_eight_and_four(capture)
    the_same_went_over_ipv6(capture)
    the_name_went_in_two_records(capture)
    the_wrong_request_died_on_its_way(capture)
    the_servers_sent_what_they_were_told(capture)


def the_hello_went_in_pieces_of_eight_and_four(capture: Path) -> None:
    first = seen(capture, "tcp.len == 8 and tcp.dstport == 443", "tcp.stream")
    second = seen(capture, "tcp.len == 4 and tcp.dstport == 443", "tcp.stream")
    assert first
    assert {stream for (stream,) in first} == {stream for (stream,) in second}


def the_same_went_over_ipv6(capture: Path) -> None:
    cut = seen(capture, "ipv6 and tcp.len == 8 and tcp.dstport == 443", "tcp.stream")
    small = "ipv6 and tcp.srcport == 443 and tcp.window_size_value == 98"
    assert cut
    assert seen(capture, small, "tcp.stream")


def the_name_went_in_two_records(capture: Path) -> None:
    """A ClientHello of about half a kilobyte in a record of under 200 bytes."""
    what = (
        "tcp.dstport == 443 and tcp.payload[0:3] == 16:03:01 and tcp.payload[3:1] == 0"
    )
    short = seen(capture, what, "tcp.payload")
    lengths = {int(payload[6:10], 16) for (payload,) in short}
    assert any(length < 200 for length in lengths)


def the_wrong_request_died_on_its_way(capture: Path) -> None:
    """Sent with TTL 8, it is at the exchange with what is left of that."""
    low = seen(capture, "ip.ttl < 8 and tcp.len > 0", "ip.ttl", "tcp.dstport")
    assert low
    assert {port for _, port in low} == {"443"}


def the_servers_sent_what_they_were_told(capture: Path) -> None:
    syn_ack = "tcp.flags.syn == 1 and tcp.flags.ack == 1"
    loaded = seen(capture, f"{syn_ack} and tcp.len > 0", "tcp.stream")
    assert len(loaded) >= 3
    assert seen(capture, f"{syn_ack} and tcp.window_size_value == 98", "tcp.stream")


@pytest.mark.usefixtures("queueing")
def test_laboratory_censors_are_evaded_by_what_is_published(tmp_path: Path) -> None:
    played("laboratory.yaml", tmp_path / "run")


def rules(stage: Stage, node: str) -> str:
    return str(
        stage.network.node(node).run_in(["iptables-save", "-t", "filter"]).stdout
    )


def without_counts(saved: str) -> list[str]:
    lines = saved.splitlines()
    return [line for line in lines if not line.startswith(("#", ":"))]


def lead_and_stop(folder: str) -> dict[str, Any]:
    """A strategy at both ends of a probe: the hosts' rules before, during, after."""
    plan = make_plan(ONE)
    with standing(plan, Path(folder), 1) as stage:
        (planned,) = plan.probes
        ends = [planned.client, planned.target]
        before = [without_counts(rules(stage, end)) for end in ends]
        during: list[list[str]] = []
        around = stage.strategies[planned.name]

        def act() -> ProbeResult:
            during.extend(without_counts(rules(stage, end)) for end in ends)
            return ProbeResult(steps=(), failure=None, seconds=0.0)

        broken = around.during(act).broken
        around.stop()
        after = [without_counts(rules(stage, end)) for end in ends]
        client = next(a for a in plan.addresses(planned.client) if ":" not in a)
        faults = stage.faults()
    return {
        "before": before,
        "during": during,
        "after": after,
        "client": client,
        "broken": broken,
        "faults": faults,
    }


@pytest.mark.usefixtures("queueing")
def test_a_host_s_rules_are_afterwards_as_they_were(
    in_seal: Callable[..., Any], tmp_path: Path
) -> None:
    said = in_seal(lead_and_stop, str(tmp_path / "run"))
    assert said["after"] == said["before"]
    assert not said["broken"]
    assert said["faults"] == []
    client, server = ("\n".join(lines) for lines in said["during"])
    assert client.count("NFQUEUE") == 2
    assert "icmp" in client
    # At the server it is about this client only: others have nothing to do with it.
    queued = [line for line in server.splitlines() if "NFQUEUE" in line]
    assert queued
    assert all(f"{said['client']}/32" in line for line in queued)


def kill_the_strategy(folder: str) -> dict[str, Any]:
    """End a strategy's process in the middle of an attempt."""
    plan = make_plan(ONE)
    with standing(plan, Path(folder), 1) as stage:
        (planned,) = plan.probes
        around = stage.strategies[planned.name]

        def act() -> ProbeResult:
            processes = stage.supervisor.processes
            (victim,) = [p for p in processes if p.name.endswith("strategy client")]
            os.kill(victim.pid, signal.SIGKILL)
            wait_for("its end", lambda: not victim.alive, WITHIN_SECONDS)
            return ProbeResult(steps=(), failure="generic_timeout_error", seconds=0.0)

        result = around.during(act)
        around.stop()
        left = without_counts(rules(stage, planned.client))
    return {"broken": result.broken, "says": str(result.steps), "left": left}


@pytest.mark.usefixtures("queueing")
def test_a_strategy_that_dies_is_the_lab_s_fault(
    in_seal: Callable[..., Any], tmp_path: Path
) -> None:
    said = in_seal(kill_the_strategy, str(tmp_path / "run"))
    assert said["broken"]
    assert "strategy client on alice-d was ended by SIGKILL" in said["says"]
    assert not any("NFQUEUE" in line for line in said["left"])
