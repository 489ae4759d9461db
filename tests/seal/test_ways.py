"""A run with a tool of each kind of entry that is neither a proxy nor a tunnel."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SCENARIO = Path(__file__).parent / "scenarios" / "ways.yaml"


def test_resolvers_programs_and_redirected_connections_meet_the_policy(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("unbound", "caddy", "stubby", "kdig", "ss-redir")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "filterlab.cli", "run", str(SCENARIO)]
    done = subprocess.run(
        [*command, "--out", str(out)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    result = json.loads((out / "result.json").read_text())
    steps = {
        attempt["name"]: [step["name"] for step in attempt["steps"]]
        for attempt in result["probes"]
        if attempt["phase"] == "open"
    }
    assert steps["resolver"] == ["tunnel", "dns", "tcp", "tls", "http"]
    assert steps["name"] == ["tunnel", "dns"]
    assert steps["page by that name"] == ["tunnel", "dns", "tcp", "tls", "http"]
    assert steps["taken"] == ["tunnel", "dns", "tcp", "tls", "http"]
