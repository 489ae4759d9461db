"""Shares, directions and choke points against values worked out by hand.

All pairs of three clients (6, 3 and 1 million) and two services weigh 20 million.
"""

from __future__ import annotations

import json

import pytest
from mininet.topo import Topo

from filterlab.map.graph import graph_of
from filterlab.map.share import (
    Crossing,
    ExchangeShare,
    MapReport,
    describe,
    path,
    round_trip_seconds,
)

PAIRS = [(f"c{i}", service) for i in (1, 2, 3) for service in ("news", "bank")]


@pytest.fixture
def report(country: Topo) -> MapReport:
    return describe(graph_of(country), PAIRS)


def test_each_exchange_has_its_share(report: MapReport) -> None:
    assert report.exchanges == (
        ExchangeShare("bel", 0.45, 0.45, 0.0, 0.0, 2),
        ExchangeShare("ntec", 0.05, 0.05, 0.0, 0.0, 1),
    )
    assert report.uncrossed == ()


def test_directions_are_told_apart(one_sided: Topo) -> None:
    report = describe(graph_of(one_sided), PAIRS)
    shares = {share.exchange: share for share in report.exchanges}
    # bel: both for ISP 1 (6 of 20), questions of ISP 2 (3 of 20).
    assert shares["bel"] == ExchangeShare("bel", 0.45, 0.3, 0.15, 0.0, 2)
    # ntec: both for ISP 3 (1 of 20), answers to ISP 2.
    assert shares["ntec"] == ExchangeShare("ntec", 0.2, 0.05, 0.0, 0.15, 2)
    assert report.uncrossed == ("idle",)


def test_pairs_that_cross_no_exchange(report: MapReport) -> None:
    assert report.free_share == 0.5
    assert {journey.service for journey in report.free} == {"bank"}


def test_a_crossing_knows_its_hop_and_direction(report: MapReport) -> None:
    journey = report.journeys[0]
    assert journey.there.crossings == (Crossing("bel", "outward", 2),)
    assert journey.back.crossings == (Crossing("bel", "inward", 2),)
    assert journey.there.hops == 5


def test_choke_points_cut_what_has_no_other_way(report: MapReport) -> None:
    points = {point.name: point for point in report.choke_points}
    assert points["far"].cuts == 0.5
    assert points["ix"].cuts == 0.5
    assert points["r1"].cuts == pytest.approx(0.6)
    assert points["r1"].carries == pytest.approx(0.6)
    # Without bel, ISP 1 could still go over ix, r3 and ntec: a wire is there.
    assert "bel" not in points


def test_a_link_can_be_a_choke_point(country: Topo) -> None:
    country.router("core", "address add 10.8.0.1/24 dev core-0")
    country.host("shop", "home", "10.8.1.5")
    country.wire("ix", "core", "ix-core", "core-0")
    country.wire("core", "shop", "core-1", "shop-0")
    country.say("core", "address add 10.8.1.1/24 dev core-1")
    country.say("core", "route add default via 10.8.0.2")
    country.say("ix", "address add 10.8.0.2/24 dev ix-core")
    country.say("ix", "route add 10.8.1.0/24 via 10.8.0.1")
    country.say("r1", "route add 10.8.1.0/24 via 10.1.1.1")
    report = describe(graph_of(country), [("c1", "shop"), ("c1", "news")])
    (link,) = [point for point in report.choke_points if point.role == "link"]
    assert (link.name, link.carries, link.cuts) == ("core - ix", 0.5, 0.5)
    assert link.cut_off == (0,)


def test_round_trip_time_is_the_delay_of_the_links(country: Topo) -> None:
    graph = graph_of(country)
    assert round_trip_seconds(graph, "c1", "news") == pytest.approx(0.04)
    assert round_trip_seconds(graph, "c1", "bank") == pytest.approx(0.004)
    assert path(graph, "c1", "bank") == ("c1", "r1", "ix", "bank")


def test_a_pair_named_twice_counts_once(country: Topo, report: MapReport) -> None:
    assert describe(graph_of(country), PAIRS * 2) == report


def test_no_pairs_are_no_share(country: Topo) -> None:
    report = describe(graph_of(country), [])
    assert report.uncrossed == ("bel", "ntec")
    assert (report.free_share, report.choke_points) == (0.0, ())


def test_the_report_is_json(report: MapReport) -> None:
    data = json.loads(json.dumps(report.as_json()))
    assert data["exchanges"][0]["sees"] == 0.45
    assert data["free"] == [["c1", "bank"], ["c2", "bank"], ["c3", "bank"]]
