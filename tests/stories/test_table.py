"""The table in the docs says what the scenario files say, and what their runs said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from filterlab.cli import app
from filterlab.report.expectations import expected
from filterlab.runner.catalogue import Kind, entries
from filterlab.scenario import content
from filterlab.stories import outcomes
from filterlab.stories.command import telling
from filterlab.stories.outcomes import Came, Outcome, outcome_of
from filterlab.stories.page import markdown

PAGE = Path(__file__).parents[2] / "docs" / "stories" / "table.md"
COUNTRIES = ("belarus", "kazakhstan", "russia")
TOLD = telling(PAGE.parent)
KNOWN = outcomes.read(PAGE.with_suffix(".json"))
# Without --no-run, of those that it names.
AGAIN = "./lab stories --no-run --page docs/stories/table.md"


def test_each_scenario_of_a_country_tells_a_story_with_a_page() -> None:
    here = {n for n in content.scenarios() if n.partition("/")[0] in COUNTRIES}
    assert set(TOLD) == here
    for name, told in TOLD.items():
        assert told.page is not None, f"no page in docs/stories runs {name}"


def test_the_list_of_scenarios_names_each_story() -> None:
    listed = {entry.name: entry.story for entry in entries(Kind.SCENARIOS)}
    for name, told in TOLD.items():
        assert told.story.title in listed[name]
        assert told.story.system in listed[name]


@pytest.mark.parametrize("name", TOLD)
def test_each_rule_that_decided_what_is_expected_is_expected(name: str) -> None:
    scenario = TOLD[name].scenario
    named = {one.rule for one in scenario.expect}
    for one in KNOWN[name].expectations if name in KNOWN else ():
        policy = scenario.policies.get(one.policy or "")
        # A table that is full decides as well, and is no rule.
        if policy is not None and one.rule in {rule.name for rule in policy.rules}:
            assert one.rule in named, one.text


def test_the_page_is_made_of_the_scenarios_and_of_what_is_kept_of_their_runs() -> None:
    assert PAGE.read_text() == markdown(list(TOLD.values()), KNOWN), AGAIN


RESULT = {
    "verdict": "not as expected",
    "collateral": {"lost": 1, "innocent": 3},
    "exposure": [],
    "probes": [
        {
            "name": "news",
            "phase": "read",
            "outcome": "tls",
            "failure": "connection_reset",
            "label": "reset after hello",
            "rule": 'scenarios/policies/kz-2019-mitm.yaml:22 "behind the device"',
        }
    ],
    "expectations": [
        {"text": "news comes to ok", "probe": "news", "phase": "read", "met": False}
    ],
}


def test_an_outcome_is_what_a_result_says_and_no_figure_that_the_next_has_not() -> None:
    outcome = outcome_of(RESULT, "2026-01-01")
    (came,) = outcome.expectations
    assert came.came == "tls (connection_reset)"
    assert (came.policy, came.rule) == ("kz-2019-mitm", "behind the device")
    assert (outcome.met, outcome.lost, outcome.innocent) == (0, 1, 3)
    assert Outcome.from_json(json.loads(json.dumps(outcome.as_json()))) == outcome


def test_what_was_not_met_and_what_was_not_run_stand_in_the_page() -> None:
    told = TOLD["kazakhstan/2024-timeouts"]
    came = tuple(
        Came(text, "news", "open", number > 0, "tls (eof_error)", None, None)
        for number, (text, _) in enumerate(expected(told.scenario))
    )
    count = len(came)
    outcome = Outcome("2026-01-01", "not as expected", 0, 2, came)
    page = markdown([told], {told.name: outcome})
    said = f"not as expected, {count - 1} of {count}; 0 of 2 innocent visits lost"
    assert f"{said} (2026-01-01)" in page
    assert "| **not met**: tls (eof_error) |" in page
    # An outcome of expectations that the scenario no longer has is none of it.
    for known in ({}, {told.name: replace(outcome, expectations=came[1:])}):
        page = markdown([told], known)
        assert "not run yet as it stands" in page
        assert "tls (eof_error)" not in page


def test_a_name_that_tells_no_story_is_bad_input() -> None:
    done = CliRunner().invoke(app, ["stories", "start/student"])
    assert "start/student" in str(done.exception)
    done = CliRunner().invoke(app, ["mutate", "kazakhstan/2011-cafe", "--rule", "none"])
    assert done.exit_code == 2
