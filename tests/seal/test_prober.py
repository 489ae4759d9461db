"""The active prober and real servers: what it confirms is blocked after its lag."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.replay.rehearsal import compare
from filterlab.runner.plan import make_plan
from filterlab.runner.stage import standing

SCENARIO = Path(__file__).parent / "scenarios" / "probed.yaml"
CONFIRMED = {"openvpn": "openvpn", "proxy": "http-proxy"}


def test_servers_give_themselves_away_and_are_listed(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("openvpn", "tinyproxy", "ss-server")
    command = [sys.executable, "-m", "filterlab.cli", "run", str(SCENARIO), "--json"]
    out = tmp_path / "run"
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    lines = [
        json.loads(line) for line in (out / "decisions.jsonl").read_text().splitlines()
    ]
    each_was_seen_before_it_was_listed(result, lines)
    the_innocent_and_the_silent_were_not(lines, result)
    scenario = make_plan(SCENARIO).scenario
    difference = compare(out, scenario.policies, scenario.clock)
    assert not difference, str(difference)


def each_was_seen_before_it_was_listed(
    result: dict[str, Any], lines: list[dict[str, Any]]
) -> None:
    listed = [line for line in lines if line["verdict"] == "exposed"]
    assert {line["finding"]["exposed"].split()[0] for line in listed} == set(
        CONFIRMED.values()
    )
    for line in listed:
        server = line["flow"]["server"]
        of_server = [one for one in lines if one["flow"]["server"] == server]
        asked, seen = of_server[0], of_server[1:]
        assert (asked["verdict"], asked["action"]) == ("probe", "probe")
        probed = next(one for one in seen if one["action"] == "probed")
        assert probed["finding"]["prober"] in CONFIRMED.values()
        # The policy's lag, by the scenario's clock.
        assert line["time"] - probed["time"] >= 300.0
        blocked = [one for one in seen if one["verdict"] == "block"]
        assert blocked
        assert all(one["time"] >= line["time"] for one in blocked)
        assert all("exposed" in one["finding"] for one in blocked)
    for probe in result["probes"]:
        found_out = probe["phase"] != "open" and probe["name"] in CONFIRMED
        assert probe["exposed"] is found_out


def the_innocent_and_the_silent_were_not(
    lines: list[dict[str, Any]], result: dict[str, Any]
) -> None:
    probed = [line for line in lines if line["action"] == "probed"]
    spared = [p for p in probed if p["finding"]["prober"] == "nothing proved"]
    assert {line["flow"]["server_port"] for line in spared} >= {443, 8388}
    # Shadowsocks-libev from 3.3.1 on says nothing, whatever it is asked (IMC 2020).
    silent = next(p for p in spared if p["flow"]["server_port"] == 8388)
    assert set(silent["finding"].values()) <= {"T", "nothing proved"}


def prober_dies(folder: str) -> list[str]:
    plan = make_plan(SCENARIO)
    with standing(plan, Path(folder), 1) as stage:
        assert stage.prober is not None
        assert stage.faults() == []
        stage.prober._process.kill()
        stage.prober._process.wait()
        return stage.faults()


def test_a_dead_prober_is_the_labs_fault(
    in_seal: Callable[..., Any], tmp_path: Path
) -> None:
    (fault,) = in_seal(prober_dies, str(tmp_path / "run"))
    assert "the prober ended" in fault
