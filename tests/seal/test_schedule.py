"""Schedules go by the scenario's clock, and the timeline moves it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SCENARIO = Path(__file__).parent / "scenarios" / "a-night.yaml"
TEN_IN_THE_EVENING = 1_597_010_400.0  # 9 August 2020, 22:00 UTC


def test_a_rule_of_the_night_strikes_at_night(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs()
    out = tmp_path / "run"
    command = [sys.executable, "-m", "filterlab.cli", "run", str(SCENARIO)]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (out / "decisions.jsonl").read_text().splitlines()
    since_start = json.loads(line)["time"] - TEN_IN_THE_EVENING
    assert 90 * 60 <= since_start < 9 * 3600
