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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from filterlab.captures.frames import ETHERNET
from filterlab.inspection.checksum import checksums_right
from filterlab.inspection.flow import TCP, Ends
from filterlab.inspection.flow_table import Flow, State
from filterlab.inspection.packet import Packet, dissect, packet_of
from filterlab.inspection.watch import Sized, Watch
from filterlab.policy.effects import Effect, Side
from filterlab.policy.ends import is_from_server
from filterlab.policy.engine import Engine
from filterlab.replay.chunk import One, listed
from filterlab.replay.feed import Feed, Network, inside_of
from filterlab.replay.headers import Numbers, Truths, ethernet_frame, read_headers

BATCH_FRAMES = 65_536  # some tens of megabytes of columns


CHUNK_FRAMES = 4096  # after which it is asked anew which flows rest
# How much a flow rests, and how much it must for a frame to be passed over: an open one
# that is followed by its data alone has no use for empty segments.
AWAKE, SPEAKS, RESTS, MUST = range(4)


class Given(NamedTuple):
    """One frame that changed something, and what came of it.

    `flow` is the frame's flow afterwards, if it has one; `watch` is what had been
    read of it, if this frame decided it.
    """

    row: int
    flow: Flow | None
    is_new: bool  # the flow begins with this frame
    effects: Sequence[Effect]
    watch: Watch | None


