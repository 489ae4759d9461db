"""Joins the two captures of an exchange: what came in, what went on, what it made.

An exchange forwards frames as they are, so a frame that came in on one side and left on
the other is one frame with equal bytes. What came in and never left was stopped there;
what left and never came in, the exchange made itself.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filterlab.captures import pcapng
from filterlab.captures.index import Index, read_index
from filterlab.captures.pcapng import CaptureError
from filterlab.inspection.flow import PROTOCOL_NAMES, Ends
from filterlab.inspection.packet import dissect
from filterlab.policy.ends import ends_of
from filterlab.replay.headers import Headers, ethernet_frame, read_headers

INSIDE, OUTSIDE = "inside", "outside"
_NUMBERS = {name: number for number, name in PROTOCOL_NAMES.items()}
# Of one attempt; its pictures show a few dozen of them.
_MOST_FRAMES = 20_000
# A frame is on its other side before it came in, by the clocks of two writers.
_SKEW_NANOSECONDS = 2_000_000

Numbers = NDArray[np.int64]
Flow = tuple[int, frozenset[tuple[bytes, int]]]


@dataclass(frozen=True, slots=True)
class Crossing:
    """One frame at an exchange.

    `from_inside` says which way it goes. `came` and `left` are frame numbers in the
    captures of the sides where it came in and went out; None where it did not.
    """

    nanoseconds: int
    from_inside: bool
    frame: bytes
    came: int | None
    left: int | None
    delay: int = 0  # nanoseconds between the two

    @property
    def numbers(self) -> dict[str, int]:
        """Its frame number on each side that has it."""
        sides = (INSIDE, OUTSIDE) if self.from_inside else (OUTSIDE, INSIDE)
        both = zip(sides, (self.came, self.left), strict=True)
        return {side: number for side, number in both if number is not None}


@dataclass(frozen=True, slots=True)
class Side:
    """One capture, with its frames' headers."""

    index: Index
    headers: Headers
    flows: Mapping[Flow, list[int]]
    others: Mapping[Flow, list[int]]  # rows that are not read by columns

    @classmethod
    def read(cls, path: Path) -> Side:
        """Read a capture; raises CaptureError and OSError."""
        index = read_index(path)
        headers = read_headers(index, 0, len(index))
        flows: dict[Flow, list[int]] = defaultdict(list)
        for number, ends in enumerate(headers.ends):
            flows[flow_of(ends)].append(number)
        others: dict[Flow, list[int]] = defaultdict(list)
        for row in np.flatnonzero(headers.flow < 0).tolist():
            packet = dissect(ethernet_frame(index, row))
            if packet is not None and packet.whole:
                others[flow_of(ends_of(packet, True))].append(row)
        return cls(index, headers, flows, others)

    def rows(self, flows: Iterable[Flow], window: tuple[int, int] | None) -> Numbers:
        """The frames of these flows, counted from 0, in file order."""
        flows = list(flows)
        wanted = [number for flow in flows for number in self.flows.get(flow, ())]
        chosen = np.isin(self.headers.flow, wanted)
        for flow in flows:
            chosen[self.others.get(flow, [])] = True
        if window is not None:
            times = self.index.nanoseconds
            chosen &= (times >= window[0]) & (times <= window[1])
        return np.flatnonzero(chosen)[:_MOST_FRAMES]

    def flows_at(self, addresses: Collection[bytes]) -> list[Flow]:
        """The flows with one of these addresses at an end."""
        return [
            flow
            for flow in {**self.flows, **self.others}
            if any(address in addresses for address, _ in flow[1])
        ]


@dataclass(frozen=True, slots=True)
class Wire:
    """Both sides of one exchange."""

    exchange: str
    sides: Mapping[str, Side]

    def crossings(
        self, flows: Collection[Flow], window: tuple[int, int] | None
    ) -> list[Crossing]:
        """What these flows brought, in the order of time."""
        came: dict[str, list[tuple[int, int, bytes]]] = {}
        left: dict[str, dict[bytes, deque[tuple[int, int]]]] = {}
        for name, side in self.sides.items():
            came[name], left[name] = [], defaultdict(deque)
            for row in side.rows(flows, window).tolist():
                frame = side.index.frame(row)
                at = int(side.index.nanoseconds[row])
                if side.index.direction[row] == pcapng.OUTBOUND:
                    left[name][frame].append((at, row + 1))
                else:
                    came[name].append((at, row + 1, frame))
        found = [
            crossing
            for name, frames in came.items()
            for crossing in _joined(frames, left.get(_across(name), {}), name == INSIDE)
        ]
        for name, waiting in left.items():
            found += [
                Crossing(at, name != INSIDE, frame, None, number)
                for frame, places in waiting.items()
                for at, number in places
            ]
        return sorted(found, key=lambda crossing: crossing.nanoseconds)


def _joined(
    came: Sequence[tuple[int, int, bytes]],
    left: Mapping[bytes, deque[tuple[int, int]]],
    from_inside: bool,
) -> Iterable[Crossing]:
    for at, number, frame in came:
        places = left.get(frame)
        if places and places[0][0] >= at - _SKEW_NANOSECONDS:
            then, other = places.popleft()
            delay = max(then - at, 0)
            yield Crossing(at, from_inside, frame, number, other, delay)
        else:
            yield Crossing(at, from_inside, frame, number, None)


def _across(side: str) -> str:
    return OUTSIDE if side == INSIDE else INSIDE


def flow_of(ends: Ends) -> Flow:
    """A flow, whichever way its first frame went."""
    protocol, src, src_port, dst, dst_port = ends
    return protocol, frozenset(((src, src_port), (dst, dst_port)))


def flow_of_endpoint(endpoint: Sequence[Any]) -> Flow:
    """The flow of an endpoint as `result.json` lists it."""
    protocol, source, source_port, destination, destination_port = endpoint
    return _NUMBERS.get(str(protocol), 0), frozenset(
        (
            (ip_address(str(source)).packed, int(source_port)),
            (ip_address(str(destination)).packed, int(destination_port)),
        )
    )


def flow_of_decision(line: Mapping[str, Any]) -> Flow | None:
    """The flow of a line of `decisions.jsonl`."""
    flow = line.get("flow")
    if not flow:
        return None
    name = str(flow["protocol"])
    number = _NUMBERS[name] if name in _NUMBERS else int(name)
    return number, frozenset(
        (
            (ip_address(flow["client"]).packed, int(flow["client_port"])),
            (ip_address(flow["server"]).packed, int(flow["server_port"])),
        )
    )


def read_wires(folder: Path) -> tuple[dict[str, Wire], list[str]]:
    """The exchanges of a run's folder, and what could not be read of them."""
    sides: dict[str, dict[str, Side]] = defaultdict(dict)
    unread = []
    for path in sorted(folder.glob("*.pcapng")):
        exchange, _, side = path.stem.rpartition("-")
        if side not in (INSIDE, OUTSIDE):
            continue
        try:
            sides[exchange][side] = Side.read(path)
        except (CaptureError, OSError) as error:
            unread.append(f"{path.name} cannot be read: {error}")
    return {name: Wire(name, both) for name, both in sides.items()}, unread
