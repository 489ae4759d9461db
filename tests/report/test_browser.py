"""The report in a real browser: whole, quiet, and for every way of reading it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filterlab.matrix.finding import Word
from filterlab.matrix.page import write_report as write_matrix_report
from filterlab.matrix.record import CELLS
from filterlab.report.page import write_report
from tests.matrix.cells import cell, finding
from tests.report.folder import INJECTED, write_folder

WIDTHS = {"phone": 360, "desk": 1440}
PARTS = (
    "The lab itself failed",
    "What happened",
    "Probes and phases",
    "The network, and what was blocked where",
    "Timeline",
    "Probe by probe, packet by packet",
    "Expectations",
    "Files of this run",
)
# WCAG 2.1, 1.4.3: of text that is not large
LEAST_CONTRAST = 4.5
CONTRASTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("body *:not(script):not(svg *)")) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !node.getClientRects().length) continue;
    const [one, other] = [parse(getComputedStyle(node).color), behind(node)].map(light);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.push([ratio, node.tagName + "." + node.className]);
  }
  return found;
}"""
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
OVERFLOW = "[document.documentElement.scrollWidth, innerWidth]"
FOCUSED = """() => {
  const node = document.activeElement;
  const all = [...document.querySelectorAll("*")];
  return [all.indexOf(node), node.tagName, node.getAttribute("href")];
}"""

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run whose names are hostile, and whose lab failed."""
    folder = tmp_path_factory.mktemp("run")
    return write_report(write_folder(folder, faults=("a switch died",)))


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a matrix of one tool and many policies, which is wide."""
    folder = tmp_path_factory.mktemp("matrix")
    tries = [
        finding(word, cell=cell(policy=f"a-policy-{number}"), number=1)
        for number, word in enumerate([*Word, *Word])
    ]
    lines = [json.dumps(one.as_json()) + "\n" for one in tries]
    (folder / CELLS).write_text("".join(lines))
    return write_matrix_report(folder)


@pytest.fixture
def visit(browser: Any, report: Path) -> Iterator[Open]:
    """Open a report; whatever is wrong with it by then fails the test."""
    contexts, troubles = [], []

    def open_(width: int = 1440, file: Path = report, **options: Any) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: troubles.append(said.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        page.on("request", lambda one: asked.append(one.url))
        opened.add(file.as_uri())
        page.goto(file.as_uri())
        return page

    asked: list[str] = []
    opened: set[str] = set()
    yield open_
    for context in contexts:
        context.close()
    assert not troubles
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    assert {url for url in asked if url.startswith("file:")} == opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_every_part_can_be_reached_and_read(
    visit: Open, width: int, scheme: str
) -> None:
    page = visit(width, color_scheme=scheme)
    page.evaluate(UNFOLD)
    for part in PARTS:
        heading = page.get_by_role("heading", name=part, exact=True)
        heading.scroll_into_view_if_needed()
        assert heading.is_visible(), part
    inner, outer = page.evaluate(OVERFLOW)
    assert inner <= outer  # what is wide scrolls in a box of its own
    assert page.get_by_text("decided here: list").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_a_heat_map_can_be_reached_and_read(
    visit: Open, matrix: Path, width: int, scheme: str
) -> None:
    page = visit(width, matrix, color_scheme=scheme)
    heat = page.get_by_role("region", name="Heat map")
    for word in Word:
        last = heat.get_by_text(word.value).last
        last.scroll_into_view_if_needed()
        assert last.is_visible()
    inner, outer = page.evaluate(OVERFLOW)
    assert inner <= outer
    found = page.evaluate(CONTRASTS)
    assert not [who for ratio, who in found if ratio < LEAST_CONTRAST]
    page.locator("td a").first.press("Enter")
    page.locator("#cell-1[open]").wait_for(state="attached")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_what_is_behind_it(visit: Open, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    page.evaluate(UNFOLD)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 50
    assert not [who for ratio, who in found if ratio < LEAST_CONTRAST]


def test_dark_is_dark_and_light_is_light(visit: Open) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = visit(color_scheme="light").evaluate(paper)
    assert light != visit(color_scheme="dark").evaluate(paper)


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(visit: Open) -> None:
    page = visit()
    wanted = page.locator("a:visible, summary:visible, [tabindex='0']:visible").count()
    places = []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        places.append(page.evaluate(FOCUSED))
    assert places[0][1:] == ["A", "#content"]
    order = [place for place, *_ in places]
    assert order == sorted(set(order))
    assert {"A", "SUMMARY", "DIV"} <= {tag for _, tag, _ in places}


def test_enter_opens_what_a_link_leads_to(visit: Open) -> None:
    page = visit()
    link = page.locator("table a[href='#probe-2']")
    link.focus()
    page.keyboard.press("Enter")
    page.locator("#probe-2[open]").wait_for(state="attached")
    assert page.get_by_text("Packet by packet", exact=True).last.is_visible()


def test_without_scripts_everything_can_be_unfolded(visit: Open) -> None:
    page = visit(java_script_enabled=False)
    page.locator("#probe-2 > summary").click()
    assert page.get_by_text("decided here: list").is_visible()


def test_who_does_not_see_is_told_where_things_are(visit: Open) -> None:
    page = visit()
    page.evaluate(UNFOLD)
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role
    table = page.get_by_role("region", name="Probes and phases")
    assert table.get_by_role("columnheader").count() == 3
    assert table.get_by_role("rowheader").count() == 1
    picture = page.get_by_role("img", name="Which ways were open during blocking")
    assert picture.count() == 1
    assert INJECTED in picture.locator("desc").text_content()
    unnamed = "img:not([alt]), svg[role=img]:not(:has(> title)), [tabindex='0']:not("
    names = "[aria-label], [aria-labelledby], pre)"
    assert page.locator(unnamed + names).count() == 0


def test_on_paper_everything_is_there_without_colour(visit: Open) -> None:
    page = visit(color_scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert not page.get_by_role("navigation").is_visible()
    colours = page.evaluate(
        "[...document.querySelectorAll('.blocked, .ok, .slow, .unknown')]"
        ".map((one) => getComputedStyle(one).color)"
    )
    assert set(colours) == {"rgb(0, 0, 0)"}
