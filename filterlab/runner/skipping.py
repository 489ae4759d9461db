"""Leaves out of a scenario what needs a tool that is not installed here.

The rest of the run goes on, and says what it did without: a missing program is
neither bad input nor censorship.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from filterlab.report.detection import detector_expected
from filterlab.report.expectations import sentence
from filterlab.report.skipped import Skipped
from filterlab.scenario.schema import Scenario
from filterlab.tools.tool import Tool


def not_installed(scenario: Scenario, tools: Mapping[str, Tool]) -> tuple[Skipped, ...]:
    """The probes through tools that lack a program, in the scenario's order."""
    named = [probe.through for probe in scenario.probes.values()]
    lacks = {name: tools[name].missing() for name in dict.fromkeys(named) if name}
    return tuple(
        Skipped(
            name,
            tool.name,
            f"the tool '{tool.name}' lacks {', '.join(lacks[tool.name])}",
            tool.command or "put it on the PATH",
            any(need.by_hand for need in tool.file.needs),
            tuple(_expected_of(scenario, name)),
        )
        for name, probe in scenario.probes.items()
        if probe.through and lacks[probe.through] and (tool := tools[probe.through])
    )


def _expected_of(scenario: Scenario, probe: str) -> Iterator[str]:
    for expectation in scenario.expect:
        if expectation.means([probe]):
            for phase in scenario.phases_of(expectation):
                yield sentence(expectation, phase.name)
    # Who was not there cannot be found.
    yield from (text for text, _ in detector_expected(scenario))


def without(scenario: Scenario, skipped: Sequence[Skipped]) -> Scenario:
    """The scenario without these probes and what it expects of them."""
    gone = {one.probe for one in skipped}
    probes = {n: probe for n, probe in scenario.probes.items() if n not in gone}
    expect = [one for one in scenario.expect if not one.means(gone)]
    update: dict[str, object] = {"probes": probes, "expect": expect}
    if skipped and scenario.detector is not None:
        update["detector"] = scenario.detector.model_copy(update={"expect": []})
    return scenario.model_copy(update=update)
