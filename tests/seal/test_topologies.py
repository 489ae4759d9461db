"""Every topology runs under plain `mn`, as its first lines say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.switch import OpenVSwitch
from filterlab.lab.topology import load_topology
from filterlab.scenario import content

# Mininet pings every pair of nodes, one after another: a small country will do.
SMALL = {"national": ",isps=1,gateways=one,sizes=2.5", "provider": ",pool=0"}


def plain_mn(name: str) -> dict[str, Any]:
    OpenVSwitch(Path(tempfile.mkdtemp(dir="/run"))).start([])
    beside = Path(sys.executable).parent
    argv = [sys.executable, str(beside / "mn")]
    argv += ["--custom", str(content.topologies()[name]), "--topo"]
    argv.append(name + SMALL.get(name, ""))
    argv += ["--switch", "ovsbr,datapath=user", "--controller", "none"]
    done = subprocess.run(
        [*argv, "--test", "pingall"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    return {"status": done.returncode, "said": done.stderr + done.stdout}


@pytest.mark.parametrize(
    "name", ["single", "campus", "classroom", "national", "provider"]
)
def test_it_runs_under_plain_mn(
    in_seal: Callable[..., Any], needs: Callable[..., None], name: str
) -> None:
    needs("ifconfig", "ping")
    seen = in_seal(plain_mn, name)
    assert seen["status"] == 0, seen["said"]
    small = {"national": {"isps": 1, "gateways": "one"}}.get(name, {})
    topo = load_topology(name)(**small)
    hosts = [n for n in topo.hosts() if topo.nodeInfo(n)["role"] == "host"]
    rows = dict(re.findall(r"^(\S+) -> (.*)$", seen["said"], re.MULTILINE))
    for host in hosts:
        reached = set(rows[host].split())
        assert set(hosts) - {host} <= reached, (host, rows[host], seen["said"])
