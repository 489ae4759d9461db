"""`filterlab captures`: real programs are captured, and recognised as what they are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAMS = {
    "fetch-https": {"tls": "found"},
    "shadowsocks": {"fully-encrypted": "found"},
    "mtproto-plain": {"mtproto": "found"},
    "mtproto-ee": {"mtproto-fake-tls": "found", "tls": "wrong"},
}
# A seal, a control and a try each; a busy machine of two cores takes ten times a quiet.
WITHIN_SECONDS = 400.0


def captures(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "filterlab.cli", "captures", *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=WITHIN_SECONDS
    )


def answer(folder: Path) -> dict[str, Any]:
    """The table, by program."""
    table = json.loads((folder / "captures" / "recognisers.json").read_text())
    return {program["program"]: program for program in table["programs"]}


def test_programs_are_captured_and_recognised(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("caddy", "unbound", "ss-server")
    done = captures(*PROGRAMS, "--page", "table.md", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    made = answer(tmp_path)
    for name, cells in PROGRAMS.items():
        assert made[name]["failure"] == ""
        assert made[name]["flows"] > 0
        found = made[name]["cells"]
        # A random first packet may be exempt by chance (Wu et al., section 4).
        assert cells.items() <= found.items() or name == "shadowsocks", made[name]
        assert (tmp_path / "captures" / f"{name}.pcapng").exists()
    page = (tmp_path / "table.md").read_text()
    assert "| mtproto-ee |" in page
    # The same again from what was kept, without a network.
    again = captures("--read", folder=tmp_path)
    assert again.returncode == 0
    assert answer(tmp_path) == made


def test_an_unknown_program_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = captures("shadowsoks", folder=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'shadowsocks'" in done.stderr
    assert not list(tmp_path.glob("captures/*.pcapng"))
    assert captures("--read", folder=tmp_path).returncode == 2
