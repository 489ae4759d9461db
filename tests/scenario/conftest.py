"""A small invented world for scenarios: topologies, tools, and content of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from filterlab.scenario import content
from filterlab.scenario.facts import Facts, Layout, Scalar, TopologyFacts

HERE = Path(__file__).parent
# Examples for these tests; the plugin must not collect them as scenarios to run.
collect_ignore_glob = ["bad/*", "good/*", "world/*"]


def _national(parameters: Mapping[str, Scalar]) -> Layout:
    isps = parameters.get("isps", 3)
    if not str(isps).isdigit() or not 1 <= int(isps) <= 32:
        raise ValueError(f"isps is {isps}; it can be 1 to 32")
    places = [*(f"isp{i + 1}" for i in range(int(isps))), "home", "abroad"]
    return Layout(places, ["beltelecom", "ntec"])


def _one_wire(exchanges: list[str]) -> TopologyFacts:
    return TopologyFacts([], lambda given: Layout(["inside", "outside"], exchanges))


@pytest.fixture
def facts() -> Facts:
    """What the invented world offers."""
    return Facts(
        topologies={
            "national": TopologyFacts(["isps", "sizes", "gateways"], _national),
            "single": _one_wire(["exchange"]),
            "flat": _one_wire([]),
        },
        tools=("openvpn-udp", "wireguard", "shadowsocks"),
    )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Content of its own, so that messages do not change with what is shipped."""
    monkeypatch.setattr(content, "root", lambda: HERE / "world")
    return HERE / "world"
