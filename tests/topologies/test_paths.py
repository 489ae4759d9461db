"""Where packets go in every topology, read from its own routes; nothing is started."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import permutations
from typing import Any

import pytest

from filterlab.lab.topology import load_topology
from filterlab.map.graph import graph_of
from filterlab.map.route import NoRoute, Routing
from filterlab.map.share import round_trip_seconds

SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("single", {}),
    ("campus", {}),
    ("classroom", {}),
    ("provider", {}),
    ("provider", {"pool": 0}),
    ("national", {}),
    ("national", {"isps": 1, "sizes": 2.5, "gateways": "one"}),
    ("national", {"isps": 5, "gateways": "north,south", "hops": 14}),
    (
        "national",
        {
            "isps": 4,
            "sizes": [4, 3, 2, 1],
            "gateways": [{"name": "a", "isps": [4]}, {"name": "b", "isps": [1, 2, 3]}],
            "hops": 9,
        },
    ),
]


def shaped(name: str, parameters: dict[str, Any]) -> Any:
    return load_topology(name)(**parameters)


class Plan:
    """The ways through a topology: nothing where there is none."""

    def __init__(self, topo: Any) -> None:
        self.routing = Routing(graph_of(topo))

    def path(self, source: str, address: str) -> tuple[str, ...] | None:
        try:
            return self.routing.path_to(source, ip_address(address))
        except NoRoute:
            return None

    def hops(self, source: str, address: str) -> int:
        """The TTL that a packet needs: one more than the routers on its way."""
        nodes, path = self.routing.graph.nodes, self.path(source, address) or ()
        return 1 + sum(nodes[node]["role"] == "router" for node in path)


def named(topo: Any, role: str) -> list[str]:
    return [n for n in topo.nodes() if topo.nodeInfo(n)["role"] == role]


@pytest.mark.parametrize(("name", "parameters"), SHAPES)
def test_every_host_reaches_every_other_and_the_way_back_is_the_same(
    name: str, parameters: dict[str, Any]
) -> None:
    topo = shaped(name, parameters)
    plan = Plan(topo)
    for first, second in permutations(named(topo, "host"), 2):
        for there, back in zip(
            topo.nodeInfo(second)["addresses"],
            topo.nodeInfo(first)["addresses"],
            strict=True,
        ):
            path = plan.path(first, there)
            assert path is not None, (first, there)
            assert path[-1] == second
            assert plan.path(second, back) == path[::-1]


@pytest.mark.parametrize(("name", "parameters"), SHAPES)
def test_every_host_reaches_every_router_that_a_traceroute_shows_it(
    name: str, parameters: dict[str, Any]
) -> None:
    topo = shaped(name, parameters)
    plan = Plan(topo)
    for first, second in permutations(named(topo, "host"), 2):
        path = plan.path(first, topo.nodeInfo(second)["addresses"][0]) or ()
        for router in path[1:-1]:
            if topo.nodeInfo(router)["role"] == "router":
                for address in topo.nodeInfo(router)["addresses"]:
                    assert plan.path(first, address), (first, router, address)


@pytest.mark.parametrize(("name", "parameters"), SHAPES)
def test_an_address_outside_the_lab_has_no_route(
    name: str, parameters: dict[str, Any]
) -> None:
    topo = shaped(name, parameters)
    plan = Plan(topo)
    for node in topo.hosts():
        for stranger in ("192.0.2.1", "198.18.251.9", "100.64.251.9", "2001:db9::1"):
            assert plan.path(node, stranger) is None


@pytest.mark.parametrize(("name", "parameters"), SHAPES)
def test_interfaces_have_names_of_their_own_that_linux_takes(
    name: str, parameters: dict[str, Any]
) -> None:
    topo = shaped(name, parameters)
    names = [
        info[key]
        for _, _, info in topo.links(withInfo=True)
        for key in ("intfName1", "intfName2")
    ]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 15


def test_the_national_exchange_lies_between_hop_5_and_6_and_abroad_at_hop_11() -> None:
    topo = shaped("national", {})
    path = Plan(topo).path("sub1", topo.nodeInfo("web")["addresses"][0]) or []
    assert path.index("beltelecom") == 6  # hop 5 is path[5], hop 6 is path[7]
    assert Plan(topo).hops("sub1", topo.nodeInfo("web")["addresses"][0]) == 11


def test_hops_says_where_servers_abroad_are() -> None:
    for hops in (9, 11, 20):
        topo = shaped("national", {"hops": hops})
        address = topo.nodeInfo("web")["addresses"][1]
        assert Plan(topo).hops("sub3", address) == hops


def test_each_isp_passes_its_own_gateway_and_home_none() -> None:
    topo = shaped("national", {})
    plan = Plan(topo)
    abroad, bank = (topo.nodeInfo(n)["addresses"][0] for n in ("web", "bank"))
    exchanges = {
        name: [n for n in plan.path(name, abroad) or [] if n in topo.switches()]
        for name in ("sub1", "sub2", "sub3", "bank")
    }
    assert exchanges == {
        "sub1": ["beltelecom"],
        "sub2": ["beltelecom"],
        "sub3": ["ntec"],
        "bank": ["beltelecom"],
    }
    for name in ("sub1", "sub2", "sub3"):
        assert not set(plan.path(name, bank) or []) & set(topo.switches())


def test_subscribers_are_shared_out_among_the_hosts_of_an_isp() -> None:
    hosts = {"a": "isp1", "b": "isp1", "c": "isp2", "s": "abroad"}
    topo = load_topology("national")(hosts=hosts, isps=2, sizes="6,2.5", gateways="g")
    weights = {n: topo.nodeInfo(n).get("subscribers") for n in hosts}
    assert weights == {"a": 3_000_000, "b": 3_000_000, "c": 2_500_000, "s": None}


def test_delays_add_up_there_and_back() -> None:
    topo = shaped("national", {"delay_abroad_ms": 30, "delay_home_ms": 4})
    graph = graph_of(topo)
    assert round_trip_seconds(graph, "sub1", "web") == pytest.approx(0.06)
    assert round_trip_seconds(graph, "sub1", "bank") == pytest.approx(0.008)
    assert round_trip_seconds(graph, "sub1", "sub2") == 0


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"hosts": {"x": "moon"}}, "moon"),
        ({"hosts": {"edge": "abroad"}}, "edge"),
        ({"hops": 8}, "hops"),
        ({"isps": 0}, "isps"),
        ({"gateways": "a:1,b:2"}, "every ISP"),
        ({"gateways": "a:1+2,a:3"}, "once"),
        ({"sizes": "3,-1"}, "sizes"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        shaped("national", parameters)


def test_all_ways_out_of_the_class_pass_its_exchange_and_none_within_it() -> None:
    topo = shaped("classroom", {})
    plan = Plan(topo)
    address = {n: topo.nodeInfo(n)["addresses"][0] for n in named(topo, "host")}
    for host, hops in (("lecturer", 3), ("news", 5)):
        assert "class" in (plan.path("pupil", address[host]) or ())
        assert plan.hops("pupil", address[host]) == hops
    assert "class" not in (plan.path("pupil", address["books"]) or ("class",))
    assert "class" not in (plan.path("lecturer", address["news"]) or ("class",))
