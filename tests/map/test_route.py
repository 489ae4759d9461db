"""Packets go where the nodes' own routing tables send them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from mininet.topo import Topo

from filterlab.map.graph import graph_of
from filterlab.map.route import NoRoute, Routing, table_of


def test_the_way_there_and_the_way_back(country: Topo) -> None:
    routing = Routing(graph_of(country))
    way = ("c1", "r1", "gwa_in", "bel", "gwa_out", "far", "news")
    assert routing.path("c1", "news") == way
    assert routing.path("news", "c1") == way[::-1]
    assert routing.path("c3", "bank") == ("c3", "r3", "ix", "bank")


def test_the_way_back_may_be_another_one(one_sided: Topo) -> None:
    routing = Routing(graph_of(one_sided))
    assert "bel" in routing.path("c2", "news")
    assert "ntec" in routing.path("news", "c2")


@pytest.mark.parametrize(
    ("address", "interface"),
    [
        ("10.0.0.9", "near"),
        ("10.0.1.9", "wide"),
        ("192.0.2.1", "cheap"),
        ("2001:db8::7", "six"),
        ("2001:db9::7", "out6"),
    ],
)
def test_longest_prefix_first_then_lowest_metric(address: str, interface: str) -> None:
    table = table_of(
        [
            "ip address add 10.0.0.1/24 dev near",
            "ip route add 10.0.0.0/8 via 10.0.0.2 dev wide",
            "ip route add default via 10.0.0.3 dev dear metric 20",
            "ip route replace 0.0.0.0/0 via 10.0.0.4 dev cheap metric 10",
            "ip -6 addr add 2001:db8::1/64 dev six",
            "ip -6 route add default via 2001:db8::2 dev out6",
            "sysctl -w net.ipv4.ip_forward=1",
        ]
    )
    route = table.look_up(ip_address(address))
    assert route is not None
    assert route.interface == interface


def test_a_peer_is_what_the_kernel_routes_to() -> None:
    table = table_of(["ip addr replace 10.0.0.1 peer 10.0.0.2/32 dev wire"])
    assert table.addresses == {ip_address("10.0.0.1")}
    assert table.look_up(ip_address("10.0.0.2")) is not None
    assert table.look_up(ip_address("10.0.0.3")) is None


def test_a_replaced_route_is_gone_whatever_it_was() -> None:
    table = table_of(
        [
            "ip route replace unreachable 10.0.0.0/8",
            "ip route replace 10.0.0.0/8 via 192.0.2.1 dev wire",
        ]
    )
    (route,) = table.routes
    assert (route.interface, route.refused) == ("wire", False)


def test_a_link_local_gateway_is_found_behind_its_interface(country: Topo) -> None:
    for node, own in (("far", "2001:db8:8000::1"), ("gwa_out", "2001:db8::1")):
        country.nodeInfo(node)["addresses"] = [own]
        country.say(node, f"address replace {own}/128 dev lo")
    country.say("gwa_out", "-6 route replace default via fe80::1 dev gwa-f")
    routing = Routing(graph_of(country))
    assert routing.path("gwa_out", "far", version=6) == ("gwa_out", "far")


def test_other_tables_are_not_the_main_one() -> None:
    table = table_of(["ip route add default via 10.0.0.1 table 100"])
    assert table.routes == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("route add unreachable 100.64.0.0/16", "far refuses packets to 100.64.0.2"),
        ("route add 100.64.0.0/24 via 10.3.1.77", "nobody with the address 10.3.1.77"),
    ],
)
def test_where_a_packet_ends_is_said(country: Topo, line: str, says: str) -> None:
    country.nodeInfo("far")["commands"].append(f"ip {line}")
    with pytest.raises(NoRoute, match=says):
        Routing(graph_of(country)).path("news", "c1")


def test_no_route_and_no_address_are_said(country: Topo) -> None:
    country.nodeInfo("c1")["commands"].pop()
    routing = Routing(graph_of(country))
    with pytest.raises(NoRoute, match=r"c1 has no route to 198\.18\.0\.80"):
        routing.path("c1", "news")
    with pytest.raises(NoRoute, match="news has no IPv6 address"):
        routing.path("c1", "news", version=6)


def test_a_loop_is_found(country: Topo) -> None:
    country.nodeInfo("gwa_in")["commands"].append(
        "ip route add 198.18.0.0/24 via 10.0.1.2"
    )
    with pytest.raises(NoRoute, match="goes round in a loop"):
        Routing(graph_of(country)).path("c1", "news")
