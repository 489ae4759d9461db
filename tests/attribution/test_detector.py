"""The three tests for a VPN, each on what it reads and on what it must not see."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterlab.attribution.detector import (
    HAIRPIN,
    REGISTRY,
    TESTS,
    TOGETHER,
    TWO_ADDRESSES,
    Crossing,
    Terms,
    Visit,
    detect,
    hairpins,
    in_two_places,
    strangers,
)
from filterlab.attribution.registry import Registry

SERVICE = "203.0.113.2"
EXIT, RELAY = "198.18.7.2", "198.18.8.2"
TERMS = Terms(2.0, (0.9, 1.5), 60.0)
HANDED_OVER = Registry([ip_network("100.64.0.0/16")])

VISIT = Visit("boris", EXIT, 40_000, 10.0)
BACK = Crossing(SERVICE, EXIT, 40_000, 10.0, 11.0, 70_000)
OUT = Crossing("100.64.2.2", EXIT, 51820, 9.0, 12.0, 80_000)


def found(*crossings: Crossing, terms: Terms = TERMS) -> list[str]:
    pairs = hairpins([VISIT], crossings, [SERVICE], terms)
    return [one.subscriber for one in pairs]


def test_a_visit_from_an_address_that_nobody_handed_over_is_strange() -> None:
    at_home = Visit("anna", "100.64.1.2", 1, 0.0)
    assert strangers([at_home, VISIT], HANDED_OVER) == {"boris"}


def test_a_tunnel_and_its_exit_are_a_hairpin() -> None:
    [hairpin] = hairpins([VISIT], [BACK, OUT], [SERVICE], TERMS)
    assert (hairpin.account, hairpin.exit) == ("boris", EXIT)
    assert hairpin.subscriber == "100.64.2.2"
    assert hairpin.volume == pytest.approx(80 / 70)


@pytest.mark.parametrize(
    ("what", "out"),
    [
        ("another address", replace(OUT, outside=RELAY)),
        ("padding", replace(OUT, bytes=400_000)),
        ("less than the visit", replace(OUT, bytes=60_000)),
        ("over before it began", replace(OUT, start_seconds=0.0, end_seconds=7.0)),
        (
            "not begun when the visit was",
            replace(OUT, start_seconds=14.0, end_seconds=20.0),
        ),
    ],
)
def test_what_does_not_fit_is_none(what: str, out: Crossing) -> None:
    assert not found(BACK, out), what


def test_any_address_finds_an_exit_that_is_not_the_entry() -> None:
    elsewhere = replace(OUT, outside=RELAY)
    assert found(BACK, elsewhere, terms=replace(TERMS, same_address=False))


def test_another_connection_of_the_exit_proves_nothing() -> None:
    assert not found(replace(BACK, outside_port=40_001), OUT)


def test_one_account_in_two_places() -> None:
    home = Visit("rita", "100.64.1.2", 5, 0.0)
    abroad = Visit("rita", "198.18.9.2", 6, 60.0)
    other = Visit("anna", "100.64.1.3", 7, 0.0)
    assert in_two_places([home, other, abroad], 60.0) == {"rita"}
    assert in_two_places([home, other, abroad], 59.0) == set()


ADDRESS = st.sampled_from(["100.64.1.2", "100.65.1.2", EXIT, RELAY, "2001:db8::1"])
VISITS = st.lists(
    st.builds(
        Visit,
        st.sampled_from(["anna", "boris", "vera"]),
        ADDRESS,
        st.integers(1, 3),
        st.floats(0, 100),
    ),
    max_size=8,
)
CROSSINGS = st.lists(
    st.builds(
        Crossing,
        st.sampled_from([SERVICE, "100.64.1.2", "100.65.1.2"]),
        ADDRESS,
        st.integers(1, 3),
        st.floats(0, 50),
        st.floats(50, 100),
        st.integers(0, 1000),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(VISITS, CROSSINGS)
def test_together_is_whoever_any_test_finds(
    visits: list[Visit], crossings: list[Crossing]
) -> None:
    lists = {"all": HANDED_OVER, "none": Registry([])}
    told = detect(visits, crossings, [SERVICE], lists, TERMS)
    assert list(dict.fromkeys(test for test, _ in told)) == list(TESTS)
    for name in lists:
        either = told[REGISTRY, name] | told[HAIRPIN, ""] | told[TWO_ADDRESSES, ""]
        assert told[TOGETHER, name] == either
    # With nothing handed over, everybody is a stranger; a list only clears.
    assert told[REGISTRY, "none"] == {one.account for one in visits}
    assert told[REGISTRY, "all"] <= told[REGISTRY, "none"]


@settings(max_examples=60, deadline=None)
@given(VISITS, CROSSINGS, st.floats(0, 100), st.floats(0, 100))
def test_looser_terms_lose_nobody(
    visits: list[Visit], crossings: list[Crossing], one: float, other: float
) -> None:
    tight, loose = sorted((one, other))
    found = [
        {hairpin.account for hairpin in hairpins(visits, crossings, [SERVICE], terms)}
        for terms in (
            Terms(tight, (1.0, 1.0 + tight), 0.0),
            Terms(loose, (1.0, 1.0 + loose), 0.0),
            Terms(loose, (1.0, 1.0 + loose), 0.0, same_address=False),
        )
    ]
    assert found[0] <= found[1] <= found[2]
