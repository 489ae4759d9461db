"""What a detector found: held against the truth, and shown."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from filterlab.attribution.detector import Hairpin
from filterlab.report.detection import (
    Detection,
    check_detections,
    detection_table,
    detector_expected,
)
from filterlab.runner.plan import facts
from filterlab.scenario.load import load_scenario
from filterlab.scenario.schema import Scenario

SCENARIO = (
    Path(__file__).parents[2] / "scenarios/russia/2026-handed-over-addresses.yaml"
)
TRUE = frozenset({"boris", "vera"})
EXITS = {"boris": "198.18.2.2", "vera": "198.18.3.2", "karina": "198.18.4.2"}
FOUND = {
    ("registry", "complete"): {"boris", "vera", "karina", "olga", "rita"},
    ("registry", "no pool"): {"boris", "vera", "karina", "olga", "rita", "lena"},
    ("registry", "as delivered"): {
        *("boris", "vera", "karina", "olga", "rita", "lena", "ulan"),
    },
    ("hairpin", ""): set(EXITS),
    ("two addresses", ""): {"rita"},
}


def detection(
    exits: dict[str, str] = EXITS, untold: str | None = None, **found: set[str]
) -> Detection:
    columns = {column: frozenset(names) for column, names in FOUND.items()}
    for test, names in found.items():
        columns[test.replace("_", " "), ""] = frozenset(names)
    accounts = {name: ("100.64.1.2",) for name in ("boris", "karina", "vera")}
    pairs = (Hairpin(who, exit, "100.64.4.2", 1.1) for who, exit in exits.items())
    return Detection("recorded", accounts, TRUE, columns, tuple(pairs), untold)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario(SCENARIO, facts())


def met(scenario: Scenario, *given: Detection) -> list[bool | None]:
    return [check.met for check in check_detections(scenario, given)]


def test_what_the_scenario_expects_is_what_would_be_found(scenario: Scenario) -> None:
    assert met(scenario, detection()) == [True] * 5
    texts = [(check.text, check.source) for check in check_detections(scenario, [])]
    assert texts == detector_expected(scenario)


def test_one_more_or_one_less_is_not_what_was_expected(scenario: Scenario) -> None:
    assert met(scenario, detection(hairpin={"boris", "vera"}))[3] is False
    assert met(scenario, detection(two_addresses=set()))[4] is False


def test_another_exit_is_not_what_was_expected(scenario: Scenario) -> None:
    [wrong] = [
        check
        for check in check_detections(
            scenario, [detection({**EXITS, "vera": "198.18.9.2"})]
        )
        if check.met is False
    ]
    assert "198.18.9.2" in wrong.why


def test_a_visit_that_the_lab_spoilt_leaves_all_untold(scenario: Scenario) -> None:
    told = check_detections(scenario, [detection(untold="at home: server down")])
    assert [check.met for check in told] == [None] * 5
    assert {check.why for check in told} == {"at home: server down"}
    assert met(scenario) == [None] * 5


def test_the_table_says_who_and_how_good() -> None:
    console = Console(width=120, file=io.StringIO())
    with console.capture() as shown:
        console.print(detection_table(detection()))
    lines = shown.get().splitlines()
    [row] = [line for line in lines if line.startswith("hairpin")]
    assert row.split() == ["hairpin", "boris,", "vera", "karina", "-", "0.67", "1.00"]


def test_the_file_holds_every_account_and_test() -> None:
    told = json.loads(json.dumps(detection().as_json()))
    boris = told["accounts"][0]
    assert (boris["account"], boris["uses_vpn"]) == ("boris", True)
    assert "hairpin" in boris["found_by"]
    hairpin = next(test for test in told["tests"] if test["test"] == "hairpin")
    assert (hairpin["right"], hairpin["wrong"], hairpin["missed"]) == (2, 1, 0)
    assert told["hairpins"][0]["exit"] == "198.18.2.2"
