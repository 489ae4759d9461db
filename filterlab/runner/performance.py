"""Carries out the probes: the controls first, then every probe in every phase."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from filterlab.lab.clock import NotInTime, wait_for
from filterlab.policy.verdict import Verdict
from filterlab.probes.outcome import Outcome, judge
from filterlab.probes.result import ProbeResult
from filterlab.report.cell import Attempt, Cell
from filterlab.runner.decisions import DecisionReader
from filterlab.runner.plan import Plan, PlannedProbe
from filterlab.runner.stage import Stage
from filterlab.scenario.timeline import Phase

T = TypeVar("T")

# A line of decisions.jsonl follows its effects within a millisecond; but the machine
# may have ten times more to do than it can.
DECIDED_WITHIN_SECONDS = 5.0


class Audience(Protocol):
    """Whoever is told what happens, when it happens."""

    def phase(self, name: str, policies: str) -> None:
        """A phase begins."""

    def probe(self, cell: Cell) -> None:
        """A probe has finished in a phase."""


class Performance:
    """The timeline of one scenario on one stage."""

    def __init__(self, plan: Plan, stage: Stage, audience: Audience) -> None:
        self._plan = plan
        self._stage = stage
        self._audience = audience
        self.decided = DecisionReader(stage.decisions)
        self.controls: dict[str, Attempt] = {}
        self.cells: list[Cell] = []
        self.seconds: dict[str, float] = {}
        self.timeline: list[dict[str, Any]] = []
        self._first_decisions: dict[str, int] = {}  # by phase

    def play_controls(self) -> list[str]:
        """Every probe once, with no policy in force; names those that failed."""
        started = time.monotonic()
        for planned, result in self._in_waves(self._try):
            attempt = Attempt(result, judge(result, None, None))
            self.controls[planned.name] = attempt
        self.seconds["control"] = time.monotonic() - started
        failed = [n for n, a in self.controls.items() if not a.outcome.reached]
        return sorted(failed)

    def play(self, phase: Phase) -> list[str]:
        """All probes in one phase; returns what of the lab failed in it."""
        started = time.monotonic()
        self._stage.leap(phase.at_seconds)
        first_decision = len(self.decided.read())
        self._first_decisions[phase.name] = first_decision
        wanted = dict(phase.policies)
        since = self._stage.set_policies(wanted)
        moment = {
            "phase": phase.name,
            "policies": wanted,
            "since": since,
            "began": time.time(),  # as captures have it
        }
        self.timeline.append(moment)
        policies = ", ".join(f"{name}: {p}" for name, p in phase.policies.items())
        self._audience.phase(phase.name, policies)
        for through in self._stage.tools.values():
            through.begin(phase.name)
        for _, cell in self._in_waves(
            lambda planned: self._cell(planned, phase, first_decision)
        ):
            self.cells.append(cell)
            self._audience.probe(cell)
        self.seconds["run"] = self.seconds.get("run", 0.0) + time.monotonic() - started
        return self._stage.faults()

    def with_exposure(self, lines: list[dict[str, Any]]) -> list[Cell]:
        """The cells, each with whether these say that its server was found out."""
        ends = [*list(self._first_decisions.values())[1:], len(lines)]
        until = dict(zip(self._first_decisions, ends, strict=False))
        return [
            replace(cell, exposed=self._is_exposed(cell, lines[: until[cell.phase]]))
            for cell in self.cells
        ]

    def _is_exposed(self, cell: Cell, lines: list[dict[str, Any]]) -> bool:
        planned = next(p for p in self._plan.probes if p.name == cell.probe)
        nodes = [planned.target]
        if planned.passage is not None:
            nodes = list(planned.passage.hosts.values())
        servers = [address for node in nodes for address in self._plan.addresses(node)]
        return any(
            line["verdict"] == Verdict.EXPOSED and line["flow"]["server"] in servers
            for line in lines
        )

    def try_again(self, phase: Phase) -> None:
        """One more attempt of each probe that got through; what is in force goes on."""
        first_decision = self._first_decisions[phase.name]
        planned = {one.name: one for one in self._plan.probes}

        def again(cell: Cell) -> Cell:
            probe = planned[cell.probe]
            result = self._try(probe)
            more = self._judged(probe, result, cell.control, first_decision)
            return replace(cell, attempts=(*cell.attempts, more))

        passed = [
            cell
            for cell in self.cells
            if cell.phase == phase.name and cell.outcome.outcome == "ok"
        ]
        with ThreadPoolExecutor(max(1, len(passed))) as pool:
            for cell, later in zip(passed, pool.map(again, passed), strict=True):
                self.cells[self.cells.index(cell)] = later

    def _in_waves(
        self, act: Callable[[PlannedProbe], T]
    ) -> Iterator[tuple[PlannedProbe, T]]:
        """Do something with every probe; each with what came of it, as it comes.

        All at the same time, except those that measure a rate: beside others, they
        would measure how busy the machine is.
        """
        probes = self._plan.probes
        quick = [p for p in probes if p.probe.kind != "throughput"]
        waves = [quick, *([p] for p in probes if p.probe.kind == "throughput")]
        for wave in filter(None, waves):
            with ThreadPoolExecutor(len(wave)) as pool:
                futures = {pool.submit(act, planned): planned for planned in wave}
                for future in as_completed(futures):
                    yield futures[future], future.result()

    def _cell(self, planned: PlannedProbe, phase: Phase, first_decision: int) -> Cell:
        control = self.controls[planned.name]
        attempts = []
        for _ in range(planned.probe.repeat):
            result = control.result
            if control.outcome.reached:
                result = self._try(planned)
            attempts.append(self._judged(planned, result, control, first_decision))
        return Cell(
            planned.name,
            planned.probe.client,
            planned.probe.target,
            planned.probe.through,
            phase.name,
            planned.probe.innocent,
            tuple(attempts),
            control,
            planned.probe.strategy.shown if planned.probe.strategy else None,
            subscribers=self._plan.subscribers[planned.probe.client],
        )

    def _try(self, planned: PlannedProbe) -> ProbeResult:
        began = time.time()
        around = self._stage.strategies.get(planned.name)
        if around is not None:
            result = around.during(lambda: self._attempt(planned))
        else:
            result = self._attempt(planned)
        # A tool that is the client itself does not say when it began.
        return result if result.began else replace(result, began=began)

    def _attempt(self, planned: PlannedProbe) -> ProbeResult:
        stage = self._stage
        assert stage.launcher is not None and stage.authority is not None
        if planned.passage is not None:
            return stage.tools[planned.name].fetch(stage.launcher)
        roots, pin = str(stage.ca_file(planned.probe)), stage.pin(planned)
        request = self._plan.request(planned, roots, pin=pin)
        pid = stage.network.node(planned.client).pid
        return stage.launcher.submit(request, pid).result()

    def _judged(
        self,
        planned: PlannedProbe,
        result: ProbeResult,
        control: Attempt,
        first_decision: int,
    ) -> Attempt:
        outcome = self._told(planned, result, control, first_decision)
        if outcome.outcome != "ok" and not self._alive(planned):
            outcome = self._judge(planned, result, control, first_decision, False)
        rule = None
        if outcome.rule is not None and outcome.decisions:
            rule = self.decided.lines[outcome.decisions[0]]["rule"]
        return Attempt(result, outcome, rule)

    def _told(
        self,
        planned: PlannedProbe,
        result: ProbeResult,
        control: Attempt,
        first_decision: int,
    ) -> Outcome:
        """The judgement, once what explains it has been written down.

        An exchange acts first and writes afterwards, so a probe can be quicker.
        """

        def explained() -> Outcome | None:
            outcome = self._judge(planned, result, control, first_decision, None)
            unexplained = outcome.outcome == "unknown" and not result.broken
            return None if unexplained else outcome

        try:
            told = wait_for("the decision", explained, DECIDED_WITHIN_SECONDS)
        except NotInTime:
            told = None
        return told or self._judge(planned, result, control, first_decision, None)

    def _judge(
        self,
        planned: PlannedProbe,
        result: ProbeResult,
        control: Attempt,
        first_decision: int,
        alive: bool | None,
    ) -> Outcome:
        plan = self._plan
        decisions: Mapping[int, Mapping[str, object]] | None = None
        if plan.scenario.controller is None:
            decisions = self.decided.since(first_decision)
        own: Iterable[str] = ()
        if planned.passage is not None:
            # A server that does not stand with the target meets exchanges itself.
            nodes = (planned.passage.device, *planned.passage.hosts.values())
            own = [address for node in nodes for address in plan.addresses(node)]
        return judge(
            result,
            control.result,
            decisions,
            alive,
            target=planned.probe.host,
            service_addresses=plan.addresses(planned.target),
            client_addresses=tuple(own),
            resolver_addresses=plan.resolver_addresses(planned),
        )

    def _alive(self, planned: PlannedProbe) -> bool:
        """Whether the probe's server answers, asked on its own host."""
        stage = self._stage
        assert stage.services is not None
        return stage.services.alive(planned.service)
