"""Tools that are brought along: by a file, and by their bare commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SCENARIO = Path(__file__).parents[2] / "scenarios" / "first-steps.yaml"
FILE = """
title: A tool of mine
port: 443/tcp
random: {password: hex}
parts:
  server:
    on: server
    start: "${here}/far -s ${server_address} -p ${port} -k ${password} -m aes-256-gcm"
    ready: {tcp: 443}
  client:
    on: client
    start: >-
      ${here}/near -s ${server_address} -p ${port} -k ${password} -m aes-256-gcm
      -b 127.0.0.1 -l 1080
    ready: {tcp: 1080}
enters: {socks5: 1080}
"""


def reached(folder: Path, *options: str) -> dict[tuple[str, str], bool]:
    """Which probe got through in which phase of a run with these options."""
    command = [sys.executable, "-m", "filterlab.cli", "run", str(SCENARIO)]
    done = subprocess.run(
        [*command, *options, "--json"], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return {
        (attempt["name"], attempt["phase"]): attempt["reached"]
        for attempt in json.loads(done.stdout)["probes"]
    }


def own_programs(folder: Path) -> None:
    """Unmodified programs of somebody's own, in a folder of theirs."""
    for name, theirs in (("far", "ss-server"), ("near", "ss-local")):
        found = shutil.which(theirs)
        assert found is not None
        shutil.copy(found, folder / name)


def test_a_file_of_ones_own_is_tried_in_every_phase(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("caddy", "unbound", "ss-server", "ss-local")
    own_programs(tmp_path)
    (tmp_path / "mine.yaml").write_text(FILE)
    found = reached(tmp_path, "--tool", "mine.yaml")
    assert not found["blocked", "first-steps"]
    assert found["blocked over mine", "first-steps"]
    assert found["other over mine", "first-steps"]
    assert found["blocked over mine", "open"]


def test_bare_commands_are_a_tool(needs: Callable[..., None], tmp_path: Path) -> None:
    needs("caddy", "unbound", "ss-server", "ss-local")
    own_programs(tmp_path)
    ends = "-s ${server_address} -p ${port} -k secret -m aes-256-gcm"
    found = reached(
        tmp_path,
        *("--tool-server", f"./far {ends}"),
        *("--tool-client", f"{tmp_path}/near {ends} -b 127.0.0.1 -l 1080"),
        *("--socks", "1080"),
    )
    assert found["blocked over near", "first-steps"]


def test_a_run_goes_on_without_a_tool_that_is_not_installed(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("caddy", "unbound")
    lacking = FILE.replace("title:", "needs: [far-far]\npackages: {apt: [far]}\ntitle:")
    (tmp_path / "mine.yaml").write_text(lacking)
    command = [sys.executable, "-m", "filterlab.cli", "run", str(SCENARIO)]
    done = subprocess.run(
        [*command, "--tool", "mine.yaml", "--out", "out"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "blocked over mine is skipped: the tool 'mine' lacks far-far" in done.stdout
    assert "as expected, 4 of 4, 2 skipped" in done.stdout
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert {probe["name"] for probe in result["probes"]} == {"blocked", "other"}
    skipped = result["skipped"][0]
    assert skipped["probe"] == "blocked over mine"
    assert (skipped["tool"], skipped["install"]) == ("mine", "apt-get install far")
