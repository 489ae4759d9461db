"""Writes a scenario anew in which one rule no longer does what it does.

The rule stays where it stands and lets pass what it met: taken out, it would leave the
packets to a rule behind it. One that lets pass by itself is taken out, for the same
reason, and so is one that lets a subscriber in: it leaves the packets to others anyway.
What no expectation about the rule needs is left out: later phases, and other
probes, unless those may decide what comes of these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filterlab.policy.admission import Admit
from filterlab.policy.rules import Allow, Record, Rule
from filterlab.runner.plan import Plan, make_plan
from filterlab.scenario import content, source
from filterlab.scenario.problem import BadInput
from filterlab.scenario.timeline import Phase
from filterlab.stories.deciding import Deciding, remembers


def write_without(plan: Plan, one: Deciding, folder: Path) -> Path:
    """The scenario with that rule neutralised, in files below a folder."""
    for name in plan.scenario.policies:
        _link(plan, name, folder / "policies")
    policy = folder / "policies" / f"{one.policy}.yaml"
    policy.unlink()
    _write(policy, _neutralised(plan, one))
    scenario = folder / f"{plan.path.stem}.yaml"
    _write(scenario, _shortened(plan, one, alone=not remembers(plan.scenario)))
    try:
        make_plan(scenario)
    except BadInput:
        # Without the other probes, nothing crosses some exchange.
        _write(scenario, _shortened(plan, one, alone=False))
    return scenario


def _link(plan: Plan, name: str, folder: Path) -> None:
    """A policy beside the scenario, with what lies beside it: lists, recognisers."""
    file = content.policy(name, plan.path)
    assert file is not None
    folder.mkdir(exist_ok=True, parents=True)
    for beside in file.parent.iterdir():
        if beside.suffix != ".yaml" and not (folder / beside.name).exists():
            (folder / beside.name).symlink_to(beside.resolve())
    (folder / file.name).symlink_to(file.resolve())


def _neutralised(plan: Plan, one: Deciding) -> dict[str, Any]:
    file = content.policy(one.policy, plan.path)
    assert file is not None
    written = source.read(file).plain()
    rules = plan.scenario.policies[one.policy].rules
    kept = []
    for rule, text in zip(rules, written["rules"], strict=True):
        if rule.name != one.rule:
            kept.append(text)
        elif isinstance(rule.then, Record) and not _only_record(rules):
            continue  # it decides nothing: to let pass would take from those behind it
        elif not isinstance(rule.then, Allow | Admit):
            later = {k: v for k, v in text.items() if k not in ("then", "residual")}
            kept.append({**later, "then": "allow"})
    return {**written, "rules": kept}


def _only_record(rules: Sequence[Rule]) -> bool:
    return all(isinstance(rule.then, Record) for rule in rules)


def _shortened(plan: Plan, one: Deciding, alone: bool) -> dict[str, Any]:
    scenario = plan.scenario
    written = source.read(plan.path).plain()
    moments = [
        text
        for moment, text in zip(scenario.timeline, written["timeline"], strict=True)
        if moment.at_seconds <= one.last.at_seconds
    ]
    phases = [p for p in scenario.phases if p.at_seconds <= one.last.at_seconds]
    if not remembers(scenario):
        phases = [one.last]
        moments = _at_once(one.last)
    expected = []
    for expectation in scenario.expect:
        index = expectation.path[1]
        about = scenario.phases_of(expectation)
        during = [phase.name for phase in phases if phase in about]
        if index in one.expected and during:
            expected.append({**written["expect"][index], "during": during})
    probes = written["probes"]
    if alone and not any("subscribers" in entry for entry in expected):
        probes = _needed(probes, expected)
    kept = [phase.name for phase in phases]
    probes = {name: _until(kept, probe) for name, probe in probes.items()}
    written.pop("detector", None)  # its tests are about the traffic of a whole run
    return {**written, "timeline": moments, "probes": probes, "expect": expected}


def _until(phases: Sequence[str], probe: dict[str, Any]) -> dict[str, Any]:
    """A probe without the session that it begins in a phase that is not reached."""
    gone = probe.get("session", phases[0]) not in phases
    return {k: v for k, v in probe.items() if k != "session" or not gone}


def _at_once(phase: Phase) -> list[dict[str, Any]]:
    """A timeline that begins with a phase: nothing that was before makes it so."""
    return [
        {"at": "0s", "phase": phase.name, "exchange": exchange, "policy": policy}
        for exchange, policy in phase.policies.items()
    ]


def _needed(
    probes: Mapping[str, Any], expected: list[dict[str, Any]]
) -> dict[str, Any]:
    """The probes that the expectations name, and those whose servers they use."""
    names = {entry["probe"] for entry in expected}
    names |= {probes[name].get("server_of", name) for name in names}
    return {name: probe for name, probe in probes.items() if name in names}


def _write(path: Path, value: Mapping[str, Any]) -> None:
    # JSON is YAML, and quotes every text.
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
