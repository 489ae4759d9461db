"""Everything that is shipped can be read, and says where it is known from."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from filterlab.inspection.fields import FIELDS
from filterlab.policy.force import in_force
from filterlab.probes.failure import FAILURES as PROBES_SAY
from filterlab.probes.outcome import BLOCKING_TYPES
from filterlab.scenario import content
from filterlab.scenario.load import json_schema, load_scenario
from filterlab.scenario.outcomes import BLOCKING, FAILURES, OUTCOMES, agree, reaches
from filterlab.scenario.policies import load_policy, load_policy_file

SCENARIOS = content.scenarios()
POLICIES = content.policies()


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_load(name: str) -> None:
    scenario = load_scenario(SCENARIOS[name])
    assert scenario.expect
    told = {name for one in scenario.expect for name in one.means(scenario.probes)}
    assert told == set(scenario.probes)


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_counts_its_collateral(name: str) -> None:
    probes = load_scenario(SCENARIOS[name]).probes.values()
    # The matrix has one page, and that is on everybody's list.
    assert name == "matrix" or any(probe.innocent for probe in probes)


@pytest.mark.parametrize("name", POLICIES)
def test_policies_load(name: str) -> None:
    policy, file = load_policy(POLICIES[name]), load_policy_file(POLICIES[name])
    assert policy.name == name
    if file.sure != "assumed" and policy.rules:
        assert all(source.url for source in file.sources)
        assert file.sources
    if file.sure == "partial":
        assert file.assumed


def test_the_default_scenario_is_there() -> None:
    assert {"belarus/2020-election-day", "first-steps"} <= set(SCENARIOS)
    election = load_scenario(SCENARIOS["belarus/2020-election-day"])
    names = [phase.name for phase in election.phases]
    assert names == ["open", "blocking", "throttling", "shutdown"]
    # Every probe is expected to come to something in every phase.
    for probe in election.probes:
        mine = [e for e in election.expect if e.probe == probe]
        told = {phase.name for e in mine for phase in election.phases_of(e)}
        assert told == set(names), probe


def test_policies_keep_to_what_was_published() -> None:
    """Qurium's report of 23 September 2020, as net4people/bbs 46 quotes it."""
    beltelecom = load_policy(POLICIES["by-2020-beltelecom"])
    redirect = next(r.then for r in beltelecom.rules if r.name == "http list")
    assert (redirect.window, redirect.ip_id) == (32678, 1)  # type: ignore[union-attr]
    business = load_policy(POLICIES["by-2020-business-network"])
    reset = next(r.then for r in business.rules if r.name == "tls list")
    assert (reset.window, reset.ip_id) == (502, 0)  # type: ignore[union-attr]
    # RFE/RL: from 8 in the morning of a Sunday until early on Wednesday, local time.
    cut = load_policy(POLICIES["by-2020-cut-beltelecom"])
    links = [rule for rule in cut.rules if rule.name.startswith("links cut")]
    began = datetime(2020, 8, 9, 5, tzinfo=UTC).timestamp()
    for hour in range(-24, 9 * 24):
        now = began + hour * 3600
        wanted = 0 <= hour < 72 or hour >= 168  # a schedule knows days of the week
        assert any(in_force(rule, now, 0) for rule in links) is wanted, hour


def test_names_are_invented() -> None:
    """RFC 2606, section 2: nobody owns a name below .example."""
    for path in SCENARIOS.values():
        services = load_scenario(path).services
        assert all(name.endswith(".example") for name in services)


def test_content_of_an_installed_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "lib" / "filterlab" / "scenario" / "content.py"
    monkeypatch.setattr(content, "__file__", str(package))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    assert content.root() == tmp_path / "share" / "filterlab"


def test_the_words_for_outcomes_are_those_of_the_probes() -> None:
    assert set(FAILURES) == PROBES_SAY
    assert {*BLOCKING, "throttled"} == set(BLOCKING_TYPES)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("ok", "ok", True),
        ("ok", "connection_reset", False),
        ("down", "blocked", False),
        ("tls", "connection_reset", True),
        ("tls", "dns", False),
        ("connection_reset", "generic_timeout_error", False),
        ("blocked", "dns", True),
        ("throttled", "dns", False),
        ("throttled", "generic_timeout_error", True),
    ],
)
def test_outcomes_that_go_together(one: str, other: str, together: bool) -> None:
    assert agree(one, other) is together
    assert agree(other, one) is together


def test_what_reaches() -> None:
    assert reaches("ok") is True
    assert reaches("throttled") is None
    assert {reaches(word) for word in OUTCOMES if word not in ("ok", "blocked")} == {
        None,
        False,
    }


def test_editors_get_a_schema_of_each_file() -> None:
    scenario, policy = json_schema("scenario"), json_schema("policy")
    json.dumps([scenario, policy])
    assert "from" in scenario["$defs"]["Probe"]["properties"]
    assert scenario["additionalProperties"] is False
    assert set(FIELDS) <= set(policy["$defs"]["Condition"]["properties"])
