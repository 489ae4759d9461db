"""How fast a throughput probe's bytes came, over time, beside its control.

Counted where the exchange hands them to the client's side: what a policy lets through
of what the server sent. Drawn by the page's template: two polylines need no library,
and words, dashes and both colour schemes are then ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

import numpy as np

from filterlab.captures import pcapng
from filterlab.report.ladder import flows_of, window_of
from filterlab.report.wire import INSIDE, Wire

BIN_SECONDS = 0.2
WIDTH, HEIGHT, LEFT, BOTTOM, RIGHT, TOP = 820, 260, 70, 40, 210, 14  # pixels
_LEAST_KBIT_S = 1.0  # the foot of the scale, where nothing came at all


@dataclass(frozen=True, slots=True)
class Curve:
    """Kilobits a second in each fifth of a second, from the first packet on."""

    name: str
    kbit_s: tuple[float, ...]
    total: float | None  # what the probe itself measured


def curves(
    wires: Mapping[str, Wire],
    entries: Sequence[Mapping[str, Any]],
    way: Mapping[str, Any],
) -> list[Curve]:
    """The control of a throughput probe, and it in each phase where anything came."""
    if not entries:
        return []
    told = [("without a policy", entries[0]["control"])]
    told += [(str(entry["phase"]), entry) for entry in entries]
    found = []
    for name, entry in told:
        if "endpoints" not in entry or entry.get("kbit_s") is None:
            continue
        rates = _rates(wires, entry, way)
        if rates:
            found.append(Curve(name, rates, entry["kbit_s"]))
    return found


def _rates(
    wires: Mapping[str, Wire], entry: Mapping[str, Any], way: Mapping[str, Any]
) -> tuple[float, ...]:
    window = window_of(entry)
    for wire in wires.values():
        side = wire.sides.get(INSIDE)
        if side is None:
            continue
        rows = side.rows(flows_of(entry, way, (), wire), window)
        rows = rows[side.index.direction[rows] == pcapng.OUTBOUND]
        if not len(rows):
            continue
        seconds = side.index.nanoseconds[rows] / 1e9
        bins = ((seconds - seconds[0]) / BIN_SECONDS).astype(np.int64)
        bits = np.bincount(bins, side.index.length[rows] * 8)
        return tuple(float(value) for value in bits / 1000 / BIN_SECONDS)
    return ()


@dataclass(frozen=True, slots=True)
class Line:
    """A curve as the template draws it."""

    name: str
    points: str
    legend: int  # where its name stands, beside the curves
    total: float | None


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves on one pair of scales: seconds, and kilobits a second by powers of ten."""

    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]
    seconds: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    bottom: int = HEIGHT - BOTTOM
    right: int = WIDTH - RIGHT


def _tick(power: int) -> str:
    return f"{10**power:,}" if power else "1 or less"


def chart(drawn: Sequence[Curve]) -> Chart:
    """Curves with their scales."""
    highest = max(value for curve in drawn for value in curve.kbit_s)
    powers = range(int(log10(max(highest, 10.0))) + 2)
    longest = max(len(curve.kbit_s) for curve in drawn) * BIN_SECONDS
    room = HEIGHT - BOTTOM - TOP

    def y(kbit_s: float) -> float:
        share = log10(max(kbit_s, _LEAST_KBIT_S)) / powers[-1]
        return round(HEIGHT - BOTTOM - share * room, 1)

    def x(seconds: float) -> float:
        return round(LEFT + seconds / longest * (WIDTH - LEFT - RIGHT), 1)

    lines = []
    for number, curve in enumerate(drawn):
        middles = [(place + 0.5) * BIN_SECONDS for place in range(len(curve.kbit_s))]
        places = zip(middles, curve.kbit_s, strict=True)
        points = " ".join(f"{x(seconds)},{y(value)}" for seconds, value in places)
        lines.append(Line(curve.name, points, TOP + 12 + 22 * number, curve.total))
    step = max(1, round(longest / 6))
    return Chart(
        tuple(lines),
        tuple((y(10.0**power), _tick(power)) for power in powers),
        tuple((x(s), f"{s} s") for s in range(0, int(longest) + 1, step)),
    )
