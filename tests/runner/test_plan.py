"""What is known of a run before anything is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from filterlab.runner.plan import Plan, make_plan
from filterlab.scenario.problem import BadInput

SCENARIO = """
title: A plan
topology: {use: national, isps: 2, gateways: ["one:1", "two:2"]}
services:
  news.example: {at: abroad, speaks: [https]}
  news.other.example: {at: home, speaks: [https]}
  a-rather-long-name.example: {at: abroad, speaks: [bulk]}
  dns-home.example: {at: home, speaks: [dns]}
  dns-abroad.example: {at: abroad, speaks: [dns, dot, doh]}
clients:
  news: {isp: 1}
  bob: {isp: 2, resolver: dns-abroad.example}
timeline:
  - {at: 0s, exchange: all, policy: open}
probes:
  direct: {from: news, fetch: https://news.example/}
  home: {from: news, fetch: https://news.other.example/}
  tool: {from: bob, fetch: https://news.example/, through: shadowsocks}
  rate: {from: bob, throughput: a-rather-long-name.example}
  name: {from: bob, resolve: news.example, resolver: dns-abroad.example}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Plan]:
    """Plan the scenario, with some words changed."""

    def make(*changes: tuple[str, str]) -> Plan:
        text = SCENARIO
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "scenario.yaml"
        path.write_text(text)
        return make_plan(path)

    return make


def test_every_host_has_a_name_of_its_own_that_an_interface_can_bear(
    plan: Callable[..., Plan],
) -> None:
    made = plan()
    nodes = made.node_of
    assert nodes["news"] == "news"
    assert nodes["news.example"] == "news2"
    assert nodes["news.other.example"] == "news3"
    assert nodes["a-rather-long-name.example"] == "a-rather-l"
    assert len(set(made.hosts)) == len(made.hosts)
    assert set(made.hosts) <= set(made.topo.hosts())
    assert {made.hosts[nodes["bob"]], made.hosts["news2"]} == {"isp2", "abroad"}


def test_a_probe_through_a_tool_has_a_device_and_a_server(
    plan: Callable[..., Plan],
) -> None:
    (tool,) = (p for p in plan().probes if p.passage is not None)
    assert tool.passage is not None
    assert tool.client == tool.passage.device == "bob-d"
    assert plan().hosts[tool.passage.device] == "isp2"
    assert plan().hosts[tool.passage.server] == "abroad"
    assert tool.target == "news2"


def test_timeouts_follow_the_round_trip(plan: Callable[..., Plan]) -> None:
    made = plan()
    direct, home, *_ = made.probes
    assert made.timeouts(direct).tcp > made.timeouts(home).tcp
    near, far = (
        plan(("isps: 2", f"isps: 2, delay_abroad_ms: {ms}")) for ms in (5, 200)
    )
    assert near.timeouts(near.probes[0]).whole < far.timeouts(far.probes[0]).whole


def test_requests_name_what_the_lab_gives(plan: Callable[..., Plan]) -> None:
    made = plan()
    by_name = {planned.name: planned for planned in made.probes}
    v4, _ = made.addresses("dns-abroad")
    request = made.request(by_name["name"], "ca.pem")
    assert (request.kind, request.resolver) == ("resolve", f"udp://{v4}")
    rate = made.request(by_name["rate"], "ca.pem")
    assert rate.target.startswith("http://a-rather-long-name.example/")
    assert made.request(by_name["direct"], "ca.pem").resolver is None


def test_resolvers_nearby_come_first(plan: Callable[..., Plan]) -> None:
    made = plan()
    assert made.resolvers("home") == ["dns-home.example", "dns-abroad.example"]
    assert made.resolvers("abroad")[0] == "dns-abroad.example"


def test_a_resolver_abroad_is_a_way_across(plan: Callable[..., Plan]) -> None:
    one = ("exchange: all", "exchange: one")
    assert plan(one).exchanges == ["one", "two"]
    only_at_home = SCENARIO.partition("  tool:")[2]
    away = ("fetch: https://news.example/}", "fetch: https://news.other.example/}")
    with pytest.raises(BadInput) as bad:
        plan(one, away, ("  tool:" + only_at_home, ""))
    assert "no probe crosses the exchange 'one'" in str(bad.value)
    abroad = ("news: {isp: 1}", "news: {isp: 1, resolver: dns-abroad.example}")
    plan(one, away, ("  tool:" + only_at_home, ""), abroad)
