"""The graph keeps what the map needs of every node and link."""

from __future__ import annotations

import pytest
from mininet.topo import SingleSwitchTopo, Topo

from filterlab.map.graph import delay_seconds, exchanges_of, graph_of


def test_nodes_keep_their_role_place_and_weight(country: Topo) -> None:
    nodes = graph_of(country).nodes
    assert nodes["c1"]["role"] == "host"
    assert nodes["c1"]["place"] == "isp1"
    assert nodes["c1"]["subscribers"] == 6_000_000
    assert nodes["c1"]["addresses"] == ("100.64.0.2",)
    assert nodes["ix"]["role"] == "router"
    assert exchanges_of(graph_of(country)) == ("bel", "ntec")


def test_links_keep_their_delay_ends_and_sides(country: Topo) -> None:
    edges = graph_of(country).edges
    assert edges["far", "gwa_out"]["delay_seconds"] == pytest.approx(0.02)
    assert edges["bel", "gwa_in"]["sides"] == {"bel": "inside"}
    assert edges["bel", "gwa_out"]["sides"] == {"bel": "outside"}
    assert edges["bel", "gwa_out"]["interfaces"] == {"bel": "bel-2", "gwa_out": "gwa-o"}


def test_a_plain_mininet_topology_is_a_graph_too() -> None:
    graph = graph_of(SingleSwitchTopo(k=2))
    assert {name: role for name, role in graph.nodes(data="role")} == {
        "h1": "host",
        "h2": "host",
        "s1": "switch",
    }
    assert graph.edges["h1", "s1"]["interfaces"] == {"h1": "h1-eth0", "s1": "s1-eth1"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, 0), ("20ms", 0.02), ("1s", 1), ("500us", 0.0005), ("1.5 ms", 0.0015)],
)
def test_delays_are_read_as_tc_reads_them(text: str | None, seconds: float) -> None:
    assert delay_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["soon", "20 miles", "-1ms"])
def test_what_is_no_delay_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="is no delay"):
        delay_seconds(text)
