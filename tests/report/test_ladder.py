"""What of a long flow is kept, and how a rate over time is drawn."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from filterlab.captures.pcapng import INBOUND, OUTBOUND
from filterlab.inspection.packet import ACK
from filterlab.report.ladder import ladders
from filterlab.report.rates import BIN_SECONDS, chart, curves
from filterlab.report.wire import read_wires
from tests.report.folder import (
    BEGAN,
    CLIENT,
    PORT,
    SERVER,
    decision,
    segment,
    write_capture,
    write_folder,
)

ENTRY = {
    "phase": "slow",
    "began": BEGAN,
    "seconds": 2.0,
    "kbit_s": 40.0,
    "endpoints": [["tcp", CLIENT, PORT, SERVER, 443]],
}


def long_flow(folder: Path, stopped: int) -> None:
    """Two hundred answers, ten milliseconds apart; one of them never leaves."""
    frames = [segment(False, ACK, number, bytes(946)) for number in range(200)]
    came = [(10 * n, INBOUND, frame) for n, frame in enumerate(frames)]
    left = [(at, OUTBOUND, frame) for at, _, frame in came if at != 10 * stopped]
    write_capture(folder / "first-outside.pcapng", *came)
    write_capture(folder / "first-inside.pcapng", *left)


def test_the_first_stopped_packet_is_shown_and_the_rest_is_counted(
    tmp_path: Path,
) -> None:
    long_flow(tmp_path, stopped=100)
    wires, _ = read_wires(tmp_path)
    (ladder,) = ladders(wires, ENTRY, {}, {})
    assert (ladder.count, ladder.stopped, ladder.made) == (200, 1, 0)
    shown = [rung for rung in ladder.rungs if not rung.left_out]
    assert [rung.frames for rung in shown if rung.fate == "stopped"] == ["outside 101"]
    assert len(shown) + sum(rung.left_out for rung in ladder.rungs) == 200
    assert len(shown) < 25
    assert all(one.milliseconds <= two.milliseconds for one, two in pairwise(shown))


def test_a_redirected_flow_is_not_called_stopped(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    wires, _ = read_wires(folder)
    line = {**decision(), "action": "redirect"}
    (ladder,) = ladders(wires, ENTRY, {}, {0: line})
    assert ladder.turned


def test_a_curve_has_the_rate_of_each_fifth_of_a_second(tmp_path: Path) -> None:
    long_flow(tmp_path, stopped=100)
    wires, _ = read_wires(tmp_path)
    entry = {**ENTRY, "control": {**ENTRY, "kbit_s": None}}
    (curve,) = curves(wires, [entry], {})
    # Twenty frames of a thousand bytes in each fifth of a second.
    per_second = 20 * 1_000 * 8 / 1_000 / BIN_SECONDS
    assert len(curve.kbit_s) == 10
    assert curve.kbit_s[0] == per_second
    drawn = chart([curve])
    assert json.dumps([line.name for line in drawn.lines]) == '["slow"]'
    assert [said for _, said in drawn.ticks] == ["1 or less", "10", "100", "1,000"]
    heights = [y for y, _ in drawn.ticks]
    assert heights == sorted(heights, reverse=True)
