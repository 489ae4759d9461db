"""What a box knew at a date: every recogniser, field and version has one."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from filterlab.inspection.catalogue import RECOGNISERS
from filterlab.inspection.fields import FIELDS
from filterlab.inspection.quic import VERSIONS
from filterlab.inspection.recogniser import Finding
from filterlab.inspection.signatures import (
    FIELDS_SINCE,
    MEASURES,
    SINCE,
    VALUES_SINCE,
    known_by,
)

DAY = timedelta(days=1)


def test_every_recogniser_has_a_date_or_only_measures() -> None:
    assert set(SINCE) | MEASURES == set(RECOGNISERS)
    assert not set(SINCE) & MEASURES


def test_dates_are_of_fields_and_versions_that_there_are() -> None:
    known = {field.key for field in FIELDS.values()}
    assert set(FIELDS_SINCE) | set(VALUES_SINCE) <= known
    named = {version.name for version in VERSIONS.values()}
    assert set(VALUES_SINCE["quic.version"]) == named
    for key, dates in VALUES_SINCE.items():
        choices = FIELDS[key].choices
        assert not choices or set(dates) <= set(choices)


@pytest.mark.parametrize("name", sorted(SINCE))
def test_a_recogniser_is_known_from_its_day_on(name: str) -> None:
    finding = Finding(name, {})
    assert known_by(name, finding, SINCE[name]) == finding
    assert known_by(name, finding, SINCE[name] - DAY) is None


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_a_measure_has_always_been_taken(name: str) -> None:
    finding = Finding("", {"flow.first_up": ("1",)})
    assert known_by(name, finding, date(1980, 1, 1)) == finding


@pytest.mark.parametrize(
    ("key", "value", "since"),
    [(key, v, at) for key, dates in VALUES_SINCE.items() for v, at in dates.items()],
)
def test_a_newer_version_passes(key: str, value: str, since: date) -> None:
    recogniser = str(FIELDS[key].recogniser)
    finding = Finding("p", {key: (value,)})
    assert known_by(recogniser, finding, since) == finding
    assert known_by(recogniser, finding, since - DAY) is None


def test_a_newer_field_is_not_there_yet() -> None:
    for key, since in FIELDS_SINCE.items():
        finding = Finding("p", {key: ("x",), "tls.sni": ("a.example",)})
        recogniser = str(FIELDS[key].recogniser)
        before = known_by(recogniser, finding, since - DAY)
        assert before is not None and dict(before.fields) == {"tls.sni": ("a.example",)}
        assert known_by(recogniser, finding, since) == finding


def test_tls_1_3_says_of_itself_that_it_is_1_2() -> None:
    finding = Finding("tls", {"tls.version": ("1.3",)})
    older = known_by("tls", finding, date(2018, 8, 9))
    assert older is not None and older.fields["tls.version"] == ("1.2",)
    assert known_by("tls", finding, date(2018, 8, 10)) == finding
