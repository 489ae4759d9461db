"""What a sound scenario is read into."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.scenario.facts import Facts
from filterlab.scenario.load import load, load_scenario
from filterlab.scenario.problem import BadInput
from filterlab.scenario.schema import Scenario

GOOD = Path(__file__).parent / "good"


@pytest.fixture
def scenario(world: Path, facts: Facts) -> Scenario:
    return load_scenario(GOOD / "everything.yaml", facts)


def test_texts_become_values(scenario: Scenario) -> None:
    assert (scenario.title, scenario.clock, scenario.seed) == ("Everything", 60.0, 7)
    assert scenario.controller == "os_ken.app.simple_switch_13"
    assert [source.title for source in scenario.sources] == ["A report", "A page"]
    assert scenario.topology.parameters == {"isps": 2, "sizes": "6.0,3.0"}
    assert [m.at_seconds for m in scenario.timeline] == [0, 0.5, 120, 3600]
    assert scenario.services["load.example"].size_bytes == 500_000
    assert scenario.services["load.example"].speaks == ("bulk",)


def test_names_of_services_are_host_names(scenario: Scenario) -> None:
    assert "news.example" in scenario.services
    news = scenario.services["news.example"]
    assert news.endpoints("http") == (("tcp", 8080),)
    assert news.endpoints("h3") == (("udp", 443),)


def test_clients_stand_somewhere(scenario: Scenario) -> None:
    assert scenario.clients["minsk"].place_name == "isp1"
    assert scenario.clients["kiosk"].place_name == "home"


def test_probes_say_what_they_try(scenario: Scenario) -> None:
    page, port, name, load = scenario.probes.values()
    assert (page.kind, page.host, page.http) == ("fetch", "news.example", "3")
    assert (page.from_, page.repeat, page.innocent) == ("minsk", 20, False)
    assert (port.kind, port.target) == ("connect", "mail.example:443")
    assert (port.host, port.through, port.innocent) == (
        "mail.example",
        "wireguard",
        True,
    )
    assert (name.kind, name.target) == ("resolve", "other.example")
    assert (load.kind, load.target) == ("throughput", "load.example")


def test_moments_become_phases(scenario: Scenario) -> None:
    both = {"beltelecom": "list", "ntec": "list"}
    neither = {"beltelecom": "open", "ntec": "open"}
    assert [(p.name, p.at_seconds, dict(p.policies)) for p in scenario.phases] == [
        ("open", 0, neither),
        ("list", 0.5, {"beltelecom": "open", "ntec": "list"}),
        ("list 2", 120, both),
        ("calm", 3600, neither),
    ]


def test_during_means_names_and_policies_in_force(scenario: Scenario) -> None:
    first, second, third = scenario.expect
    assert [p.name for p in scenario.phases_of(first)] == ["list", "list 2", "calm"]
    assert [p.name for p in scenario.phases_of(second)] == ["open", "list", "calm"]
    assert scenario.phases_of(third) == scenario.phases


def test_expectations_are_sentences(scenario: Scenario) -> None:
    first, second, third = (expectation.text for expectation in scenario.expect)
    assert first == (
        "page comes to tls and meets the rule list during list and calm"
        " in 90% of the tries or more"
    )
    assert second == (
        "page does not get through during open in 20% to 35% of the tries"
    )
    assert third == (
        "load has more than 150 kbit/s, has less than 2,000 kbit/s"
        " and is 1.5 times slower than its control during every phase"
    )


def test_everything_knows_its_line(scenario: Scenario) -> None:
    text = (GOOD / "everything.yaml").read_text().splitlines()
    assert text[scenario.expect[1].where.line - 1].startswith(
        "  - {probe: page, during: o"
    )
    assert text[scenario.probes["port"].where.line - 1].startswith("  port:")
    assert text[scenario.services["mail.example"].where.line - 1].startswith("  mail.")
    assert scenario.timeline[2].where.file.endswith("everything.yaml")


def test_policies_come_with_the_scenario(scenario: Scenario) -> None:
    assert set(scenario.policies) == {"open", "list"}
    assert scenario.policies["list"].rules[0].name == "list"


def test_others_may_complain_of_an_item(scenario: Scenario) -> None:
    message = "no probe crosses the exchange 'ntec'"
    moment = scenario.timeline[1]
    text = BadInput([scenario.problem_at(moment, message, "exchange")]).render()
    assert f"everything.yaml:{moment.where.line}:27: error: {message}" in text
    assert "exchange: ntec, policy: list" in text


def test_a_policy_may_lie_beside_its_scenario(tmp_path: Path, facts: Facts) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "mine.yaml").write_text("title: Mine\nrules: []\n")
    (tmp_path / "yours.yaml").write_text("title: Yours\nrules: []\n")
    (tmp_path / "scenario.yaml").write_text(
        "title: Own policies\ntopology: {use: single}\n"
        "services: {a.example: {at: outside, speaks: http}}\n"
        "clients: {me: {at: inside}}\n"
        "timeline: [{at: 0s, policy: mine}, {at: 1s, policy: yours}]\n"
        "probes: {visit: {from: me, fetch: http://a.example/}}\n"
    )
    scenario = load_scenario(tmp_path / "scenario.yaml", facts)
    assert [policy.title for policy in scenario.policies.values()] == ["Mine", "Yours"]


def test_a_policy_is_told_from_a_scenario(world: Path) -> None:
    assert not isinstance(load(world / "scenarios/policies/list.yaml"), Scenario)


def test_no_facts_no_complaints(world: Path) -> None:
    """An editor's check, say: nobody knows the topologies there."""
    bad = GOOD.parent / "bad" / "unknown_place.yaml"
    assert load_scenario(bad).title == "A bad scenario"
