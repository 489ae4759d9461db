"""The benchmarks measure something; how much is nothing that a test could know."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def test_the_network_is_timed_up_and_down(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs()
    command = [sys.executable, "-m", "filterlab.cli", "bench", "network"]
    command += ["--rounds", "1"]
    wide = {**os.environ, "COLUMNS": "120"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=wide
    )
    assert done.returncode == 0, done.stderr
    assert "from nothing to its first ping" in done.stdout
    up, down = json.loads((tmp_path / "bench.json").read_text())
    for figure in (up, down):
        assert figure["unit"] == "s"
        assert figure["median"] == figure["rounds"][0] > 0
