"""Gives an engine the frames of a capture that could change anything, in their order.

A flow that is decided and left to the switch rests: further frames change nothing but
the moment when it was last seen, so they are passed over, many at a time. What is
given all the same: frames that open or end a connection, the first after a pause as
long as the policy's memory, those whose headers only `dissect` can read, and
everything while a residual block is in force or the engine's table could be full. So
the engine decides as if it had been given each frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from filterlab.inspection.flow import Ends
from filterlab.inspection.flow_table import Flow
from filterlab.inspection.packet import Packet, dissect
from filterlab.inspection.watch import Watch
from filterlab.policy.effects import Effect, Side
from filterlab.policy.ends import is_from_server
from filterlab.policy.engine import Engine
from filterlab.replay.feed import Feed, Network, inside_of
from filterlab.replay.headers import Numbers, Truths, ethernet_frame, read_headers

BATCH_FRAMES = 65_536  # some tens of megabytes of columns


@dataclass(frozen=True, slots=True)
class Given:
    """One frame that an engine was given, and what came of it.

    `flow` is the frame's flow afterwards, if it has one; `watch` is what had been
    read of it, if this frame decided it.
    """

    row: int
    flow: Flow | None
    is_new: bool  # the flow begins with this frame
    effects: Sequence[Effect]
    watch: Watch | None


class Passage:
    """The way of some frames through an engine."""

    def __init__(
        self,
        feed: Feed,
        engine: Engine,
        inside: Sequence[Network] = (),
        batch_frames: int = BATCH_FRAMES,
    ) -> None:
        self.feed = feed
        self.engine = engine
        self._inside = inside
        self._batch_frames = batch_frames
        self.expired = False  # flows were forgotten since somebody last asked

    def run(self, low: int = 0, high: int | None = None) -> Iterator[Given]:
        """Each frame that the engine was given, of rows `low` up to `high`."""
        end = len(self.feed.index) if high is None else high
        for start in range(low, end, self._batch_frames):
            batch = Batch(self, start, min(end, start + self._batch_frames))
            yield from batch.run()
            before = self.engine.flow_count
            self.engine.expire(batch.seconds[-1])
            self.expired = self.engine.flow_count < before

    def side(self, row: int, frame: bytes, flow: Flow | None) -> Side:
        """Where a frame came from, as well as it can be told."""
        told = self.feed.side(row)
        if told is not None:
            return told
        packet = dissect(frame)
        if packet is None:
            return Side.INSIDE
        if self._inside:
            is_inside = inside_of(packet.src, self._inside)
        elif flow is not None:
            is_inside = _sent(flow, packet) is flow.client_inside
        else:
            is_inside = not is_from_server(packet)
        return Side.INSIDE if is_inside else Side.OUTSIDE


class Batch:
    """Some frames on their way: which of them must be given to the engine."""

    def __init__(self, passage: Passage, low: int, high: int) -> None:
        self._passage = passage
        self._engine = engine = passage.engine
        self._low = low
        feed = passage.feed
        self._headers = headers = read_headers(feed.index, low, high)
        self._clock = feed.seconds[low:high]
        self.seconds: list[float] = self._clock.tolist()
        self._flow_of: list[int] = headers.flow.tolist()
        self._before: list[int] = headers.before.tolist()
        self._flows = [engine.flow_of(ends) for ends in headers.ends]
        self._rests = [flow is not None and flow.rests for flow in self._flows]
        self._must = headers.turning | (headers.flow < 0) | self._late()
        self._by_ends: dict[Ends, int] | None = None
        self._woken = False  # the frame given last may have woken flows
        self._all = False  # no flow of this batch rests any more
        self._next = 0  # rows before this one are counted by the engine

    def run(self) -> Iterator[Given]:
        """Give the engine what must be given, in order."""
        engine = self._engine
        strange = int((self._headers.flow < 0).sum()) + self._flows.count(None)
        # A full table forgets by when flows were last seen, which we would not know.
        self._all = engine.flow_count + strange >= engine.stack.max_flows
        must: list[bool] = self._must.tolist()
        at, end = 0, len(self.seconds)
        while at < end:
            self._all = self._all or engine.blocks_somebody
            for row in self._wanted(at):
                number = self._flow_of[row]
                if not self._all and not must[row] and self._rests[number]:
                    continue
                yield self._give(row, number)
                if self._woken or (engine.blocks_somebody and not self._all):
                    at = row + 1  # whoever comes now may meet the block
                    break
            else:
                at = end
        engine.pass_over(end - self._next)
        self._catch_up(self._headers.last)

    def _wanted(self, at: int) -> list[int]:
        """The rows from `at` on that may have to be given."""
        if self._all or not any(self._rests):
            return list(range(at, len(self.seconds)))
        flow = self._headers.flow
        awake = ~np.array(self._rests, np.bool_)
        awake[flow[self._must & (flow >= 0)]] = True  # it may begin anew
        may = self._must | awake[flow]
        wanted: list[int] = (np.flatnonzero(may[at:]) + at).tolist()
        return wanted

    def _late(self) -> Truths:
        """Frames that come after a pause in which their flow was forgotten."""
        idle_seconds = self._engine.stack.idle_seconds
        before = self._headers.before
        late: Truths = (before >= 0) & (
            self._clock - self._clock[before] > idle_seconds
        )
        for number, flow in enumerate(self._flows):
            if flow is not None:
                row = self._headers.first[number]
                late[row] = self._clock[row] - flow.last_seen > idle_seconds
        return late

    def _give(self, row: int, number: int) -> Given:
        passage, engine = self._passage, self._engine
        self._woken = False
        frame = ethernet_frame(passage.feed.index, self._low + row)
        before = self._before[row]
        ends: Ends | None = None
        if number < 0:
            packet = dissect(frame)
            ends = _ends(packet)
            number, before = self._known(ends, row)
            if packet is not None and not packet.whole and not self._all:
                self._wake(row)
        if number >= 0:
            ends, was = self._headers.ends[number], self._flows[number]
            if was is not None and before >= 0:
                was.last_seen = max(was.last_seen, self.seconds[before])
        else:
            was = engine.flow_of(ends) if ends else None
        side = passage.side(self._low + row, frame, was)
        engine.concluded = None
        engine.pass_over(row - self._next)
        self._next = row + 1
        effects = engine.receive(frame, self.seconds[row], side)
        flow = engine.flow_of(ends) if ends is not None else None
        if number >= 0:
            self._flows[number] = flow
            rests = flow is not None and flow.rests
            if self._flow_of[row] < 0 and self._rests[number] and not rests:
                self._woken = True
            self._rests[number] = rests
        is_new = flow is not None and flow is not was
        return Given(self._low + row, flow, is_new, effects, engine.concluded)

    def _wake(self, row: int) -> None:
        """From a fragment on, nothing rests: the engine may make it a whole packet."""
        flow = self._headers.flow[:row]
        last = np.full(len(self._flows), -1, np.int64)
        last[flow[flow >= 0]] = np.flatnonzero(flow >= 0)
        self._catch_up(last)
        self._all = self._woken = True

    def _known(self, ends: Ends | None, row: int) -> tuple[int, int]:
        """The number of the flow of a frame that only `dissect` can read, or -1.

        And the row of the flow's frame before it, or -1.
        """
        if ends is None:
            return -1, -1
        if self._by_ends is None:
            listed = enumerate(self._headers.ends)
            self._by_ends = {either: n for n, e in listed for either in (e, _turned(e))}
        number = self._by_ends.get(ends, -1)
        if number < 0:
            return -1, -1
        rows = np.flatnonzero(self._headers.flow[:row] == number)
        return number, int(rows[-1]) if len(rows) else -1

    def _catch_up(self, last: Numbers) -> None:
        """Tell the flows when they were last seen, by the row of each; -1 is none."""
        for flow, row in zip(self._flows, last.tolist(), strict=True):
            if flow is not None and row >= 0:
                flow.last_seen = max(flow.last_seen, self.seconds[row])


def _ends(packet: Packet | None) -> Ends | None:
    if packet is None:
        return None
    source, target = (packet.src, packet.src_port), (packet.dst, packet.dst_port)
    return packet.protocol, *source, *target


def _turned(ends: Ends) -> Ends:
    protocol, src, src_port, dst, dst_port = ends
    return protocol, dst, dst_port, src, src_port


def _sent(flow: Flow, packet: Packet) -> bool:
    """Whether the flow's client sent this packet."""
    return (packet.src, packet.src_port) == flow.ends[1:3]
