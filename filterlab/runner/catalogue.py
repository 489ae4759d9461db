"""What the lab has, as its command line lists, checks and draws it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from filterlab.inspection.catalogue import RECOGNISERS
from filterlab.map.drawing import draw_terminal
from filterlab.map.share import MapReport
from filterlab.map.svg import draw_svg
from filterlab.policy.rules import Policy
from filterlab.report.detection import detector_expected
from filterlab.report.expectations import expected
from filterlab.runner.plan import facts, make_plan
from filterlab.runner.setting import mapped
from filterlab.runner.topologies import topology_facts
from filterlab.scenario import content, source
from filterlab.scenario.load import json_schema, load, load_scenario, model_schema
from filterlab.scenario.policies import load_policy
from filterlab.scenario.problem import BadInput
from filterlab.scenario.schema import Scenario
from filterlab.scenario.strategies import StrategyFile, load_strategy
from filterlab.strategies.named import doubtful
from filterlab.tools.schema import ToolFile
from filterlab.tools.shelf import Shelf
from filterlab.tools.tool import Tool, load_tool


class Kind(StrEnum):
    """What can be listed."""

    SCENARIOS = "scenarios"
    POLICIES = "policies"
    TOPOLOGIES = "topologies"
    TOOLS = "tools"
    STRATEGIES = "strategies"
    RECOGNISERS = "recognisers"


class Schema(StrEnum):
    """What has a JSON Schema."""

    SCENARIO = "scenario"
    POLICY = "policy"
    TOOL = "tool"
    STRATEGY = "strategy"


def schema(of: Schema) -> dict[str, Any]:
    """The JSON Schema of one kind of file."""
    if of is Schema.TOOL:
        return model_schema(ToolFile)
    if of is Schema.STRATEGY:
        return model_schema(StrategyFile)
    return json_schema("policy" if of is Schema.POLICY else "scenario")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing the lab has."""

    name: str
    title: str
    file: str
    lacks: str = ""  # what of it is not installed
    install: str = ""  # and the command that installs it
    story: str = ""  # which story a scenario belongs to, and which system of it

    def as_json(self) -> dict[str, str]:
        """The entry as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A scenario's map."""

    report: MapReport
    title: str

    def text(self) -> str:
        """For a terminal."""
        return draw_terminal(self.report)

    def svg(self) -> str:
        """For a page."""
        return draw_svg(self.report, self.title)


def entries(kind: Kind) -> list[Entry]:
    """Everything of one kind, by name."""
    match kind:
        case Kind.SCENARIOS:
            return [_scenario(*found) for found in content.scenarios().items()]
        case Kind.POLICIES:
            return [
                _entry(name, path, lambda p: load_policy(p).title)
                for name, path in content.policies().items()
            ]
        case Kind.TOOLS:
            return [_tool(name, path) for name, path in content.tools().items()]
        case Kind.STRATEGIES:
            return [
                _entry(name, path, lambda p: load_strategy(p).title)
                for name, path in content.strategies().items()
            ]
        case Kind.TOPOLOGIES:
            return [
                Entry(name, _first_line(path), str(path))
                for name, path in content.topologies().items()
                if name in topology_facts()
            ]
        case Kind.RECOGNISERS:
            return [
                Entry(name, (kind.__doc__ or "").partition("\n")[0], "")
                for name, kind in RECOGNISERS.items()
            ]


def _scenario(name: str, path: Path) -> Entry:
    try:
        scenario = load_scenario(path, facts())
    except BadInput as bad:
        return _unreadable(name, path, bad)
    story = scenario.story.text if scenario.story is not None else ""
    return Entry(name, scenario.title, str(path), story=story)


def _entry(name: str, path: Path, title_of: Any) -> Entry:
    try:
        return Entry(name, title_of(path), str(path))
    except BadInput as bad:
        return _unreadable(name, path, bad)


def _unreadable(name: str, path: Path, bad: BadInput) -> Entry:
    return Entry(name, f"cannot be read: {bad.problems[0].message}", str(path))


def _tool(name: str, path: Path) -> Entry:
    entry = _entry(name, path, lambda p: Shelf()[p.stem].title)
    try:
        tool = Shelf()[name]
    except BadInput:
        return entry  # its title says that it cannot be read
    if not (lacks := tool.missing()):
        return entry
    return replace(entry, lacks=", ".join(lacks), install=tool.command)


def _first_line(path: Path) -> str:
    return path.read_text().partition("\n")[0].strip('" .') + "."


def examine(path: Path) -> dict[str, Any]:
    """What a sound file holds; raises BadInput with all that is wrong with it.

    What kind of file it is, its keys tell.
    """
    keys = set(source.read(path).root.values)
    if "topology" not in keys and keys & {"parts", "enters"}:
        return _examined_tool(load_tool(path, content.shown(path)))
    if "topology" not in keys and keys & {"dna", "builtin"}:
        strategy = load_strategy(path)
        summary = f"a sound strategy at the {strategy.side}"
        notes = doubtful(strategy.text)
        told = {"kind": "strategy", "title": strategy.title, "summary": summary}
        return {**told, "notes": notes}
    return _examined(path)


def _examined_tool(tool: Tool) -> dict[str, Any]:
    programs = _counted(len(tool.file.parts), "program")
    summary = f"a sound tool of {programs}, entered by {tool.enters.kind}"
    lacks = ", ".join(tool.missing())
    mend = tool.command or "put it on the PATH"
    notes = [f"not installed here: {lacks}; {mend}"] if lacks else []
    told = {"kind": "tool", "title": tool.title, "summary": summary}
    return {**told, "notes": notes}


def _examined(path: Path) -> dict[str, Any]:
    found = load(path, facts())
    if isinstance(found, Policy):
        summary = f"a sound policy of {_counted(len(found.rules), 'rule')}"
        return {"kind": "policy", "title": found.title, "summary": summary}
    scenario, skipped = found, make_plan(path).skipped
    checks = [*expected(scenario), *detector_expected(scenario)]
    return {
        "kind": "scenario",
        "title": scenario.title,
        "summary": f"a sound scenario of {_counted(len(scenario.probes), 'probe')} in"
        f" {_counted(len(scenario.phases), 'phase')},"
        f" {_counted(len(checks), 'expectation')}",
        "phases": [phase.name for phase in scenario.phases],
        "expectations": [{"text": text, "source": source} for text, source in checks],
        "skipped": [one.as_json() for one in skipped],
        "notes": list(_doubts(scenario)),
    }


def _doubts(scenario: Scenario) -> Iterator[str]:
    """What strategies are written to do and do not."""
    for probe, applied in scenario.strategies.items():
        for text in filter(None, (applied.client, applied.server)):
            for doubt in doubtful(text):
                yield f"the strategy of '{probe}': {doubt}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def drawn(path: Path) -> Drawn:
    """A scenario's map; raises BadInput."""
    plan = make_plan(path)
    return Drawn(mapped(plan), plan.scenario.title)
