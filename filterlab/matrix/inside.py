"""The inside of a cell's run: plays the scenario made for it, and writes it down."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from filterlab.matrix.finding import CellId, Finding, Word
from filterlab.matrix.reading import read
from filterlab.report.skipped import Skipped
from filterlab.report.terminal import Narrator
from filterlab.runner.inside import Evening
from filterlab.runner.plan import Plan, make_plan
from filterlab.tools import shelf
from filterlab.tools.tool import load_tool

# Where the findings are, in the run's folder.
FINDINGS = "findings.json"
SCENARIO = "scenario.yaml"
# A block begins when its time has come, not before.
_SURELY_PAST_SECONDS = 0.5


class CellRun(Evening):
    """A run that tries everything once more after each second stage of its policy."""

    def _perform(self) -> None:
        started = time.monotonic()
        super()._perform()
        rate = self._plan.scenario.clock
        ahead = 0.0
        for steps in self._order["stages"] if not self._faults else ():
            for seconds in steps:
                # What has passed in the meantime may only make it later.
                ahead += seconds + _SURELY_PAST_SECONDS
                passed = (time.monotonic() - started) * rate
                self._stage.leap(passed + ahead)
            self._performance.try_again(self._plan.scenario.phases[-1])


def play_cells(order: Mapping[str, Any]) -> int:
    """Play one lab; what its tools came to is then in its folder."""
    folder = Path(order["folder"])
    for own in sorted((folder / "tools").glob("*.yaml")):
        given = json.loads(own.with_suffix(".json").read_text())
        shelf.put(load_tool(own, given=given))
    plan = make_plan(folder / SCENARIO)
    narrator = Narrator(Console(stderr=True, highlight=False))
    result = CellRun(order, plan, narrator).play()
    lags = [sum(steps) for steps in order["stages"]]
    findings = read(result, order["setting"], order["policy"], _servers(plan), lags)
    lines = [replace(found, folder=order["named"]).as_json() for found in findings]
    lines += [_lacking(order, one).as_json() for one in plan.skipped]
    told = {"findings": lines, "seconds": dict(result.seconds)}
    (folder / FINDINGS).write_text(json.dumps(told, indent=1))
    return 0


def _lacking(order: Mapping[str, Any], skipped: Skipped) -> Finding:
    """What a worker says of a tool that it lacks, and whoever asked it has."""
    cell = CellId(order["setting"], skipped.tool, order["policy"])
    return Finding(cell, Word.UNKNOWN, why=skipped.text)


def _servers(plan: Plan) -> dict[str, list[str]]:
    """The addresses of each tool's own hosts, apart from its client's."""
    return {
        planned.passage.tool: [
            address
            for node in planned.passage.hosts.values()
            for address in plan.addresses(node)
        ]
        for planned in plan.probes
        if planned.passage is not None
    }
