"""The inside of a cell's run: plays the scenario made for it, and writes it down."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from filterlab.lab.clock import NotInTime, wait_for
from filterlab.matrix.reading import read
from filterlab.report.terminal import Narrator
from filterlab.runner.inside import Evening
from filterlab.runner.plan import Plan, make_plan
from filterlab.tools import shelf

# Where the findings are, in the run's folder.
FINDINGS = "findings.json"
SCENARIO = "scenario.yaml"
# What the prober may take beyond the policy's lag, to connect and to be answered.
_PROBING_SECONDS = 5.0


class CellRun(Evening):
    """A run that tries everything once more after the policy's second stage."""

    def _perform(self) -> None:
        super()._perform()
        lag, probing = self._order["lag_seconds"], self._order["probes"]
        if self._faults or not (lag or probing):
            return
        self._await_second_stage(lag / self._plan.scenario.clock, probing)
        self._performance.try_again(self._plan.scenario.phases[-1])

    def _await_second_stage(self, lag_seconds: float, probing: bool) -> None:
        decided = self._performance.decided
        struck = time.monotonic()

        def come() -> bool:
            if probing:
                lines = decided.read()
                return any(str(one["verdict"]).lower() == "exposed" for one in lines)
            return time.monotonic() - struck >= lag_seconds

        within = lag_seconds + (_PROBING_SECONDS if probing else 0.5)
        try:
            wait_for("the second stage of blocking", come, within)
        except NotInTime:
            return  # the prober found nothing: that is an answer as well


def play_cells(order: Mapping[str, Any]) -> int:
    """Play one lab; what its tools came to is then in its folder."""
    folder = Path(order["folder"])
    for own in sorted((folder / "tools").glob("*.yaml")):
        shelf.put(own)
    plan = make_plan(folder / SCENARIO)
    narrator = Narrator(Console(stderr=True, highlight=False))
    result = CellRun(order, plan, narrator).play()
    findings = read(
        result, order["setting"], order["policy"], _servers(plan), order["lag_seconds"]
    )
    lines = [replace(found, folder=order["named"]).as_json() for found in findings]
    told = {"findings": lines, "seconds": dict(result.seconds)}
    (folder / FINDINGS).write_text(json.dumps(told, indent=1))
    return 0


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
