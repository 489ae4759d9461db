"""One cell: which try stands for it, and how often it was reached."""

from __future__ import annotations

import pytest

from tests.report.evening import DOWN, OK, RESET, SLOW, UNKNOWN, attempt, cell


def test_the_commonest_outcome_stands_for_a_cell() -> None:
    mostly_reset = cell(OK, RESET, RESET)
    assert mostly_reset.outcome is RESET
    assert mostly_reset.typical.decided_by == 'a/by-2020.yaml:14 "list"'
    assert cell(OK).typical.decided_by is None


def test_k_of_n_has_an_interval() -> None:
    some = cell(*[OK] * 15, *[RESET] * 5)
    assert some.reached == 15
    low, high = some.interval
    assert low == pytest.approx(0.531, abs=0.001)  # Wilson's, by any calculator
    assert high == pytest.approx(0.888, abs=0.001)


@pytest.mark.parametrize("lab", [DOWN, UNKNOWN])
def test_one_try_that_tells_nothing_spoils_the_cell(lab: object) -> None:
    assert cell(OK, OK, lab).untellable  # type: ignore[arg-type]
    assert not cell(OK, RESET, SLOW).untellable


def test_a_rate_is_a_share_of_the_controls() -> None:
    tries = [attempt(SLOW, rate) for rate in (90.0, 110.0, 1000.0)]
    slow = cell(*tries, control=attempt(OK, 1100.0))
    assert slow.share_of_control == pytest.approx(0.1)
    assert cell(*tries).share_of_control is None
    assert cell(RESET, control=attempt(OK, 1100.0)).share_of_control is None


def test_every_try_is_an_entry_with_its_control() -> None:
    entries = cell(OK, RESET, through="openvpn-udp").as_json()
    assert [entry["outcome"] for entry in entries] == ["ok", "tls"]
    for entry in entries:
        assert entry["control"]["outcome"] == "ok"
        assert entry["through"] == "openvpn-udp"
    assert entries[1]["decisions"] == [0]
    assert entries[1]["failure"] == "connection_reset"
