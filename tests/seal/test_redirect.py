"""A flow led to another server by a real switch: who answers, in whose name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from filterlab.replay.rehearsal import compare
from filterlab.runner.plan import make_plan

SCENARIO = Path(__file__).parent / "scenarios" / "redirected.yaml"


def test_another_server_answers_in_the_firsts_name(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("tshark")
    out = tmp_path / "run"
    command = [sys.executable, "-m", "filterlab.cli", "run", str(SCENARIO), "--json"]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    tried = [p for p in json.loads(done.stdout)["probes"] if p["phase"] == "led"]
    client = {4: "100.64.1.2", 6: "2001:db8:1:1::2"}
    first = {4: "198.18.1.2", 6: "2001:db8:8001:1::2"}
    other = {4: "198.18.2.2", 6: "2001:db8:8001:2::2"}
    for version in (4, 6):
        (one,) = (p for p in tried if p["name"] == f"over IPv{version}")
        port = one["endpoints"][-1][2]
        # The client spoke with the first server, as far as it can see, and what
        # crossed the exchange went to the other.
        inside = ends(out / "exchange-inside.pcapng", port)
        assert inside == {(client[version], first[version], "443")}
        outside = ends(out / "exchange-outside.pcapng", port)
        assert outside == {(client[version], other[version], "8443")}
    scenario = make_plan(SCENARIO).scenario
    difference = compare(out, scenario.policies, scenario.clock)
    assert not difference, str(difference)


def ends(capture: Path, port: int) -> set[tuple[str, ...]]:
    """Client, server and server's port of each frame from or to a client's port."""
    argv = ["tshark", "-n", "-r", str(capture), "-Y", f"tcp.port == {port}"]
    fields = ("ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "tcp.dstport")
    argv += ["-T", "fields", *(w for f in fields for w in ("-e", f))]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = set()
    for line in said.splitlines():
        v4, v6, to_v4, to_v6, from_port, to_port = line.split("\t")
        src, dst = v4 or v6, to_v4 or to_v6
        if from_port == str(port):
            found.add((src, dst, to_port))
        else:
            found.add((dst, src, from_port))
    return found
