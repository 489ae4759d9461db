"""A VPN server found out, and what becomes of a session that runs when it is listed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.pytest_plugin import Run
from filterlab.runner.plan import Plan, make_plan
from filterlab.scenario import content

SCENARIO = content.scenarios()["russia/2023-vpn-detection"]
LAG_SECONDS = 600.0  # of the policy, by the scenario's clock


def test_a_running_session_lives_until_its_server_is_listed_for_all(
    needs: Callable[..., None], filterlab_run: Callable[[Path], Run]
) -> None:
    needs("openvpn", "ss-server", "stunnel", "microsocks", "tshark")
    run = filterlab_run(SCENARIO)
    assert run.status == 0, run.stdout + run.stderr
    text = (run.folder / "decisions.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    seen, listed = seen_and_listed(lines)
    # No other was begun until then: what lived until the list is this one.
    capture, client = run.folder / "exchange-inside.pcapng", device("openvpn")
    session = last_opened(capture, client, seen["time_of_day"])
    assert last_opened(capture, client, listed["time_of_day"]) == session
    struck = [one for one in lines if one["rule"] == "suspects"]
    struck = [one for one in struck if one["verdict"] == "block"]
    assert {one["flow"]["client"] for one in struck} == clients()
    assert session in {one["flow"]["client_port"] for one in struck}
    assert all(one["time"] >= listed["time"] for one in struck)


def seen_and_listed(lines: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """What the prober saw of the server, and its listing.

    The session of either subscriber may have given it away: they began together.
    """
    (listed,) = (line for line in lines if line["verdict"] == "exposed")
    probed = (line for line in lines if line["action"] == "probed")
    seen = next(line for line in probed if line["flow"] == listed["flow"])
    assert listed["time"] - seen["time"] >= LAG_SECONDS
    assert listed["finding"]["protocol"] == "openvpn"
    return seen, listed


def clients() -> set[str]:
    """The devices of both subscribers who use the server."""
    return {device(name) for name in ("openvpn", "same server, other subscriber")}


def device(name: str) -> str:
    """The address of the one who uses this probe's tool."""
    plan = make_plan(SCENARIO)
    (used,) = (planned for planned in plan.probes if planned.name == name)
    assert used.passage is not None and str(used.passage.hosts) == servers(plan)
    return plan.addresses(used.client)[0]


def servers(plan: Plan) -> str:
    """Where the server stands that both subscribers use."""
    return next(
        str(planned.passage.hosts)
        for planned in plan.probes
        if planned.name == "openvpn" and planned.passage is not None
    )


def last_opened(capture: Path, client: str, before: float) -> int:
    """The port of the last connection that a client opened to the server until then."""
    what = f"tcp.flags.syn == 1 && tcp.flags.ack == 0 && ip.src == {client}"
    what += f" && frame.time_epoch < {before:.6f}"
    argv = ["tshark", "-n", "-r", str(capture), "-Y", f"{what} && tcp.dstport == 1194"]
    argv += ["-T", "fields", "-e", "tcp.srcport"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])
