"""The national topology's map is what its drawing promises."""

from __future__ import annotations

from typing import Any

import pytest

from filterlab.lab.topology import load_topology
from filterlab.map.graph import graph_of
from filterlab.map.route import Routing
from filterlab.map.share import MapReport, describe


@pytest.fixture
def topology() -> Any:
    return load_topology("national")()


@pytest.fixture(params=[4, 6])
def report(topology: Any, request: pytest.FixtureRequest) -> MapReport:
    graph = graph_of(topology)
    places = {
        name: node["place"]
        for name, node in graph.nodes(data=True)
        if node["role"] == "host"
    }
    clients = [name for name, place in places.items() if place.startswith("isp")]
    abroad = [name for name, place in places.items() if place == "abroad"]
    pairs = [(client, service) for client in clients for service in (*abroad, "bank")]
    return describe(graph, pairs, request.param)


def test_beltelecom_has_nine_tenths_of_what_goes_abroad(report: MapReport) -> None:
    abroad = 1 - report.free_share
    shares = {share.exchange: share.both / abroad for share in report.exchanges}
    assert shares == pytest.approx({"beltelecom": 0.9, "ntec": 0.1})


def test_home_crosses_no_exchange(report: MapReport) -> None:
    assert {journey.service_place for journey in report.free} == {"home"}


def test_the_exchange_stands_between_hop_5_and_6(report: MapReport) -> None:
    hops = {c.hop for journey in report.journeys for c in journey.there.crossings}
    assert hops == {5}
    far = {j.there.hops for j in report.journeys if j.service_place == "abroad"}
    assert far == {11}


def test_both_ways_take_the_same_exchange(report: MapReport) -> None:
    for journey in report.journeys:
        assert journey.there.exchanges == journey.back.exchanges[::-1]


@pytest.mark.parametrize("version", [4, 6])
def test_every_host_reaches_every_host(topology: Any, version: int) -> None:
    graph = graph_of(topology)
    routing = Routing(graph)
    hosts = [name for name, role in graph.nodes(data="role") if role == "host"]
    for source in hosts:
        for target in hosts:
            assert routing.path(source, target, version)[-1] == target
