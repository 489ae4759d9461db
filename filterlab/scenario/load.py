"""Loads a scenario: the one function that turns a file into something to run.

All problems of the file and of the policies it names come together. Where a part
cannot be read, the rest is still checked without it, so that nobody has to mend a
file one error at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from filterlab.policy.rules import Policy
from filterlab.scenario import content, source
from filterlab.scenario.checks import Checks
from filterlab.scenario.detecting import check_detector
from filterlab.scenario.facts import Facts, Layout
from filterlab.scenario.item import Item, validate
from filterlab.scenario.order import check_expectations, check_order
from filterlab.scenario.policies import load_policy
from filterlab.scenario.policyfile import CONDITION_SCHEMA, PolicyFile
from filterlab.scenario.problem import BadInput, Problem
from filterlab.scenario.schema import Scenario
from filterlab.scenario.sharing import check_sharing
from filterlab.scenario.source import Document, Path_
from filterlab.scenario.timeline import phases_of
from filterlab.scenario.unread import UnreadChecks

_NO_FACTS = Facts()


def load_scenario(path: Path | str, facts: Facts = _NO_FACTS) -> Scenario:
    """Read and check a scenario; raises BadInput with every problem there is."""
    path = Path(path)
    document = source.read(path)
    result = validate(Scenario, document)
    broken: set[str] = set()
    failed: list[Path_] = []
    if isinstance(result, list):
        failed = result
        broken = {str(failed[0]) for failed in result if failed}
        scenario = _without(result, document)
        if scenario is None:
            raise BadInput(document.problems)
    else:
        scenario = result
    checks = Checks(scenario, document, facts, path)
    layout = checks.run()
    UnreadChecks(scenario, document, facts, layout, path).run(failed)
    problems: list[Problem] = []
    for name in dict.fromkeys(moment.policy for moment in scenario.timeline):
        try:
            if (file := content.policy(name, path)) is not None:
                scenario.policies[name] = load_policy(file, content.shown(file))
        except BadInput as bad:
            problems += bad.problems
    if "timeline" not in broken:
        check_order(scenario, document)
        scenario._phases = phases_of(scenario.timeline, _exchanges(scenario, layout))
    # A name of a phase or rule can only be called wrong beside a sound timeline.
    sound = "timeline" not in broken and not problems and not checks.policies_missing
    check_expectations(scenario, document, checks, sound)
    check_sharing(scenario, document, checks, sound)
    check_detector(scenario, document, checks, path, sound)
    if document.problems or problems:
        raise BadInput([*document.problems, *problems])
    return scenario


def load(path: Path | str, facts: Facts = _NO_FACTS) -> Scenario | Policy:
    """Read a file that may be a scenario or a policy, told apart by its keys."""
    path = Path(path)
    keys = source.read(path).root.values
    if "topology" not in keys and ({"rules", "position", "stack"} & set(keys)):
        return load_policy(path)
    return load_scenario(path, facts)


def json_schema(of: Literal["scenario", "policy"]) -> dict[str, Any]:
    """The JSON Schema by which an editor checks a file while it is written."""
    schema = model_schema(Scenario if of == "scenario" else PolicyFile)
    if of == "policy":
        schema["$defs"]["Condition"] = CONDITION_SCHEMA
        when = {"$ref": "#/$defs/Condition"}
        schema["$defs"]["RuleText"]["properties"]["when"] = when
    return schema


def model_schema(model: type[Item]) -> dict[str, Any]:
    """The JSON Schema of the files that a model reads."""
    schema = model.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _exchanges(scenario: Scenario, layout: Layout | None) -> tuple[str, ...]:
    if layout is not None:
        return tuple(layout.exchanges)
    named = [name for moment in scenario.timeline for name in moment.exchanges]
    return tuple(dict.fromkeys(name for name in named if name != "all")) or ("all",)


def _without(failed: list[Path_], document: Document) -> Scenario | None:
    """The scenario without the entries that failed; None if too little is left."""
    values = document.plain()
    unread = [path[:2] for path in failed]
    for path in sorted(set(unread), key=lambda path: str(path[-1:])):
        section = values.get(str(path[0])) if path else None
        if len(path) == 2 and isinstance(section, dict):
            section.pop(str(path[1]), None)
        elif path and not isinstance(section, list):
            values.pop(str(path[0]), None)
    kept: dict[str, list[int]] = {}
    for key, section in values.items():
        if isinstance(section, list):
            kept[key] = [i for i in range(len(section)) if (key, i) not in unread]
            values[key] = [section[i] for i in kept[key]]
    values = {"title": "untitled", "clients": {}, "probes": {}} | values
    try:
        scenario = Scenario.model_validate(values)
    except ValidationError:
        return None
    scenario.attach(document, ())
    for key in ("sources", "timeline", "expect"):
        for index, item in zip(kept.get(key, ()), getattr(scenario, key), strict=False):
            item.attach(document, (key, index))
    return scenario
