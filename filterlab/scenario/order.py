"""Checks a timeline's order, and what expectations say of its phases and probes."""

from __future__ import annotations

from itertools import pairwise

from filterlab.scenario.checks import Checks
from filterlab.scenario.outcomes import agree, reaches
from filterlab.scenario.problem import quoted
from filterlab.scenario.schema import Expectation, Moment, Scenario
from filterlab.scenario.source import Document
from filterlab.scenario.timeline import meant_by


def check_order(scenario: Scenario, document: Document) -> None:
    """Complain of a timeline that starts late, goes back, or contradicts itself."""
    moments = scenario.timeline
    if moments and moments[0].at_seconds != 0:
        document.complain(
            "timeline-start",
            (*moments[0].path, "at"),
            "the timeline does not say what holds at the start",
            expected="the first moment to be at 0s",
        )
    for before, moment in pairwise(moments):
        if moment.at_seconds < before.at_seconds:
            document.complain(
                "timeline-order",
                (*moment.path, "at"),
                "the timeline goes back in time",
                other=before.place("at"),
                other_says="this moment is later, and stands before it",
            )
    by_time: dict[float, list[Moment]] = {}
    by_phase: dict[str, Moment] = {}
    for moment in moments:
        together = by_time.setdefault(moment.at_seconds, [])
        for earlier in together:
            _check_together(document, earlier, moment)
        together.append(moment)
        if moment.phase is not None:
            first = by_phase.setdefault(moment.phase, moment)
            if first.at_seconds != moment.at_seconds:
                document.complain(
                    "phase-twice",
                    (*moment.path, "phase"),
                    f"a second phase is called {quoted(moment.phase)}",
                    other=first.place("phase"),
                    other_says="the first one is here",
                )


def _check_together(document: Document, earlier: Moment, moment: Moment) -> None:
    """Complain of two moments at one time that disagree."""
    both = set(earlier.exchanges) & set(moment.exchanges)
    if both:
        name = "every exchange" if "all" in both else quoted(min(both))
        document.complain(
            "exchange-twice",
            (*moment.path, "exchange"),
            f"{name} gets a second policy at the same moment",
            other=earlier.place("policy"),
            other_says="the first one is here",
        )
    if None not in (moment.phase, earlier.phase) and moment.phase != earlier.phase:
        document.complain(
            "phase-differs",
            (*moment.path, "phase"),
            f"one moment has two names, {quoted(str(moment.phase))} "
            f"and {quoted(str(earlier.phase))}",
            other=earlier.place("phase"),
            other_says="the first one is here",
        )


def check_expectations(
    scenario: Scenario, document: Document, checks: Checks, with_phases: bool
) -> None:
    """Complain of expectations that name nothing, or that cannot all be met."""
    probes = checks.names("probes")
    for expectation in scenario.expect:
        if not expectation.means(probes):
            checks.unknown("probe", expectation, ("probe",), probes)
        _check_repeat(scenario, document, expectation)
        _check_itself(document, expectation)
        if with_phases:
            _check_phases(scenario, checks, expectation)
            _check_rule(scenario, checks, expectation)
    by_probe: dict[str, dict[str, Expectation]] = {}
    for expectation in scenario.expect:
        others = by_probe.setdefault(expectation.probe, {})
        for earlier in others.values():
            if _contradiction(scenario, document, earlier, expectation):
                break
        others.setdefault(expectation.text, expectation)  # its twin adds nothing


def _check_phases(scenario: Scenario, checks: Checks, expectation: Expectation) -> None:
    for index, word in enumerate(expectation.during):
        if not meant_by(word, scenario.phases):
            names = [phase.name for phase in scenario.phases]
            policies = [m.policy for m in scenario.timeline]
            checks.unknown("phase", expectation, ("during", index), names + policies)


def _check_rule(scenario: Scenario, checks: Checks, expectation: Expectation) -> None:
    if expectation.rule is None:
        return
    in_force = {
        name
        for phase in scenario.phases_of(expectation)
        for name in phase.policies.values()
    }
    policies = [scenario.policies.get(name) for name in sorted(in_force)]
    if None in policies:
        return  # a policy that could not be read may well have the rule
    rules = [rule.name for policy in policies if policy for rule in policy.rules]
    if expectation.rule not in rules:
        checks.unknown("rule", expectation, ("rule",), rules)


def _check_repeat(
    scenario: Scenario, document: Document, expectation: Expectation
) -> None:
    probe = scenario.probes.get(expectation.probe)
    if probe is None or probe.repeat > 1:
        return
    for key in ("at_least", "between"):
        if getattr(expectation, key) is not None:
            document.complain(
                "needs-repeat",
                (*expectation.path, key),
                f"{quoted(key)} counts tries, but the probe is tried once",
                on_key=True,
                help="give the probe a number of tries: repeat: 20",
                other=probe.place(),
                other_says="the probe is here",
            )


def _check_itself(document: Document, expectation: Expectation) -> None:
    outcome, gets_through = expectation.outcome, expectation.reaches
    if outcome is None or gets_through is None:
        return
    if reaches(outcome) in (None, gets_through):
        return
    document.complain(
        "contradiction",
        (*expectation.path, "reaches"),
        f"the outcome {quoted(outcome)} and reaches: {str(gets_through).lower()} "
        "cannot both come true",
        other=expectation.place("outcome"),
        other_says="the outcome is here",
    )


def _contradiction(
    scenario: Scenario, document: Document, earlier: Expectation, later: Expectation
) -> bool:
    """Complain if no run can meet both of two expectations about one probe."""
    if earlier.share[0] + later.share[0] <= 1:
        return False  # some tries may come out one way, and others the other
    key = _clash(earlier, later)
    if key is None:
        return False
    phases = [p.name for p in scenario.phases_of(earlier)]
    shared = [p.name for p in scenario.phases_of(later) if p.name in phases]
    if not scenario.phases:  # the timeline could not be read, or there is none
        shared = [word for word in later.during if word in earlier.during]
    if not shared and (scenario.phases or later.during or earlier.during):
        return False
    when = f" during {shared[0]}" if shared else ""
    document.complain(
        "contradiction",
        (*later.path, key),
        f"{quoted(later.probe)} cannot come out both ways{when}",
        other=earlier.place(),
        other_says=f"the other expectation: {earlier.text}",
    )
    return True


def _clash(earlier: Expectation, later: Expectation) -> str | None:
    """The key of the later expectation that the earlier one rules out."""
    one, other = earlier.outcome, later.outcome
    if one is not None and other is not None and not agree(one, other):
        return "outcome"
    before, after = _reaches(earlier), _reaches(later)
    if before is not None and after is not None and before != after:
        return "outcome" if later.reaches is None else "reaches"
    if earlier.kbit_s is not None and later.kbit_s is not None:
        low = max(earlier.kbit_s.above or 0, later.kbit_s.above or 0)
        bounds = [earlier.kbit_s.below, later.kbit_s.below]
        if any(high is not None and high <= low for high in bounds):
            return "kbit_s"
    return None


def _reaches(expectation: Expectation) -> bool | None:
    if expectation.reaches is not None:
        return expectation.reaches
    return None if expectation.outcome is None else reaches(expectation.outcome)
