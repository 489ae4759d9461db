"""The inside of a cell's run: plays the scenario made for it, and writes it down."""

from __future__ import annotations
import sys, time
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from filterlab.runner.inside import Evening
from filterlab.runner.plan import make_plan
from filterlab.report.terminal import Narrator
from rich.console import Console


def play_cells(order: Mapping[str, Any]) -> int:
    folder = Path(order["folder"])
    t = time.monotonic()
    plan = make_plan(folder / "scenario.yaml")
    print("plan", time.monotonic() - t, file=sys.stderr)
    narrator = Narrator(Console(stderr=True, highlight=False))
    result = Evening(order, plan, narrator).play()
    print("whole", time.monotonic() - t, result.seconds, file=sys.stderr)
    print(result.faults, file=sys.stderr)
    return 0