class Passage:
    """The way of some frames through an engine.

    `given` counts the frames that it was given. `rows` has the last frame of flows that
    stayed open, by their ids: frames that changed nothing are not told of.
    """

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
        self.asks_sides = bool(inside)  # else a flow's client says where it is
        self._batch_frames = batch_frames
        self.expired = False  # flows were forgotten since somebody last asked
        self.given = 0
        self.rows: dict[int, int] = {}

    def run(self, low: int = 0, high: int | None = None) -> Iterator[Given]:
        """Each frame that changed what is known, of rows `low` up to `high`."""
        end = len(self.feed.index) if high is None else high
        for start in range(low, end, self._batch_frames):
            batch = Batch(self, start, min(end, start + self._batch_frames))
            yield from batch.run()
            before = self.engine.flow_count
            self.engine.expire(batch.seconds[-1])
            self.expired = self.engine.flow_count < before

    def side(self, row: int, packet: Packet | None, flow: Flow | None) -> Side:
        """Where a frame came from, as well as it can be told."""
        told = self.feed.side(row)
        if told is not None:
            return told
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
        self._index = feed.index
        self._headers = headers = read_headers(feed.index, low, high)
        self._clock = feed.seconds[low:high]
        self.seconds: list[float] = self._clock.tolist()
        self._flows = [engine.flow_of(ends) for ends in headers.ends]
        # How much each flow rests; one more, for frames of none.
        self._rests = bytearray((*map(_rest, self._flows), 0))
        self._needs = self._needed()
        self._asks_sides = passage.asks_sides or bool(feed.sides[low:high].any())
        self._plain = bool((feed.index.link_type[low:high] == ETHERNET).all())
        self._reads_ahead = self._plain and not engine.may_block
        self._bytes = feed.index.data.data
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
        at, end = 0, len(self.seconds)
        while at < end:
            self._all = self._all or engine.blocks_somebody
            stop = min(end, at + CHUNK_FRAMES)
            wanted = self._wanted(at, stop)
            read = bytearray(len(wanted))  # which have been, before their turn
            for place, one in enumerate(wanted):
                if read[place] or self._may_pass(one):
                    continue
                given = self._give(one)
                if given is not None:
                    yield given
                if self._woken or (engine.blocks_somebody and not self._all):
                    at = one.row + 1  # whoever comes now may meet the block
                    break
                self._read_ahead(one, wanted, read)
            else:
                at = stop
        engine.pass_over(end - self._next)
        self._catch_up(self._headers.last)

    def _may_pass(self, one: One) -> bool:
        return not self._all and self._rests[one.number] >= one.needs

    def _read_ahead(self, one: One, wanted: list[One], read: bytearray) -> None:
        """Read the frames of an open flow that follow, until one says something.

        What a flow says is its own: as long as no rule blocks others for it, nobody
        can tell when it was read. The frame that says something is given in its turn.
        """
        if self._all or not self._reads_ahead or self._rests[one.number] != SPEAKS:
            return
        flow, ends = self._flows[one.number], self._headers.ends[one.number]
        watch = None if flow is None else flow.watch
        if flow is None or watch is None or flow.ends not in (ends, _turned(ends)):
            return
        run: list[tuple[int, Sized]] = []
        coming = self._run(run, one, wanted, read, flow.ends == ends)
        done = 0
        while not watch.foreseen:
            done += watch.count_ahead(coming)
            if not watch.foreseen:
                if done == len(run) and next(coming, None) is None:
                    break
                at, (from_client, _, now, _) = run[done]
                watch.look_ahead(self._packet(wanted[at]), from_client, now)
                done += 1
            if watch.foreseen and self._engine.waits(flow):
                watch.foreseen = False  # nothing that would decide
        done -= watch.foreseen  # that one must be given
        self._passage.given += done
        for at, _ in run[:done]:
            read[at] = True

    def _run(
        self,
        run: list[tuple[int, Sized]],
        one: One,
        wanted: list[One],
        read: bytearray,
        is_clients: bool,
    ) -> Iterator[Sized]:
        """The frames of its flow that follow one, and can be read now; noted in `run`.

        Of those that arrived broken or empty, it is enough to say that they were read.
        """
        seconds, asks_sums, at = self.seconds, self._engine.asks_sums, one.after
        is_tcp = self._headers.ends[one.number][0] == TCP
        while at >= 0:
            coming = wanted[at]
            row, _, needs, _, after, onward, _, _, flags, places, right = coming
            if needs == MUST:
                return
            _, _, start, end, seq, ack, _, _ = places
            if needs == RESTS and not read[at]:
                if right is None and asks_sums:
                    right = checksums_right(self._packet(coming))
                if start != end and (right or not asks_sums):
                    segment = (seq, ack, flags) if is_tcp else None
                    sized = onward is is_clients, end - start, seconds[row], segment
                    run.append((at, sized))
                    yield sized
                else:
                    read[at] = True
                    self._passage.given += 1
            at = after

    def _needed(self) -> NDArray[np.uint8]:
        """How little its flow must rest for each frame to be given."""
        headers = self._headers
        places = headers.places
        needs = np.full(len(headers.flow), RESTS, np.uint8)
        is_empty = (headers.protocol == TCP) & (places[:, 2] == places[:, 3])
        needs[is_empty] = SPEAKS
        needs[headers.turning | (headers.flow < 0) | self._late()] = MUST
        return needs

    def _wanted(self, at: int, stop: int) -> list[One]:
        """The rows from `at` up to `stop` that may have to be given."""
        headers, rows = self._headers, np.arange(at, stop)
        if not self._all:
            flow = headers.flow[at:stop]
            needs = self._needs[at:stop]
            rests = np.frombuffer(bytes(self._rests), np.uint8)
            turns = np.zeros(len(rests), np.bool_)
            turns[flow[needs == MUST]] = True  # such a flow may begin anew
            rows = rows[(rests[flow] < needs) | turns[flow]]
        asks_sums = self._plain and self._engine.asks_sums
        return listed(self._index, self._low, headers, rows, self._needs, asks_sums)

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

    def _give(self, one: One) -> Given | None:
        """Give the engine a frame; None if it changed nothing."""
        passage, engine = self._passage, self._engine
        self._woken = False
        passage.given += 1
        engine.concluded = None
        engine.pass_over(one.row - self._next)
        self._next = one.row + 1
        if one.number < 0 or not self._plain:
            return self._give_unread(one)
        number = one.number
        packet = self._packet(one)
        was = self._flows[number]
        if was is not None and one.before >= 0:
            was.last_seen = max(was.last_seen, self.seconds[one.before])
        side = Side.INSIDE
        if self._asks_sides or was is None:
            side = passage.side(self._low + one.row, packet, was)
        elif ((packet.src, packet.src_port) == was.ends[1:3]) is not was.client_inside:
            side = Side.OUTSIDE
        effects = engine.receive_packet(packet, self.seconds[one.row], side)
        flow = engine.current
        if flow is was and flow is not None:
            if flow.state is State.OPEN and not flow.each_message:
                if len(effects) == engine.quiet:
                    return None
            else:
                self._rests[number] = _rest(flow)
        else:
            self._flows[number] = flow
            self._rests[number] = _rest(flow)
            if was is not None:
                self._left(was, one.before)
        is_new = flow is not None and flow is not was
        return Given(self._low + one.row, flow, is_new, effects, engine.concluded)

    def _packet(self, one: One) -> Packet:
        frame = bytes(self._bytes[one.start : one.start + one.length])
        protocol, src, src_port, dst, dst_port = self._headers.ends[one.number]
        way = (src, src_port, dst, dst_port)
        if not one.onward:
            way = (dst, dst_port, src, src_port)
        return packet_of(frame, way, protocol, one.flags, one.places, one.right)

    def _give_unread(self, one: One) -> Given:
        """Give the engine a frame that `dissect` must read."""
        passage, engine = self._passage, self._engine
        number, before, row = one.number, one.before, one.row
        frame = ethernet_frame(self._index, self._low + row)
        packet = dissect(frame)
        ends: Ends | None = None
        if number < 0:
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
        side = passage.side(self._low + row, packet, was)
        effects = engine.receive(frame, self.seconds[row], side)
        flow = engine.flow_of(ends) if ends is not None else None
        if number >= 0:
            self._flows[number] = flow
            rests = _rest(flow)
            if one.number < 0 and self._rests[number] > rests:
                self._woken = True
            self._rests[number] = rests
        if was is not None and flow is not was:
            self._left(was, before)
        is_new = flow is not None and flow is not was
        return Given(self._low + row, flow, is_new, effects, engine.concluded)

    def _left(self, flow: Flow, row: int) -> None:
        """Remember the last frame of a flow that another has taken the place of."""
        if row >= 0 and flow.state is State.OPEN:
            self._passage.rows[id(flow)] = self._low + row

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
        rows = self._passage.rows
        for flow, row in zip(self._flows, last.tolist(), strict=True):
            if flow is not None and row >= 0:
                flow.last_seen = max(flow.last_seen, self.seconds[row])
                if flow.state is State.OPEN:
                    rows[id(flow)] = self._low + row


def _rest(flow: Flow | None) -> int:
    """How much a flow rests: no frame need be given that needs as much."""
    if flow is None:
        return AWAKE
    if flow.state is State.OPEN:
        listens = flow.place is None and flow.until is None and not flow.each_message
        return SPEAKS if listens else AWAKE
    return RESTS if flow.rests else AWAKE


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
