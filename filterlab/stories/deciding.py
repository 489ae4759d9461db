"""Says on which rules of its policies a scenario's expectations depend.

A rule counts if an expectation names it; if it lets something pass or in, and something
is expected to get through while it is in force; or if it records, and an expectation is
about what the records hold. A rule that decides and that nothing depends on is one that
`filterlab.stories.outcomes` finds in a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from filterlab.policy.admission import Admit
from filterlab.policy.rules import Allow, Probe, Record, Rule
from filterlab.runner.plan import Plan, met_by
from filterlab.scenario.schema import Expectation, Scenario
from filterlab.scenario.timeline import Phase


@dataclass(frozen=True, slots=True)
class Deciding:
    """A rule, what depends on it, and how far a run must go to see that."""

    policy: str
    rule: str
    last: Phase  # the first phase in which all of `expected` can be held against it
    expected: tuple[int, ...]  # the expectations, by their number in the file

    @property
    def text(self) -> str:
        """The rule as people read it."""
        return f'{self.policy} "{self.rule}"'


def deciding(plan: Plan) -> list[Deciding]:
    """The rules that decide, in the order of the timeline and of their policies."""
    scenario = plan.scenario
    found: dict[tuple[str, str], dict[str, list[int]]] = {}
    seen_later: set[tuple[str, str]] = set()
    for phase in scenario.phases:
        for policy in dict.fromkeys(phase.policies.values()):
            for rule in scenario.policies[policy].rules:
                key = policy, rule.name
                if isinstance(rule.then, Allow | Admit) and remembers(scenario):
                    seen_later.add(key)
                for index in _dependent(plan, phase, policy, rule):
                    found.setdefault(key, {}).setdefault(phase.name, []).append(index)
    phases = {phase.name: phase for phase in scenario.phases}
    made = []
    for key, by_phase in found.items():
        # Whom a rule has let in may only be seen later; any other strikes at once.
        seen = list(by_phase) if key in seen_later else [*by_phase][:1]
        expected = dict.fromkeys(index for name in seen for index in by_phase[name])
        made.append(Deciding(*key, phases[seen[-1]], tuple(expected)))
    return made


def _dependent(plan: Plan, phase: Phase, policy: str, rule: Rule) -> Iterator[int]:
    there = {name for name, in_force in phase.policies.items() if in_force == policy}
    met = {planned.name: met_by(plan, planned) for planned in plan.probes}
    for expectation in plan.scenario.expect:
        if (
            phase in plan.scenario.phases_of(expectation)
            and _depends(expectation, rule)
            and any(there & met[name] for name in expectation.means(met))
        ):
            yield int(expectation.path[1])


def _depends(expectation: Expectation, rule: Rule) -> bool:
    if isinstance(rule.then, Record):
        return (expectation.exposes or expectation.known_as) is not None
    if isinstance(rule.then, Allow | Admit):
        return expectation.outcome == "ok" or expectation.reaches is True
    return expectation.rule == rule.name


def remembers(scenario: Scenario) -> bool:
    """Whether what was before, or another probe does, can decide what comes of one."""
    rules = [rule for policy in scenario.policies.values() for rule in policy.rules]
    return (
        any(isinstance(rule.then, Admit | Probe | Record) for rule in rules)
        or any(rule.load or rule.residual or rule.hours for rule in rules)
        or any(probe.session is not None for probe in scenario.probes.values())
    )
