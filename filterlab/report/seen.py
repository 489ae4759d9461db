"""What the recognisers saw in the bytes of a flow, up to the packet that decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from filterlab.captures.index import Index
from filterlab.replay.dissection import explain
from filterlab.replay.feed import Feed, feed_of
from filterlab.report.wire import Wire, flow_of_decision

# Every recogniser is fed byte by byte: enough frames for a greeting in pieces.
_MOST_FRAMES = 16
_LONGEST = 200  # characters of a finding that is a whole payload
_NOT_MINE, _UNDECIDED, _CONCLUDES = " not mine", " undecided after ", "; then "


@dataclass(frozen=True, slots=True)
class Sight:
    """What was found (with the bytes), and how many recognisers found nothing."""

    about: str
    found: tuple[str, ...]  # what the rule asked for first
    asked: bool  # whether any of it is what the rule asked for
    declined: int
    undecided: int


def sight(decision: Mapping[str, Any], wire: Wire | None) -> Sight | None:
    """The sight of the flow that was decided on; None if its frames are not there."""
    flow = flow_of_decision(decision)
    capture, number = decision.get("capture"), decision.get("capture_frame")
    if wire is None or flow is None or not capture or not number:
        return None
    side = wire.sides.get(str(capture).removesuffix(".pcapng").rpartition("-")[2])
    if side is None:
        return None
    rows = side.rows([flow], None)
    rows = rows[rows < number][-_MOST_FRAMES:]
    feed = _only(feed_of([side.index]), rows + 1)
    try:
        about, *lines = explain(feed, int(number))
    except LookupError:
        return None
    return _sorted(about, lines, tuple(decision.get("finding", ())))


def _only(feed: Feed, numbers: np.ndarray[Any, np.dtype[np.int64]]) -> Feed:
    """The feed of these frames alone; numbers count from 1."""
    rows = np.flatnonzero(np.isin(feed.numbers, numbers))
    index = feed.index
    part = Index(
        index.data,
        index.start[rows],
        index.length[rows],
        index.nanoseconds[rows],
        index.link_type[rows],
        index.interface[rows],
        index.direction[rows],
        index.injected[rows],
        index.descriptions,
    )
    return Feed(
        part,
        feed.sides[rows],
        feed.numbers[rows],
        feed.captures[rows],
        feed.seconds[rows],
    )


def _sorted(about: str, lines: list[str], keys: tuple[str, ...]) -> Sight:
    """Those that found something with their bytes; the others are counted."""
    blocks: list[list[str]] = []
    declined = undecided = 0
    keeping = False
    for line in lines:
        if line.startswith("      "):  # bytes that belong to the line before
            if keeping:
                blocks[-1].append(line)
            continue
        waits = _UNDECIDED in line and _CONCLUDES not in line
        keeping = not waits and _NOT_MINE not in line
        undecided += waits
        declined += not waits and not keeping
        if keeping:
            blocks.append([line[:_LONGEST] + ("…" if len(line) > _LONGEST else "")])

    def asked(block: list[str]) -> bool:
        return any(f" {key} = " in block[0] for key in keys)

    blocks.sort(key=lambda block: not asked(block))
    found = tuple(line for block in blocks for line in block)
    return Sight(about, found, any(map(asked, blocks)), declined, undecided)
