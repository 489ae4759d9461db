"""Draws the map as a picture that stands alone: an SVG without font, script or link.

Bands run from the clients on the left through the exchanges to the services on the
right; a band is as wide as its share of the client-service pairs, weighted by
subscribers. It reads in black and white: what no exchange sees is hatched, and an
answer that comes back another way is dashed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from xml.sax.saxutils import escape

from filterlab.map.drawing import people, percent
from filterlab.map.share import Journey, MapReport

WIDTH, TOP, BOX, FULL = 960, 92, 190, 240  # pixels; FULL is the height of 100 %
_GAP, _LEAST = 22, 58  # between boxes; the least height that holds three lines
_MARGIN = 20
_NUMBER = 15  # lines of numbers do not touch
_SHOWN_SERVICES = 6
FREE = "no exchange"

_STYLE = """
  svg { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
  .paper { fill: #ffffff } .ink { fill: #1c1c1c } .soft { fill: #555555 }
  .box { fill: #f4f4f4; stroke: #1c1c1c; stroke-width: 1.5 }
  .gate { fill: #1c1c1c; stroke: #1c1c1c } .on-gate { fill: #ffffff }
  .open { fill: #ffffff; stroke: #1c1c1c; stroke-width: 1.5; stroke-dasharray: 5 4 }
  .band { fill: none; stroke: #7a8ca3; stroke-opacity: .55 }
  .free { fill: none; stroke: url(#hatch) }
  .answer { fill: none; stroke: #7a8ca3; stroke-dasharray: 8 5 }
  .stripe { stroke: #8a8a8a; stroke-width: 1.4 }
  .number { fill: #1c1c1c; stroke: #ffffff; stroke-width: 4; paint-order: stroke }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #16181c } .ink { fill: #ececec } .soft { fill: #b0b0b0 }
    .box { fill: #24272d; stroke: #ececec } .gate { fill: #ececec; stroke: #ececec }
    .on-gate { fill: #16181c } .open { fill: #16181c; stroke: #ececec }
    .stripe { stroke: #9a9a9a }
    .number { fill: #ececec; stroke: #16181c }
  }
"""


@dataclass(slots=True)
class Box:
    """A place or an exchange, and how much of its edges bands have taken."""

    name: str
    kind: str  # "who", "exchange", "free" or "whom"
    column: int
    lines: list[str] = field(default_factory=list)
    arriving: float = 0.0
    leaving: float = 0.0
    y: float = 0.0
    used_left: float = 0.0
    used_right: float = 0.0
    numbered: float = 0.0  # where its last number stands

    @property
    def height(self) -> float:
        """Room for its bands and for its text."""
        least = max(_LEAST, 34 + 17 * len(self.lines))
        return max(least, max(self.arriving, self.leaving) * FULL)


@dataclass(frozen=True, slots=True)
class Band:
    """What goes from one box to the next."""

    start: Box
    end: Box
    share: float
    kind: str  # "band", "free" or "answer"


def draw_svg(report: MapReport, title: str = "Who sees the traffic") -> str:
    """The map as a self-contained SVG document."""
    boxes, bands = _layout(report)
    columns = 1 + max((box.column for box in boxes), default=0)
    bottom = _place(boxes, columns)
    drawn = [_band(band, columns) for band in bands]
    # Numbers last, so that no other band covers them.
    parts = [path for path, _ in drawn] + [number for _, number in drawn]
    parts += [_box(box, columns) for box in boxes]
    height = round(bottom) + 48
    said = _in_words(report)
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f'aria-labelledby="title desc" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(said)}</desc>',
            f"<style>{_STYLE}</style>",
            '<defs><pattern id="hatch" width="6" height="6" '
            'patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
            '<line class="stripe" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>',
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            _text(_MARGIN, 34, title, "ink", 20, weight="600"),
            *_headings(columns),
            *parts,
            _text(_MARGIN, height - 18, _legend(bands), "soft", 12),
            "</svg>",
            "",
        ]
    )


def _layout(report: MapReport) -> tuple[list[Box], list[Band]]:
    total = sum(journey.subscribers for journey in report.journeys) or 1
    boxes: dict[tuple[str, str], Box] = {}
    weights: dict[tuple[tuple[str, str], tuple[str, str], str], float] = {}
    for journey in report.journeys:
        for way, share, kind in _ways(journey, journey.subscribers / total):
            for step in pairwise(way):
                weights[*step, kind] = weights.get((*step, kind), 0.0) + share
            for column, key in enumerate(way[:-1]):
                box = boxes.setdefault(key, Box(key[1], key[0], column))
                box.column = max(box.column, column)
            boxes.setdefault(way[-1], Box(way[-1][1], "whom", 0))
    for seen in report.exchanges:
        name = seen.exchange
        box = boxes.setdefault(("exchange", name), Box(name, "exchange", 1))
        box.lines = [f"sees {percent(seen.sees)}", _directions(seen.sees, seen.both)]
    last = 1 + max((box.column for box in boxes.values()), default=0)
    for box in boxes.values():
        box.column = last if box.kind == "whom" else box.column
    _label(boxes, report)
    bands = [
        Band(boxes[start], boxes[end], share, kind)
        for (start, end, kind), share in weights.items()
    ]
    for band in bands:
        band.start.leaving += band.share
        band.end.arriving += band.share
    order = {"who": 0, "exchange": 1, "free": 2, "whom": 3}
    away = {j.service_place or "services" for j in report.free}
    ordered = sorted(
        boxes.values(),
        key=lambda b: (b.column, order[b.kind], b.name in away, _rank(b, bands)),
    )
    # Side by side as their ends stand, bands cross as little as they can.
    place = {id(box): number for number, box in enumerate(ordered)}
    bands.sort(key=lambda band: (place[id(band.start)], place[id(band.end)]))
    return ordered, bands


def _rank(box: Box, bands: list[Band]) -> tuple[float, str]:
    """Exchanges and services: the busiest first; clients by name."""
    return (0.0 if box.kind == "who" else -box.arriving, box.name)


def _ways(
    journey: Journey, share: float
) -> list[tuple[list[tuple[str, str]], float, str]]:
    """The boxes of a pair from left to right: once, or there and back by halves."""
    who = ("who", journey.client_place or journey.client)
    whom = ("whom", journey.service_place or "services")

    def way(exchanges: tuple[str, ...]) -> list[tuple[str, str]]:
        middle = [("exchange", name) for name in exchanges] or [("free", FREE)]
        return [who, *middle, whom]

    there, back = journey.there.exchanges, journey.back.exchanges[::-1]
    if there == back:
        return [(way(there), share, "band" if there else "free")]
    return [(way(there), share / 2, "band"), (way(back), share / 2, "answer")]


def _label(boxes: dict[tuple[str, str], Box], report: MapReport) -> None:
    subscribers: dict[str, dict[str, int]] = defaultdict(dict)
    services: dict[str, dict[str, None]] = defaultdict(dict)
    for j in report.journeys:
        subscribers[j.client_place or j.client][j.client] = j.subscribers
        services[j.service_place or "services"][j.service] = None
    for name, clients in subscribers.items():
        boxes["who", name].lines = [f"{people(sum(clients.values()))} subscribers"]
    for name, hosts in services.items():
        shown = list(hosts)[:_SHOWN_SERVICES]
        more = len(hosts) - len(shown)
        boxes["whom", name].lines = shown + ([f"and {more} more"] if more else [])
    if ("free", FREE) in boxes:
        boxes["free", FREE].lines = [f"{percent(report.free_share)} is seen by none"]


def _directions(sees: float, both: float) -> str:
    if not sees:
        return "on nobody's way"
    return "both directions" if both == sees else f"{percent(both)} both directions"


def _place(boxes: list[Box], columns: int) -> float:
    """Stacks each column, all about one middle line; gives the lowest edge."""
    heights = []
    for column in range(columns):
        stack = [box for box in boxes if box.column == column]
        heights.append(sum(box.height + _GAP for box in stack) - _GAP)
    tallest = max(heights, default=0)
    for column in range(columns):
        y = TOP + (tallest - heights[column]) / 2
        for box in boxes:
            if box.column == column:
                box.y = y
                y += box.height + _GAP
    return TOP + tallest


def _x(column: int, columns: int) -> float:
    room = WIDTH - 2 * _MARGIN - BOX
    return _MARGIN + room * column / max(columns - 1, 1)


def _band(band: Band, columns: int) -> tuple[str, str]:
    """The band itself, and its number."""
    start, end, width = band.start, band.end, max(band.share * FULL, 2.0)
    spare = (start.height - start.leaving * FULL) / 2
    y1 = start.y + max(spare, 0) + start.used_right + width / 2
    spare = (end.height - end.arriving * FULL) / 2
    y2 = end.y + max(spare, 0) + end.used_left + width / 2
    start.used_right += width
    end.used_left += width
    x1, x2 = _x(start.column, columns) + BOX, _x(end.column, columns)
    half = (x1 + x2) / 2
    line = min(width, 5.0) if band.kind == "answer" else width
    curve = f"M{x1:.1f} {y1:.1f} C{half:.1f} {y1:.1f} {half:.1f} {y2:.1f} "
    # A flat line has no bounding box, and a pattern then paints nothing.
    curve += f"{x2:.1f} {y2 + 0.01:.2f}"
    share = percent(band.share)
    if start.kind == "who":
        start.numbered = max(y1 + 4, start.numbered + _NUMBER)
        number = _text(x1 + 8, start.numbered, share, "number", 12)
    else:
        end.numbered = max(y2 + 4, end.numbered + _NUMBER)
        number = _text(x2 - 8, end.numbered, share, "number", 12, anchor="end")
    path = f'<path class="{band.kind}" stroke-width="{line:.1f}" d="{curve}"/>'
    return path, number


def _box(box: Box, columns: int) -> str:
    x, middle = _x(box.column, columns), BOX / 2
    look = {"exchange": "gate", "free": "open"}.get(box.kind, "box")
    ink, soft = ("on-gate", "on-gate") if look == "gate" else ("ink", "soft")
    y = box.y + (box.height - 20 - 17 * len(box.lines)) / 2 + 16
    texts = [_text(x + middle, y, box.name, ink, 16, weight="600", anchor="middle")]
    for number, line in enumerate(box.lines, start=1):
        texts.append(
            _text(x + middle, y + 18 * number, line, soft, 13, anchor="middle")
        )
    rect = (
        f'<rect class="{look}" x="{x:.1f}" y="{box.y:.1f}" width="{BOX}" '
        f'height="{box.height:.1f}" rx="6"/>'
    )
    return "\n".join((rect, *texts))


def _headings(columns: int) -> list[str]:
    names = ["clients", *["exchanges"] * (columns - 2), "services"]
    return [
        _text(_x(i, columns) + BOX / 2, TOP - 18, name, "soft", 13, anchor="middle")
        for i, name in enumerate(names)
    ]


def _legend(bands: list[Band]) -> str:
    text = "Widths and shares: client-service pairs, weighted by subscribers."
    if any(band.kind == "free" for band in bands):
        text += " Hatched: crosses no exchange."
    if any(band.kind == "answer" for band in bands):
        text += " Dashed: answers that come back another way."
    return text


def _in_words(report: MapReport) -> str:
    """The picture for those who do not see it."""
    said = [f"{s.exchange} sees {percent(s.sees)} of pairs" for s in report.exchanges]
    said.append(f"{percent(report.free_share)} of pairs cross no exchange")
    return "; ".join(said) + "."


def _text(
    x: float,
    y: float,
    text: str,
    look: str,
    size: int,
    weight: str = "400",
    anchor: str = "start",
) -> str:
    return (
        f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" '
        f'font-weight="{weight}" text-anchor="{anchor}">{escape(text)}</text>'
    )
