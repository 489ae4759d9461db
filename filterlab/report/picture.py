"""Geometry of two pictures: all probes' ways in a phase, and the time of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

ROW, HEAD, LETTER = 30, 34, 8  # pixels; a letter is as wide as that at most
# From a client to an exchange, from there to a probe's name, and around a name.
_NEAR, _FAR, _AROUND = 60, 76, 12
TIME_WIDTH, TIME_LEFT, TIME_RIGHT = 960, 170, 20
_LEAST_BAR = 3.0  # pixels; what takes no time must be seen as well
FREE = "no exchange"


@dataclass(frozen=True, slots=True)
class Way:
    """One probe's line: from a client through an exchange, or up to it."""

    y: int
    client: str
    probe: str
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Gate:
    """An exchange's box, beside the lines that cross it."""

    name: str
    y: int
    height: int

    @property
    def middle(self) -> float:
        """Where its name stands."""
        return self.y + self.height / 2 + 5


@dataclass(frozen=True, slots=True)
class Ways:
    """The picture of one phase."""

    ways: tuple[Way, ...]
    gates: tuple[Gate, ...]
    height: int
    width: int
    client_x: int
    gate_x: int
    gate_width: int

    @property
    def gate_end(self) -> int:
        """Where lines leave the exchanges."""
        return self.gate_x + self.gate_width

    @property
    def end_x(self) -> int:
        """Where the probes' names begin."""
        return self.gate_end + _FAR


def ways(cells: Sequence[Any], probes: Mapping[str, Mapping[str, Any]]) -> Ways:
    """The probes of one phase, those of one exchange side by side."""

    def gate_of(cell: Any) -> str:
        crossed = probes.get(cell.name, {}).get("exchanges", ())
        return ", then ".join(crossed) or FREE

    order = sorted(cells, key=lambda cell: (gate_of(cell) == FREE, gate_of(cell)))
    drawn: list[Way] = []
    gates: list[Gate] = []
    y = HEAD
    for cell in order:
        gate = gate_of(cell)
        if not gates or gates[-1].name != gate:
            y += 10 if gates else 0
            gates.append(Gate(gate, y, 0))
        drawn.append(Way(y + ROW // 2, cell.client, cell.name, cell.kind, cell.label))
        gates[-1] = replace(gates[-1], height=gates[-1].height + ROW)
        y += ROW
    client_x = 2 * _AROUND + LETTER * max(len(one.client) for one in drawn)
    gate_width = 2 * _AROUND + LETTER * max(len(one.name) for one in gates)
    longest = LETTER * max(len(one.probe) + len(one.label) + 5 for one in drawn)
    gate_x = client_x + _NEAR
    width = gate_x + gate_width + _FAR + longest
    return Ways(tuple(drawn), tuple(gates), y + 8, width, client_x, gate_x, gate_width)


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt on the timeline."""

    x: float
    width: float
    kind: str
    said: str


@dataclass(frozen=True, slots=True)
class Span:
    """One phase on the timeline."""

    x: float
    width: float
    name: str
    policies: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The time of a run: phases as bands, attempts as bars, a row a probe."""

    spans: tuple[Span, ...]
    rows: tuple[tuple[str, int, tuple[Bar, ...]], ...]  # probe, y, bars
    ticks: tuple[tuple[float, str], ...]
    height: int
    width: int = TIME_WIDTH
    left: int = TIME_LEFT


def timeline(
    moments: Sequence[Mapping[str, Any]], cells: Sequence[Any]
) -> Timeline | None:
    """The run from its first policy to its last attempt; None if nobody says when."""
    begins = [moment.get("began") for moment in moments]
    ends = [
        entry["began"] + entry["seconds"]
        for cell in cells
        for entry in cell.entries
        if entry.get("began")
    ]
    if not ends or not begins or None in begins:
        return None
    first, last = float(begins[0] or 0), max(ends)
    scale = (TIME_WIDTH - TIME_LEFT - TIME_RIGHT) / max(last - first, 0.001)

    def x(moment: float) -> float:
        return float(round(TIME_LEFT + max(moment - first, 0) * scale, 1))

    stops = [*(float(b or 0) for b in begins[1:]), last]
    spans = tuple(
        Span(
            x(float(start or 0)),
            round(x(stop) - x(float(start or 0)), 1),
            str(moment["phase"]),
            ", ".join(f"{at}: {name}" for at, name in moment["policies"].items()),
        )
        for moment, start, stop in zip(moments, begins, stops, strict=True)
    )
    rows = []
    top = 46
    for number, name in enumerate(dict.fromkeys(cell.name for cell in cells)):
        bars = tuple(
            Bar(
                x(entry["began"]),
                max(round(entry["seconds"] * scale, 1), _LEAST_BAR),
                cell.kind,
                f"{cell.phase}: {cell.label}, {entry['seconds']:.1f} s",
            )
            for cell in cells
            if cell.name == name
            for entry in cell.entries
            if entry.get("began") and entry["began"] >= first
        )
        rows.append((name, top + number * 22, bars))
    step = max(1, round((last - first) / 8))
    ticks = tuple(
        (x(first + s), f"{s} s") for s in range(0, int(last - first) + 1, step)
    )
    return Timeline(spans, tuple(rows), ticks, top + len(rows) * 22 + 26)
