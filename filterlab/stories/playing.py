"""Runs a scenario as anybody would run it, and reads what it wrote down."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULT = "result.json"


@dataclass(frozen=True, slots=True)
class Played:
    """A finished run: `result.json`, or what was said in its place."""

    result: dict[str, Any]
    said: str

    @property
    def broken(self) -> str:
        """Why nothing can be told from it; nothing if something can."""
        if not self.result:
            return self.said.strip() or "it ended without a word"
        return "; ".join(self.result["faults"])

    @property
    def unmet(self) -> list[dict[str, Any]]:
        """The expectations that were not met."""
        return [one for one in self.result["expectations"] if one["met"] is False]


def play(scenario: Path, out: Path) -> Played:
    """Run a scenario into a folder."""
    command = [sys.executable, "-m", "filterlab.cli", "run", str(scenario)]
    done = subprocess.run(
        [*command, "--out", str(out)], capture_output=True, text=True, check=False
    )
    file = out / RESULT
    result = json.loads(file.read_text()) if file.exists() else {}
    return Played(result, done.stdout + done.stderr)
