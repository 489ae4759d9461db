"""The line that a decision leaves, with everything needed to say why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from filterlab.inspection.flow import Ends
from filterlab.inspection.flow_table import Flow
from filterlab.policy.actions import ACTIONS, note
from filterlab.policy.admission import Admissions, Admit
from filterlab.policy.effects import Effect, Log
from filterlab.policy.residual import Block
from filterlab.policy.rules import Record, Rule, Source
from filterlab.policy.verdict import Decision, Verdict

# A box that is full is flooded: what it says of that may not fill the memory as well.
REFUSALS_REMEMBERED = 10_000


def logged(
    frame: int,
    rule: Rule,
    verdict: Verdict,
    action: str,
    flow: Flow,
    finding: Mapping[str, str],
    bytes_seen: int,
    now: float,
    residual: bool = False,
) -> Log:
    """What was decided of a flow at a frame, the count of those received."""
    return Log(
        Decision(
            time=now,
            verdict=verdict,
            rule=rule.name,
            source=str(rule.source),
            action=action,
            flow=flow.key,
            finding=finding,
            frame=frame,
            bytes_seen=bytes_seen,
            residual=residual,
        )
    )


def noted(
    frame: int,
    flow: Flow,
    met: Iterable[tuple[Rule, Mapping[str, str]]],
    now: float,
    keeps_records: bool,
    admitted: Admissions,
) -> list[Effect]:
    """What rules ask for that a flow has met on the way, and a line for each.

    What stands in the operator's records needs no line beside it.
    """
    effects: list[Effect] = []
    seen = flow.watch.bytes_seen if flow.watch else 0
    for rule, why in met:
        name, verdict, _ = ACTIONS[type(rule.then)]
        if isinstance(rule.then, Admit):
            admitted.take(rule.then, flow.ends, now)
        else:
            effects.append(note(rule, flow, why))
        if keeps_records and isinstance(rule.then, Record):
            continue
        effects.append(logged(frame, rule, verdict, name, flow, why, seen, now))
    return effects


class Refusals:
    """Flows that a full table turns away: no rule is the reason, the box's size is."""

    def __init__(self, source: Source, most: int) -> None:
        self._source, self._most = str(source), most
        self._told: set[Ends] = set()

    def told(self, flow: Flow, frame: int, now: float) -> list[Effect]:
        """A line for a flow that is dropped, the first time that it is."""
        if flow.ends in self._told:
            return []
        if len(self._told) >= REFUSALS_REMEMBERED:
            self._told.clear()
        self._told.add(flow.ends)
        line = Decision(
            time=now,
            verdict=Verdict.BLOCK,
            rule="table full",
            source=self._source,
            action="drop",
            flow=flow.key,
            finding={"flows": str(self._most)},
            frame=frame,
            bytes_seen=0,
        )
        return [Log(line)]


def logged_again(frame: int, block: Block, flow: Flow, now: float) -> Log:
    """What happened to a flow at a frame because of an earlier match."""
    rule, mechanism = block.rule, block.residual.mechanism
    why = block.finding
    return logged(frame, rule, Verdict.BLOCK, mechanism, flow, why, 0, now, True)
