"""A VPN server found out, and what becomes of a session that runs when it is listed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.pytest_plugin import Run
from filterlab.runner.plan import make_plan
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
    client, _ = users = devices()
    capture = run.folder / "exchange-inside.pcapng"
    session = last_opened(capture, client, seen["time_of_day"])
    assert last_opened(capture, client, listed["time_of_day"]) == session
    struck = [one for one in lines if one["rule"] == "suspects"]
    struck = [one for one in struck if one["verdict"] == "block"]
    assert {one["flow"]["client"] for one in struck} == set(users)
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


def devices() -> list[str]:
    """Who uses the server: the one whose session lives on, and another subscriber."""
    plan = make_plan(SCENARIO)
    names = ("openvpn", "same server, other subscriber")
    used = [
        planned for name in names for planned in plan.probes if planned.name == name
    ]
    assert len({str(p.passage.hosts) for p in used if p.passage is not None}) == 1
    return [plan.addresses(planned.client)[0] for planned in used]


def last_opened(capture: Path, client: str, before: float) -> int:
    """The port of the last connection that a client opened to the server until then."""
    what = f"tcp.flags.syn == 1 && tcp.flags.ack == 0 && ip.src == {client}"
    what += f" && frame.time_epoch < {before:.6f}"
    argv = ["tshark", "-n", "-r", str(capture), "-Y", f"{what} && tcp.dstport == 1194"]
    argv += ["-T", "fields", "-e", "tcp.srcport"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])
