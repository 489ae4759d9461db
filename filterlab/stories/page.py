"""The table of stories as a page: story, system, scenario, what was asserted, outcome.

Story, system and assertions come from the scenario files, outcomes from runs of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from filterlab.report.detection import detector_expected
from filterlab.report.expectations import expected, sentence
from filterlab.scenario.problem import listed
from filterlab.scenario.schema import Scenario
from filterlab.scenario.storyfile import Story
from filterlab.stories.outcomes import Came, Outcome

MADE = "<!-- Made by `./lab stories --page docs/stories/table.md`. -->"
_OPENING = """\
# All stories, and what came of them

Every story's scenario, run one after the other: what is asserted stands in the
scenario, the outcome is that of the run. `./lab stories` runs them all, `./lab stories
NAME` one, and `--page docs/stories/table.md` writes this page anew. `./lab mutate NAME`
takes the rules out that a scenario rests on, one at a time, and sees it fail.
"""
_HEAD = ("story", "system", "scenario", "what was asserted", "outcome")
_SECTION_HEAD = ("probe", "during", "asserted", "came to")
_NOT_YET = "not run yet as it stands"


@dataclass(frozen=True, slots=True)
class Told:
    """A scenario that tells a story, by its name below scenarios/."""

    name: str
    scenario: Scenario
    page: str | None = None  # the story's own page, beside the table

    @property
    def story(self) -> Story:
        """The story; whoever makes one of these has seen that there is one."""
        assert self.scenario.story is not None
        return self.scenario.story


def markdown(stories: list[Told], outcomes: Mapping[str, Outcome]) -> str:
    """The whole page; stories in the order of their titles, then of their names."""
    ordered = sorted(stories, key=lambda told: (told.story.title, told.name))
    outcomes = {
        told.name: outcome
        for told in stories
        if (outcome := outcomes.get(told.name)) is not None and _of(told, outcome)
    }
    rows = [
        (
            told.story.title,
            told.story.system,
            f"[`{told.name}`]({told.page})" if told.page else f"`{told.name}`",
            asserted(told.scenario),
            _outcome(outcomes.get(told.name)),
        )
        for told in ordered
    ]
    parts = [MADE, _OPENING.strip(), _table(_HEAD, rows)]
    for told in ordered:
        parts += [f"## {told.scenario.title}", f"`./lab run {told.name}`"]
        rows_of = _rows(told.scenario, outcomes.get(told.name))
        parts.append(_table(_SECTION_HEAD, rows_of))
    return "\n\n".join(parts) + "\n"


def _of(told: Told, outcome: Outcome) -> bool:
    """Whether an outcome is of the scenario as it stands now."""
    ran = [one.text for one in outcome.expectations]
    now = [*expected(told.scenario), *detector_expected(told.scenario)]
    return ran == [text for text, _ in now]


def asserted(scenario: Scenario) -> str:
    """What a scenario asserts, in a line."""
    checks = len(expected(scenario)) + len(detector_expected(scenario))
    rules = dict.fromkeys(one.rule for one in scenario.expect if one.rule is not None)
    counted = (
        f"{_counted(checks, 'outcome')} of {_counted(len(scenario.probes), 'probe')}"
        f" in {_counted(len(scenario.phases), 'phase')}"
    )
    if rules:
        names = listed([f"`{rule}`" for rule in rules], "and")
        counted += f", by the {'rule' if len(rules) == 1 else 'rules'} {names}"
    if any(one.exposes is not None for one in scenario.expect):
        counted += ", and what a log holds of each"
    return counted


def _outcome(outcome: Outcome | None) -> str:
    if outcome is None:
        return _NOT_YET
    text = f"{outcome.verdict}, {outcome.met} of {len(outcome.expectations)}"
    collateral = f"{outcome.lost} of {outcome.innocent} innocent visits lost"
    return f"{text}; {collateral} ({outcome.made})"


def _rows(scenario: Scenario, outcome: Outcome | None) -> list[tuple[str, ...]]:
    """One row an expectation; its phases share one where they came to the same."""
    found: dict[str, Came] = {}
    if outcome is not None:
        found = {one.text: one for one in outcome.expectations}
    rows: list[tuple[str, ...]] = []
    for expectation in scenario.expect:
        came: dict[str, list[str]] = {}
        for phase in scenario.phases_of(expectation):
            one = found.get(sentence(expectation, phase.name))
            came.setdefault(_came(one), []).append(phase.name)
        for words, phases in came.items():
            wish = f"{expectation.wish}{expectation.often}"
            rows.append((expectation.probe, listed(phases, "and"), wish, words))
    # What detectors find is about no probe alone, and its text says when.
    for text, _ in detector_expected(scenario):
        one = found.get(text)
        met = "met" if one is not None and one.met else _came(one)
        rows.append(("", "", text, met))
    return rows


def _came(one: Came | None) -> str:
    if one is None:
        return _NOT_YET
    mark = {True: "", False: "**not met**: ", None: "**could not tell**: "}[one.met]
    by = f", by `{one.rule}`" if one.rule is not None else ""
    return f"{mark}{one.came}{by}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )
