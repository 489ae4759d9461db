"""The inside of a run: the sealed program that plays a scenario and writes it down.

Started by `filterlab.runner.sealing` with one JSON argument. Whatever fails of the
lab, the evidence so far is written and the result says "could not tell".
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from filterlab.captures.annotate import annotate
from filterlab.lab.obstacle import Obstacle
from filterlab.policy.effects import Side
from filterlab.records.book import NotWrittenError
from filterlab.records.command import FILE_NAME
from filterlab.replay.story import NoCapture
from filterlab.report.cell import Cell
from filterlab.report.detection import Detection, check_detections
from filterlab.report.expectations import check_all
from filterlab.report.junit import write_junit
from filterlab.report.ooni import write_measurements
from filterlab.report.page import write_report
from filterlab.report.result import Result, Verdict
from filterlab.report.terminal import Narrator, print_result
from filterlab.runner.arrivals import with_arrivals
from filterlab.runner.attributing import FILE_NAME as FOUND
from filterlab.runner.attributing import detections, write_detections
from filterlab.runner.bookkeeping import UNWRITTEN
from filterlab.runner.exposure import exposures, wants_exposure
from filterlab.runner.performance import Performance
from filterlab.runner.plan import Plan, make_plan
from filterlab.runner.serving import VISITS
from filterlab.runner.setting import write_setting
from filterlab.runner.stage import LAB_FAILURES, Stage, standing, tail
from filterlab.runner.visiting import leave_the_terminal_alone, visit
from filterlab.tools.bring import loaded

# As a shell reports a program that SIGINT has ended: 128 + 2.
INTERRUPTED = 130


class Evening:
    """One performance from the first light to the last, and its record."""

    def __init__(
        self, order: Mapping[str, Any], plan: Plan, narrator: Narrator
    ) -> None:
        self._order = order
        self._plan = plan
        self._narrator = narrator
        self._folder = Path(order["folder"])
        self._seed = plan.scenario.seed if order["seed"] is None else order["seed"]
        self._stage = Stage(plan, self._folder, self._seed, order.get("records"))
        self._performance = Performance(plan, self._stage, narrator)
        self._faults: list[str] = []
        self._seconds: dict[str, float] = {}

    def play(self) -> Result:
        """Everything, and the result of it, written down."""
        self._guarded(self._perform)
        self._faults += [f for f in self._stage.faults() if f not in self._faults]
        started = time.monotonic()
        self._guarded(self._stage.down)
        self._seconds["down"] = time.monotonic() - started
        result = self._result()
        result.write()
        write_junit(result, self._folder / "junit.xml")
        return result

    def _guarded(self, act: Any) -> None:
        try:
            act()
        except (*LAB_FAILURES, Obstacle) as error:
            log = self._stage.controller.log if self._stage.controller else None
            said = tail(log) if log is not None and "controller" in str(error) else ""
            self._faults.append(f"{error}{said}")
        except Exception:
            # A mistake in the lab itself must cost no evidence, and be no outcome.
            self._faults.append(f"a mistake in FilterLab: {traceback.format_exc()}")

    def _perform(self) -> None:
        stage, scenario = self._stage, self._plan.scenario
        stage.up()
        assert stage.summary is not None
        counts = stage.summary
        how = "without root" if self._order["rootless"] else "as root"
        failed = self._performance.play_controls()
        passed = len(self._plan.probes) - len(failed)
        self._narrator.note(
            f"sealed, {how} · {_counted(counts.hosts, 'host')},"
            f" {_counted(counts.routers, 'router')},"
            f" {_counted(counts.exchanges, 'exchange')}"
            f" · up in {stage.seconds_up:.1f} s"
            f" · {passed} of {len(self._plan.probes)} controls passed"
        )
        for phase in scenario.phases:
            if faults := self._performance.play(phase):
                self._faults += faults
                return

    def _result(self) -> Result:
        performance, plan = self._performance, self._plan
        decisions = self._annotated(performance.decided.read())
        order = {planned.name: n for n, planned in enumerate(plan.probes)}
        cells = self._with_logs(
            sorted(
                performance.with_exposure(decisions), key=lambda cell: order[cell.probe]
            )
        )
        detected = self._detected(cells)
        self._seconds |= {"up": self._stage.seconds_up, **performance.seconds}
        return Result(
            scenario=str(plan.path),
            title=plan.scenario.title,
            seed=self._seed,
            rootless=bool(self._order["rootless"]),
            seconds=self._seconds,
            phases=tuple(phase.name for phase in plan.scenario.phases),
            timeline=tuple(performance.timeline),
            probers=tuple(plan.addresses(plan.prober) if plan.prober else ()),
            cells=tuple(cells),
            checks=(
                *check_all(plan.scenario, cells),
                *check_detections(plan.scenario, detected),
            ),
            detections=tuple(detected),
            decisions=tuple(decisions),
            faults=tuple(self._faults),
            skipped=plan.skipped,
            folder=self._folder,
            evidence=self._evidence(),
        )

    def _with_logs(self, cells: list[Cell]) -> list[Cell]:
        """The cells with what a log holds and what servers got, if it is asked for."""
        if self._stage.captured is None:
            return cells
        try:
            cells = with_arrivals(
                self._plan,
                cells,
                [p for p in self._captures() if p.stem.endswith(f"-{Side.INSIDE}")],
                {node: one.path(node) for node, one in self._stage.at_servers.items()},
            )
            if not wants_exposure(self._plan.scenario):
                return cells
            timeline = self._performance.timeline
            leases = self._stage.leases
            rows = exposures(self._plan, cells, timeline, self._captures(), leases)
        except NoCapture as error:
            self._faults.append(str(error))
            return cells
        by_place = {(row.probe, row.phase): row for row in rows}
        return [
            replace(cell, exposure=by_place.get((cell.probe, cell.phase)))
            for cell in cells
        ]

    def _detected(self, cells: list[Cell]) -> list[Detection]:
        """What the scenario's detector makes of the run, if it has one."""
        if self._plan.scenario.detector is None:
            return []
        folder = self._folder
        timeline = self._performance.timeline
        try:
            found = detections(self._plan, cells, timeline, folder, folder / FILE_NAME)
        except (OSError, NotWrittenError) as error:
            self._faults.append(f"the detector has nothing to read: {error}")
            return []
        write_detections(found, folder)
        return found

    def _annotated(self, decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Comment the captures, and note in each decision which frame it fell on."""
        for file in self._captures():
            for index, frame in annotate(file, decisions).items():
                # The side where the deciding frame came in has it as well; the
                # first file that holds it is as good as the other.
                decisions[index].setdefault("capture", file.name)
                decisions[index].setdefault("capture_frame", frame)
        lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in decisions)
        (self._folder / "decisions.jsonl").write_text("".join(lines))
        return decisions

    def _evidence(self) -> tuple[str, ...]:
        found = ["report.html", "result.json", "decisions.jsonl", "junit.xml", "logs"]
        kept = (FILE_NAME, UNWRITTEN, VISITS, FOUND)
        found += [name for name in kept if (self._folder / name).exists()]
        if self._stage.bookkeeping is not None and self._stage.records is not None:
            found.append(f"records in {self._stage.records}")
        if files := self._captures():
            captured = self._stage.captured
            dropped = captured.dropped if captured is not None else 0
            lost = f", {dropped} frames lost" if dropped else ""
            found.append(f"{_counted(len(files), 'capture')}{lost}")
        return tuple(found)

    def _captures(self) -> list[Path]:
        """What was captured, also by a writer that died over it."""
        return sorted(self._folder.glob("*.pcapng"))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def play(order: Mapping[str, Any], plan: Plan) -> int:
    """Play a scenario, and print what came of it."""
    narrator = Narrator(Console(stderr=True, highlight=False))
    narrator.title(plan.scenario.title)
    for skipped in plan.skipped:
        narrator.note(skipped.text)
    result = Evening(order, plan, narrator).play()
    if order["json"]:
        print((result.folder / "result.json").read_text(), end="")
    else:
        print_result(result, Console(highlight=False))
    _write_for_readers(plan, result)
    return result.verdict.exit_status


def _write_for_readers(plan: Plan, result: Result) -> None:
    """What is made of the evidence, once the verdict has been told."""
    try:
        write_setting(plan, result.decisions, result.folder)
        write_measurements(result, result.folder)
        write_report(result.folder)
    except Exception:
        # The evidence is there, and so is the verdict: neither is worth less for it.
        traceback.print_exc()
        print("filterlab: error: the report could not be made", file=sys.stderr)


def shell(order: Mapping[str, Any], plan: Plan) -> int:
    """Bring a scenario's world up, and open Mininet's command line in it.

    The policies of the first phase are in force.
    """
    from mininet.cli import CLI

    with standing(plan, Path(order["folder"]), plan.scenario.seed) as stage:
        first = plan.scenario.phases[0]
        stage.set_policies(dict(first.policies))
        print(f"{plan.scenario.title}: {first.name}. Hosts: {', '.join(plan.hosts)}")
        CLI(stage.network.mininet)
    return 0


VERBS = {"play": play, "shell": shell, "visit": visit}


def main() -> int:
    """Do what the first argument orders."""
    order = json.loads(sys.argv[1])
    if order["verb"] == "visit":
        leave_the_terminal_alone()
    try:
        tools = loaded(order.get("tools", []))
        plan = make_plan(Path(order["scenario"]), tools)
        return VERBS[order["verb"]](order, plan)
    except KeyboardInterrupt:
        print("filterlab: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception:
        # Python's own status would be 1, which says "not as expected".
        traceback.print_exc()
        return Verdict.COULD_NOT_TELL.exit_status


if __name__ == "__main__":
    sys.exit(main())
