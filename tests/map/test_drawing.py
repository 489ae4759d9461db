"""The drawing fits a terminal, and says what the numbers say."""

from __future__ import annotations

import pytest
from mininet.topo import Topo

from filterlab.map.drawing import draw_terminal, lanes_of, people, percent
from filterlab.map.graph import graph_of
from filterlab.map.share import MapReport, describe

PAIRS = [(f"c{i}", service) for i in (1, 2, 3) for service in ("news", "bank")]

DRAWN = """\
who                   which way                       to whom

isp1      6.0 M ──┐
isp2      3.0 M ──┴─▶ [ bel ] ──────────────────────▶ abroad
                      behind hop 2                      news
                      5 hops, 40 ms there and back

isp3      1.0 M ────▶ [ ntec ] ─────────────────────▶ abroad
                      behind hop 2                      news
                      5 hops, 40 ms there and back

isp1      6.0 M ──┐
isp2      3.0 M ──┤
isp3      1.0 M ──┴─▶ ( no exchange ) ──────────────▶ home
                      3 hops, 4 ms there and back       bank

bel sees 45 %, both directions
ntec sees 5 %, both directions
no exchange sees 50 %
(of the client-service pairs, weighted by subscribers)

"""


@pytest.fixture
def report(country: Topo) -> MapReport:
    return describe(graph_of(country), PAIRS)


def test_the_whole_drawing(report: MapReport) -> None:
    assert draw_terminal(report).startswith(DRAWN)


def test_one_sided_ways_are_drawn_apart(one_sided: Topo) -> None:
    drawn = draw_terminal(describe(graph_of(one_sided), PAIRS))
    assert "isp2      3.0 M ────▶ out:  [ bel ] ────" in drawn
    assert "back: [ ntec ]" in drawn
    assert "idle is on nobody's way: no policy there matters" in drawn
    assert "bel sees 45 %, 30 % both directions, 15 % only outbound" in drawn


def test_no_line_is_too_long(report: MapReport) -> None:
    assert max(map(len, draw_terminal(report).splitlines())) <= 80


def test_lanes_without_an_exchange_come_last(report: MapReport) -> None:
    lanes = lanes_of(report)
    assert [lane.there for lane in lanes] == [("bel",), ("ntec",), ()]
    assert lanes[0].clients == (("isp1", 6_000_000), ("isp2", 3_000_000))


def test_nothing_to_draw_is_drawn_without_an_error(country: Topo) -> None:
    drawn = draw_terminal(describe(graph_of(country), []))
    assert "no single point cuts anybody off" in drawn


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.05, "5 %"), (0.067, "6.7 %"), (0.333, "33 %"), (1, "100 %")],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("count", "text"), [(6_000_000, "6.0 M"), (250_000, "250.0 k"), (12, "12")]
)
def test_people(count: int, text: str) -> None:
    assert people(count) == text
