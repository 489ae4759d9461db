"""Each wish of an expectation, met, not met, and not to be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from filterlab.probes.outcome import Outcome
from filterlab.probes.result import ProbeResult
from filterlab.report.cell import Cell
from filterlab.report.expectations import check_all, expected, sentence
from filterlab.report.exposure import Exposure
from filterlab.scenario.schema import Expectation, Scenario
from filterlab.scenario.timeline import Phase
from tests.report.evening import DOWN, OK, RESET, SLOW, UNKNOWN, attempt, cell


class Evening(Scenario):
    """A scenario of the phases that a test names."""

    def phases_of(self, expectation: Expectation) -> tuple[Phase, ...]:
        """Those in `during`, or the only one."""
        names = expectation.during or ("open",)
        return tuple(Phase(name, 0.0, {}, True) for name in names)


def scenario(**wish: Any) -> Scenario:
    values = {
        "title": "t",
        "topology": {"use": "single"},
        "clients": {"minsk": {"at": "inside"}},
        "probes": {"news": {"from": "minsk", "fetch": "https://news.example/"}},
        "expect": [{"probe": "news", **wish}],
    }
    return Evening.model_validate(values)


def judged(found: Cell | None, **wish: Any) -> tuple[bool | None, str]:
    (check,) = check_all(scenario(**wish), [found] if found is not None else [])
    return check.met, check.why


PEOPLE = {"minsk": 6_000_000, "brest": 3_000_000, "grodno": 1_000_000}


@pytest.mark.parametrize(
    ("through", "bounds", "met", "why"),
    [
        ("grodno", ["0.05", "0.15"], True, "1,000,000 of 10,000,000 subscribers"),
        ("brest", ["0.05", "0.15"], False, "expected a share from 0.05 to 0.15: 3,000"),
        ("minsk", ["0.6", "0.6"], True, "(60.0%)"),
        ("nobody", ["0.1", "1"], False, "0 of 10,000,000"),
    ],
)
def test_a_share_of_all_subscribers(
    through: str, bounds: list[str], met: bool, why: str
) -> None:
    wish = {"probe": "abroad from *", "subscribers": bounds}
    cells = [
        cell(OK if name == through else RESET, probe=f"abroad from {name}", **people)
        for name, people in ((n, {"subscribers": p}) for n, p in PEOPLE.items())
    ]
    # Another probe is not counted.
    cells.append(cell(OK, probe="news", subscribers=90_000_000))
    (check,) = check_all(scenario(**wish), cells)
    assert check.met is met and why in check.why
    half = [cell(OK, RESET, probe="abroad from minsk", subscribers=10)]
    (check,) = check_all(scenario(**{**wish, "subscribers": ["0.5", "0.5"]}), half)
    assert check.met is True
    broken = [*cells, cell(UNKNOWN, probe="abroad from pinsk")]
    assert check_all(scenario(**wish), broken)[0].met is None
    assert check_all(scenario(**wish), [])[0].met is None


RATE = cell(attempt(SLOW, 100.0), control=attempt(OK, 1000.0))
FIFTEEN = cell(*[OK] * 15, *[RESET] * 5)
MET: list[tuple[dict[str, Any], Cell]] = [
    ({"outcome": "ok"}, cell(OK)),
    ({"outcome": "tls"}, cell(RESET)),
    ({"outcome": "blocked"}, cell(RESET)),
    ({"outcome": "connection_reset", "rule": "list"}, cell(RESET, RESET)),
    ({"reaches": "yes"}, cell(OK, SLOW)),
    ({"reaches": "no"}, cell(RESET)),
    ({"outcome": "throttled", "slower_than_control": "10"}, RATE),
    ({"kbit_s": {"below": "101", "above": "99"}}, RATE),
    ({"reaches": "yes", "at_least": "0.75"}, FIFTEEN),
    ({"reaches": "no", "between": ["0.2", "0.3"]}, FIFTEEN),
    ({"outcome": "connection_reset", "between": ["0.25", "0.25"]}, FIFTEEN),
]
UNMET: list[tuple[dict[str, Any], Cell, str]] = [
    ({"outcome": "tls"}, cell(OK), "expected tls, got ok: as in its control"),
    ({"outcome": "ok"}, cell(RESET), "expected ok, got connection_reset: tls failed"),
    ({"outcome": "connection_reset"}, cell(RESET, RESET, OK), "expected connection"),
    ({"reaches": "yes"}, cell(RESET), "expected reached, got reset after hello"),
    ({"reaches": "no"}, cell(OK), "expected not reached, got ok"),
    ({"reaches": "yes"}, cell(OK, OK, RESET), "expected reached"),
    ({"outcome": "tls", "rule": "other"}, cell(RESET), 'expected the rule "other"'),
    ({"rule": "list"}, cell(OK), 'expected the rule "list" to decide, got none'),
    ({"slower_than_control": "11"}, RATE, "expected 11 times slower"),
    ({"slower_than_control": "2"}, cell(OK), "no throughput was measured"),
    ({"kbit_s": {"below": "100"}}, RATE, "expected less than 100 kbit/s, got 100"),
    ({"kbit_s": {"above": "100"}}, RATE, "expected more than 100 kbit/s, got 100"),
    ({"kbit_s": {"above": "1"}}, cell(RESET), "expected a rate, got reset after hello"),
    ({"reaches": "yes", "at_least": "0.8"}, FIFTEEN, "got 15 of 20 (reached in 53%"),
    ({"outcome": "tls", "between": ["0.3", "0.4"]}, FIFTEEN, "got 5 of 20"),
]


@pytest.mark.parametrize(("wish", "found"), MET)
def test_met(wish: dict[str, Any], found: Cell) -> None:
    assert judged(found, **wish)[0] is True


@pytest.mark.parametrize(("wish", "found", "why"), UNMET)
def test_not_met_says_why(wish: dict[str, Any], found: Cell, why: str) -> None:
    met, said = judged(found, **wish)
    assert met is False
    assert why in said


@pytest.mark.parametrize("lab", [DOWN, UNKNOWN])
@pytest.mark.parametrize("wish", [{"outcome": "ok"}, {"reaches": "no"}])
def test_what_the_lab_spoilt_cannot_be_told(lab: Outcome, wish: dict[str, Any]) -> None:
    assert judged(cell(OK, lab), **wish) == (None, lab.why)


def test_a_probe_that_was_not_run_cannot_be_told() -> None:
    met, why = judged(None, outcome="ok")
    assert met is None
    assert "the lab failed before" in why


def test_an_expectation_is_one_check_for_each_of_its_phases() -> None:
    both = scenario(during=["open", "shut"], outcome="ok")
    texts = [text for text, _ in expected(both)]
    assert texts == [
        "news comes to ok during open",
        "news comes to ok during shut",
    ]
    checks = check_all(both, [cell(OK), cell(RESET, phase="shut")])
    assert [check.met for check in checks] == [True, False]
    assert [check.text for check in checks] == texts
    assert sentence(both.expect[0], "shut") == texts[1]
    assert set(checks[0].as_json()) == {
        *("text", "source", "probe", "phase", "met", "why")
    }


def test_what_a_log_holds_is_held_against_what_was_expected() -> None:
    row = Exposure("news", "open", "cover", ("cover.example",), (), "tls", 1, 2)
    seen = replace(cell(OK), exposure=row)
    for wish, met in (("cover", True), ("site", False)):
        (check,) = check_all(scenario(exposes=wish), [seen])
        assert check.met is met
    assert "expected the site's name in a log, got a cover name (cover.example)" in (
        check.why
    )
    (check,) = check_all(scenario(exposes="cover"), [cell(OK)])
    assert check.met is False
    assert "no capture could tell" in check.why


PAGE = ProbeResult(status=200, title="Install it", body_bytes=300)
LED = ProbeResult(status=302, location="http://certificate.example/")


@pytest.mark.parametrize(
    ("wish", "came", "why"),
    [
        ({"title": "Install it"}, PAGE, ""),
        ({"leads_to": "http://certificate.example/"}, LED, ""),
        ({"title": "News"}, PAGE, 'expected the page "News", got "Install it"'),
        ({"title": "News"}, LED, 'expected the page "News", got none'),
        (
            {"title": "News"},
            ProbeResult(status=200, body_bytes=9),
            'expected the page "News", got one without a title',
        ),
        (
            {"leads_to": "http://certificate.example/"},
            PAGE,
            "expected to be led to http://certificate.example/, got nowhere",
        ),
    ],
)
def test_the_page_that_comes(wish: dict[str, str], came: ProbeResult, why: str) -> None:
    found = cell(replace(attempt(OK), result=came))
    assert judged(found, page=wish) == (not why, why or OK.why)
