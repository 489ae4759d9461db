"""Which rules a scenario rests on, and the scenario in which one of them is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from filterlab.policy.rules import Allow
from filterlab.runner.plan import Plan, facts, make_plan
from filterlab.scenario import content
from filterlab.scenario.load import load_scenario
from filterlab.scenario.problem import BadInput
from filterlab.stories.deciding import Deciding, deciding
from filterlab.stories.mutating import whose_turn
from filterlab.stories.without import write_without


def plan_of(name: str) -> Plan:
    return make_plan(content.scenarios()[name])


def one_of(plan: Plan, policy: str, rule: str) -> Deciding:
    (one,) = (d for d in deciding(plan) if (d.policy, d.rule) == (policy, rule))
    return one


def test_a_rule_decides_where_an_expectation_names_it_and_its_probe_passes() -> None:
    found = deciding(plan_of("belarus/2020-election-day"))
    rules = {(one.policy, one.rule): one for one in found}
    assert ("by-2020-beltelecom", "http list") in rules
    # The other gateway's policy has the same name, and no such probe passes there.
    assert ("by-2020-ntec", "http list") not in rules
    assert rules["by-2020-ntec", "tls list"].last.name == "blocking"


def test_rules_that_let_pass_and_that_record_decide_as_well() -> None:
    cafe = {one.rule for one in deciding(plan_of("kazakhstan/2011-cafe"))}
    assert {"let in", "identified", "say who you are"} <= cafe
    log = {one.rule for one in deciding(plan_of("belarus/2016-click-log"))}
    assert "name in the hello" in log


def test_a_shortened_scenario_has_the_phase_and_the_probes_of_its_rule(
    tmp_path: Path,
) -> None:
    plan = plan_of("russia/2026-payment-outage")
    one = one_of(plan, "ru-2026-bank-vpn", "vpn protocols")
    written = json.loads(write_without(plan, one, tmp_path).read_text())
    # A session spans phases, so all that came before is needed, and nothing later.
    assert written["timeline"][-1]["phase"] == "protocol"
    assert list(written["probes"]) == list(plan.scenario.probes)
    (expected,) = written["expect"]
    assert expected["during"] == ["protocol"]

    plan = plan_of("kazakhstan/2024-timeouts")
    one = one_of(plan, "kz-2024-tls-timeout", "tls list")
    written = json.loads(write_without(plan, one, tmp_path / "short").read_text())
    assert [moment["at"] for moment in written["timeline"]] == ["0s"]
    assert list(written["probes"]) == ["news"]


@pytest.mark.parametrize("name", content.scenarios())
def test_every_rule_can_be_neutralised(name: str, tmp_path: Path) -> None:
    plan = plan_of(name)
    for number, one in enumerate(deciding(plan)):
        path = write_without(plan, one, tmp_path / str(number))
        changed = load_scenario(path, facts())
        before = plan.scenario.policies[one.policy].rules
        after = changed.policies[one.policy].rules
        left = [rule for rule in after if rule.name == one.rule]
        assert all(isinstance(rule.then, Allow) for rule in left)
        gone = [r.name for r in before if r.name not in {a.name for a in after}]
        assert gone in ([], [one.rule])
        assert changed.expect


def test_in_time_it_is_every_rules_turn() -> None:
    plan = plan_of("kazakhstan/2011-cafe")
    drawn = [whose_turn(plan, str(seed)) for seed in range(100)]
    assert {one.text for one in drawn if one} == {one.text for one in deciding(plan)}
    assert whose_turn(plan, "a") == whose_turn(plan, "a")


def test_a_story_whose_policies_have_no_rules_rests_on_what_they_record(
    tmp_path: Path,
) -> None:
    name = "russia/2026-handed-over-evasions"
    assert not deciding(plan_of(name))
    file = content.scenarios()[name]
    (tmp_path / "lists").symlink_to(file.parent / "lists")
    without = tmp_path / file.name
    text = file.read_text()
    assert "policy: ru-2026-border-records" in text
    without.write_text(text.replace("policy: ru-2026-border-records", "policy: open"))
    with pytest.raises(BadInput, match="no records to read"):
        make_plan(without)
