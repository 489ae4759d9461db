"""The ladder of packets of one attempt: client, exchange, server, and who stopped what.

Only the beginning, the surroundings of what was decided, and the end are kept; how many
were left out is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from filterlab.report.packets import in_words
from filterlab.report.wire import Crossing, Wire, flow_of_decision, flow_of_endpoint

# Rungs that are kept; a flow that is often decided on is told by its first ones.
FIRST, AROUND, LAST = 6, 4, 4
# What the engine or the switch was busy with is no delay that tells anything.
_DELAY_SECONDS = 0.02
# What a probe left behind may still be under way when it has ended.
BEFORE_SECONDS, AFTER_SECONDS = 0.05, 0.3
PASSED, STOPPED, MADE = "passed", "stopped", "made"


@dataclass(frozen=True, slots=True)
class Rung:
    """One packet: when, which way, what, what became of it; or so many left out."""

    milliseconds: float
    from_inside: bool
    text: str
    fate: str
    frames: str
    decided: str | None = None  # by what rule, if it was on this packet
    delay_ms: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Ladder:
    """The packets of one attempt at one exchange."""

    exchange: str
    rungs: tuple[Rung, ...]
    count: int
    stopped: int
    made: int
    turned: bool = False  # a redirected flow goes on under other addresses


def ladders(
    wires: Mapping[str, Wire],
    entry: Mapping[str, Any],
    way: Mapping[str, Any],
    decisions: Mapping[int, Mapping[str, Any]],
) -> list[Ladder]:
    """One attempt's ladder at each exchange that saw any of it.

    `entry` is the attempt in `result.json`, `way` its probe's in `setting.json`,
    `decisions` those that concern it.
    """
    found = []
    window = window_of(entry)
    for wire in wires.values():
        flows = flows_of(entry, way, decisions.values(), wire)
        crossings = wire.crossings(flows, window)
        if crossings:
            mine = [d for d in decisions.values() if d.get("exchange") == wire.exchange]
            found.append(_ladder(wire, crossings, mine, entry))
    return found


def window_of(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    """From when to when an attempt lasted, in nanoseconds; None if nobody says."""
    began = entry.get("began")
    if not began:
        return None
    start = began - BEFORE_SECONDS
    end = began + entry["seconds"] + AFTER_SECONDS
    return int(start * 1e9), int(end * 1e9)


def flows_of(
    entry: Mapping[str, Any],
    way: Mapping[str, Any],
    decisions: Any,
    wire: Wire,
) -> set[Any]:
    """The flows that an attempt opened, or had opened for it."""
    flows = {flow_of_endpoint(endpoint) for endpoint in entry["endpoints"]}
    flows |= {flow for line in decisions if (flow := flow_of_decision(line))}
    if device := way.get("device"):
        packed = {flow_address(address) for address in device}
        for side in wire.sides.values():
            flows.update(side.flows_at(packed))
    return flows


def flow_address(text: str) -> bytes:
    """An address as flows have it."""
    (address, _), *_ = flow_of_endpoint(["tcp", text, 0, text, 0])[1]
    return address


def _ladder(
    wire: Wire,
    crossings: Sequence[Crossing],
    decisions: Sequence[Mapping[str, Any]],
    entry: Mapping[str, Any],
) -> Ladder:
    by_frame = {
        (str(line["capture"]), int(line["capture_frame"])): line
        for line in reversed(decisions)
        if line.get("capture_frame")
    }
    began = entry.get("began") or crossings[0].nanoseconds / 1e9
    marks = [_decision_at(wire, crossing, by_frame) for crossing in crossings]
    keep = _kept(crossings, [i for i, line in enumerate(marks) if line])
    rungs: list[Rung] = []
    before = -1
    for at in keep:
        if at - before > 1:
            rungs.append(Rung(0, True, "", "", "", left_out=at - before - 1))
        rungs.append(_rung(crossings[at], marks[at], began))
        before = at
    if len(crossings) - before > 1:
        rungs.append(Rung(0, True, "", "", "", left_out=len(crossings) - before - 1))
    return Ladder(
        wire.exchange,
        tuple(rungs),
        len(crossings),
        sum(one.left is None for one in crossings),
        sum(one.came is None for one in crossings),
        any(line["action"] == "redirect" for line in decisions),
    )


def _kept(crossings: Sequence[Crossing], decided: Sequence[int]) -> list[int]:
    """Which packets are shown."""
    count = len(crossings)
    stopped = (i for i, one in enumerate(crossings) if one.left is None)
    made = (i for i, one in enumerate(crossings) if one.came is None)
    told = {*decided[:3], *islice(stopped, 1), *islice(made, 1)}
    wanted = {*range(min(FIRST, count)), *range(max(count - LAST, 0), count)}
    for place in told:
        wanted |= set(range(max(place - AROUND, 0), min(place + AROUND + 1, count)))
    return sorted(wanted)


def _decision_at(
    wire: Wire,
    crossing: Crossing,
    by_frame: Mapping[tuple[str, int], Mapping[str, Any]],
) -> Mapping[str, Any] | None:
    for side, number in crossing.numbers.items():
        line = by_frame.get((f"{wire.exchange}-{side}.pcapng", number))
        if line is not None:
            return line
    return None


def _rung(crossing: Crossing, line: Mapping[str, Any] | None, began: float) -> Rung:
    fate = PASSED
    if crossing.left is None:
        fate = STOPPED
    elif crossing.came is None:
        fate = MADE
    frames = ", ".join(f"{side} {n:,}" for side, n in crossing.numbers.items())
    delay = crossing.delay / 1e9
    return Rung(
        round(crossing.nanoseconds / 1e6 - began * 1e3, 1),
        crossing.from_inside,
        in_words(crossing.frame),
        fate,
        frames,
        None if line is None else str(line["rule"]),
        round(delay * 1e3) if delay > _DELAY_SECONDS else 0,
    )
