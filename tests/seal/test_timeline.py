"""Policies of several exchanges on one timeline, and what they put on the wire."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filterlab.captures.frames import read_frames
from filterlab.captures.pcapng import INBOUND, OUTBOUND
from filterlab.runner.plan import make_plan
from filterlab.runner.stage import standing

SCENARIOS = Path(__file__).parent / "scenarios"
ENDS = str(Path(__file__).with_name("paced_ends.py"))
BULK_PORT = "8080"
FORGED = "203.0.113.66"


def seen(capture: Path, what: str, *fields: str) -> list[list[str]]:
    """The fields of the frames of a capture that match, as Wireshark reads them."""
    words = [word for field in fields for word in ("-e", field)]
    argv = ["tshark", "-n", "-r", str(capture), "-Y", what, "-T", "fields", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_each_exchange_has_its_own_policies_and_forges_as_told(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("tshark")
    scenario = str(SCENARIOS / "two-gateways.yaml")
    command = [sys.executable, "-m", "filterlab.cli", "run", scenario]
    command += ["--out", str(tmp_path / "run"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    was_slowed_beside_its_control(result)
    was_decided_in_both_families(tmp_path / "run", result)
    the_forged_answer_came_first(tmp_path / "run")
    forged_segments_are_as_the_policy_says(tmp_path / "run")


def probe(result: dict[str, Any], name: str, phase: str) -> dict[str, Any]:
    (found,) = (p for p in result["probes"] if (p["name"], p["phase"]) == (name, phase))
    return dict(found)


def was_slowed_beside_its_control(result: dict[str, Any]) -> None:
    slow = probe(result, "bob's download", "later")
    assert slow["kbit_s"] < slow["control"]["kbit_s"] / 5
    for phase in ("open", "lists"):
        assert probe(result, "bob's download", phase)["outcome"] == "ok"


def was_decided_in_both_families(folder: Path, result: dict[str, Any]) -> None:
    lines = (folder / "decisions.jsonl").read_text().splitlines()
    decisions = [json.loads(line) for line in lines]
    for phase, family in (("lists", "."), ("later", ":")):
        first = probe(result, "ann's news", phase)["decisions"][0]
        assert decisions[first]["rule"] == "tls list"
        assert decisions[first]["exchange"] == "first"
        assert family in decisions[first]["flow"]["client"]


def the_forged_answer_came_first(folder: Path) -> None:
    """A box beside the path lets the real answer through, too late."""
    question = "dns.flags.response == 1 and dns.qry.name == hidden.example and dns.a"
    fields = ("dns.id", "dns.a", "ip.id", "frame.comment")
    answers = seen(folder / "first-inside.pcapng", question, *fields)
    forged = next(a for a in answers if a[1] == FORGED)
    assert int(forged[2], 16) == 4001
    same = [a[1] for a in answers if a[0] == forged[0]]
    assert same[0] == FORGED
    assert same[1].startswith("198.18.")
    assert not any(
        FORGED in line
        for line in seen(folder / "first-outside.pcapng", question, *fields)
    )


def forged_segments_are_as_the_policy_says(folder: Path) -> None:
    """As the client's side sees them: TTL, IP id and window of the policy files."""
    inside, outside = (
        folder / f"first-{side}.pcapng" for side in ("inside", "outside")
    )
    fields = ("ip.ttl", "ip.id", "tcp.window_size_value", "ip.dst")
    for capture, whose in ((inside, "100."), (outside, "198.18.")):
        ((ttl, number, window, to),) = seen(capture, "ip.id == 4003", *fields)
        assert (ttl, int(number, 16), window) == ("77", 4003, "1234")
        assert to.startswith(whose)
    page = seen(inside, "ip.id == 4002", "http.response.code", "http.location")
    assert page == [["302", f"http://{FORGED}/"]]
    over_ipv6 = "ipv6 and tcp.flags.reset == 1 and tcp.window_size_value == 4321"
    hops = seen(inside, over_ipv6, "ipv6.hlim")
    assert hops
    assert {hop for (hop,) in hops} == {"88"}
    comments = seen(inside, "frame.comment", "frame.comment")
    assert any("tls list" in comment for (comment,) in comments)


# --- a change of policy ------------------------------------------------------------


def change_during_a_download(folder: str, family: int) -> dict[str, Any]:
    plan = make_plan(SCENARIOS / "changing.yaml")
    with standing(plan, Path(folder), 1) as stage:
        address = plan.addresses("other")[family]
        words = [sys.executable, ENDS]
        server = stage.network.popen(
            "other", [*words, "serve", address], stdout=subprocess.PIPE
        )
        assert server.stdout is not None
        server.stdout.readline()
        client = stage.network.popen(
            "alice", [*words, "fetch", address], stdout=subprocess.PIPE
        )
        assert client.stdout is not None
        client.stdout.readline()
        changes = 0
        for policy in itertools.cycle(["first-steps", "only-mail", "open"]):
            if client.poll() is not None:
                break
            stage.set_policies({"exchange": policy})
            changes += 1
        whole = client.stdout.read()
    captured = stage.captured
    assert captured is not None
    return {
        "changes": changes,
        "whole": whole.decode().strip(),
        "unseen": captured.dropped,
    }


def frames_of(capture: Path, direction: int) -> Counter[bytes]:
    """The frames of the download that went one way over a port of the exchange."""
    port = int(BULK_PORT).to_bytes(2, "big")
    return Counter(
        frame.data
        for frame in read_frames(capture)
        if frame.direction == direction and port in frame.data[34:58]
    )


@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_a_change_of_policy_loses_no_frame_of_a_running_download(
    in_seal: Callable[..., Any], tmp_path: Path, family: int
) -> None:
    got = in_seal(change_during_a_download, str(tmp_path), family)
    assert got["whole"] == "True"
    assert got["changes"] >= 10
    assert got["unseen"] == 0
    inside, outside = (
        tmp_path / f"exchange-{side}.pcapng" for side in ("inside", "outside")
    )
    for near, far in ((outside, inside), (inside, outside)):
        came, left = frames_of(near, INBOUND), frames_of(far, OUTBOUND)
        assert sum(came.values()) > 100
        assert came == left
