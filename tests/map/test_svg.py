"""The picture stands alone, says itself in words, and has every number."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from mininet.topo import Topo

from filterlab.map.graph import graph_of
from filterlab.map.share import describe
from filterlab.map.svg import draw_svg

PAIRS = [(f"c{i}", service) for i in (1, 2, 3) for service in ("news", "bank")]
SVG = "{http://www.w3.org/2000/svg}"


def drawn(topology: Topo, title: str = "A <country> & more") -> ElementTree.Element:
    return ElementTree.fromstring(draw_svg(describe(graph_of(topology), PAIRS), title))


def texts(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def test_title_and_description_for_those_who_do_not_see_it(country: Topo) -> None:
    root = drawn(country)
    assert root.findtext(f"{SVG}title") == "A <country> & more"
    assert root.findtext(f"{SVG}desc") == (
        "bel sees 45 % of pairs; ntec sees 5 % of pairs; "
        "50 % of pairs cross no exchange."
    )


def test_every_box_and_share_is_written_out(country: Topo) -> None:
    said = texts(drawn(country))
    for text in ("isp1", "6.0 M subscribers", "bel", "sees 45 %", "ntec", "sees 5 %"):
        assert text in said
    for text in ("abroad", "news", "home", "bank", "no exchange", "30 %"):
        assert text in said


def test_bands_are_as_wide_as_their_share(country: Topo) -> None:
    widths = {
        float(path.get("stroke-width", "0"))
        for path in drawn(country).iter(f"{SVG}path")
        if path.get("class") == "band"
    }
    # Of 240 pixels: 30, 15 and 5 % into the exchanges, 45 % out of bel.
    assert widths == {72.0, 36.0, 12.0, 108.0}


def test_answers_on_another_way_are_dashed(one_sided: Topo) -> None:
    root = drawn(one_sided)
    kinds = [path.get("class") for path in root.iter(f"{SVG}path")]
    assert "answer" in kinds
    assert any("Dashed" in text for text in texts(root))
    assert "on nobody's way" in texts(root)


@pytest.mark.parametrize("outside", ["http:", "https:", "@import", "<script", "href"])
def test_nothing_is_fetched(country: Topo, outside: str) -> None:
    picture = draw_svg(describe(graph_of(country), PAIRS))
    assert outside not in picture.replace("http://www.w3.org/2000/svg", "")


def test_no_pairs_are_a_picture_too(country: Topo) -> None:
    ElementTree.fromstring(draw_svg(describe(graph_of(country), [])))
