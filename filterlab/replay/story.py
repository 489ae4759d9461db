"""Tells what a policy decides about the frames of captures, line by line, and sums up.

There is a line for each frame that a rule decided on, for each flow that no rule is
true of (`allow`, at the frame that settled it), and at its end for each flow of which
nothing could be said (`undecided`).
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from filterlab.captures.index import Index, read_index
from filterlab.captures.pcapng import CaptureError
from filterlab.inspection.flow import FlowKey
from filterlab.inspection.flow_table import Flow, State
from filterlab.inspection.watch import Watch
from filterlab.policy.effects import Log
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Policy
from filterlab.policy.verdict import Decision, Verdict
from filterlab.replay.feed import Feed, Network, feed_of
from filterlab.replay.headers import LINKS
from filterlab.replay.passage import Given, Passage

# New objects after which Python looks for cycles: those of some ten thousand flows.
_COLLECTED = 200_000


class NoCapture(Exception):  # noqa: N818 - what it is, not an error of ours
    """A file that cannot be replayed; the text says which, and why."""


class Told(NamedTuple):
    """One frame, and what was decided about its flow there."""

    capture: str
    frame: int  # as Wireshark counts
    time: float  # seconds since 1970
    flow: FlowKey
    verdict: Verdict
    finding: Mapping[str, str]
    decision: Decision | None = None  # None: no rule struck

    def as_json(self) -> dict[str, Any]:
        """The line as one JSON object."""
        made = self.decision
        return {
            "frame": self.frame,
            "time": self.time,
            "flow": self.flow.as_json(),
            "finding": dict(self.finding),
            "verdict": self.verdict.value,
            "rule": made.rule if made else None,
            "source": made.source if made else None,
            "action": made.action if made else None,
            "residual": made.residual if made else False,
            "capture": self.capture,
        }


@dataclass(slots=True)
class Summary:
    """What a replay came to."""

    frames: int = 0
    flows: int = 0
    bytes: int = 0
    seconds: float = 0.0  # that the replay took
    looked_at: int = 0  # frames that the engine was given
    spans_seconds: float = 0.0  # from the first to the last frame
    decisions: dict[str, int] = field(default_factory=dict)
    left_out: int = 0  # frames that the exchange itself sent
    unread: int = 0  # frames of a link type that nobody here reads
    truncated: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The last line of a replay in JSON."""
        names = self.__dataclass_fields__
        found = {name: getattr(self, name) for name in names}
        rounded = {k: round(found[k], 6) for k in ("seconds", "spans_seconds")}
        return found | rounded


class Replay:
    """One policy over one or several captures; iterate, then read the summary."""

    def __init__(
        self,
        policy: Policy,
        captures: Sequence[Path],
        inside: Sequence[Network] = (),
        seed: int = 1,
    ) -> None:
        self._names = [path.name for path in captures]
        self._started = time.perf_counter()
        self._indexes = [read(path) for path in captures]
        self.feed = feed_of(self._indexes)
        self._policy = policy
        self._inside = inside
        self._seed = seed
        self.summary = _counted(self._indexes, self.feed)

    def __iter__(self) -> Iterator[Told]:
        """Each line, as soon as it is known."""
        with _seldom_collected():
            yield from self._told()
        self.summary.seconds = time.perf_counter() - self._started

    def _told(self) -> Iterator[Told]:
        """The lines; flows are let go of at the end, so that nobody has to count them.

        Whoever looks for reference cycles looks at all that is held.
        """
        engine = Engine(self._policy, random.Random(self._seed).random)
        passage = Passage(self.feed, engine, self._inside)
        teller = Teller(self._names, passage)
        summary = self.summary
        for told in teller.tell():
            verdict = told.verdict.value
            summary.decisions[verdict] = summary.decisions.get(verdict, 0) + 1
            yield told
        summary.flows, summary.looked_at = teller.flows, passage.given


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Look for reference cycles more seldom: flows make none, and there are many."""
    before = gc.get_threshold()
    gc.set_threshold(max(_COLLECTED, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Teller:
    """Turns what an engine was given into lines."""

    def __init__(self, names: Sequence[str], passage: Passage) -> None:
        self._names = names
        self._passage = passage
        # Flows of which nothing has been said yet, with their last frame.
        self._open: dict[int, tuple[Flow, int]] = {}
        self.flows = 0

    def tell(self, low: int = 0, high: int | None = None) -> Iterator[Told]:
        """The lines of some frames, and of the flows that are left at the end."""
        for given in self._passage.run(low, high):
            self.flows += given.is_new
            if self._passage.expired:
                self._passage.expired = False
                yield from self._forgotten()
            yield from self._of_frame(given)
        for flow, row in self._open.values():
            yield self._left(flow, row)
        self._open.clear()

    def _of_frame(self, given: Given) -> Iterator[Told]:
        flow, struck = given.flow, False
        for effect in given.effects:
            if isinstance(effect, Log):
                struck = True
                yield self._decided(given.row, effect.decision)
        if flow is None:
            return
        if struck and flow.each_message:
            self._open.pop(id(flow), None)  # what comes after it is another question
        elif flow.state is State.OPEN:
            self._open[id(flow)] = flow, given.row
        else:
            was_open = self._open.pop(id(flow), None) is not None
            if not struck and (was_open or given.is_new):
                yield self._line(given.row, flow, Verdict.ALLOW, given.watch)

    def _forgotten(self) -> Iterator[Told]:
        flow_of = self._passage.engine.flow_of
        gone = [n for n, (f, _) in self._open.items() if flow_of(f.ends) is not f]
        for number in gone:
            yield self._left(*self._open.pop(number))

    def _left(self, flow: Flow, row: int) -> Told:
        row = max(row, self._passage.rows.pop(id(flow), row))
        # Messages are allowed one by one; a stream that never said enough is not.
        verdict = Verdict.ALLOW if flow.each_message else Verdict.UNDECIDED
        return self._line(row, flow, verdict, flow.watch)

    def _decided(self, row: int, made: Decision) -> Told:
        capture, number, seconds = self._place(row)
        return Told(
            capture, number, seconds, made.flow, made.verdict, made.finding, made
        )

    def _line(
        self, row: int, flow: Flow, verdict: Verdict, watch: Watch | None
    ) -> Told:
        capture, number, seconds = self._place(row)
        finding = found_by(watch)
        return Told(capture, number, seconds, flow.key, verdict, finding)

    def _place(self, row: int) -> tuple[str, int, float]:
        feed = self._passage.feed
        seconds = int(feed.index.nanoseconds[row]) / 1e9
        name = self._names[int(feed.captures[row])]
        return name, int(feed.numbers[row]), seconds


def found_by(watch: Watch | None) -> dict[str, str]:
    """Everything that has been found in a flow, protocol first."""
    if watch is None:
        return {}
    found: dict[str, str] = {}
    for finding in watch.found.values():
        found.setdefault("protocol", finding.protocol)
        for key, said in finding.fields.items():
            found[key] = said[0] if len(said) == 1 else ",".join(said)
    return found


def read(path: Path) -> Index:
    """The index of a capture; raises NoCapture."""
    try:
        return read_index(path)
    except IsADirectoryError:
        raise NoCapture(f"{path}: error: this is a folder, not a capture") from None
    except CaptureError as why:
        raise NoCapture(f"{path}: error: {why}") from None
    except OSError as why:
        said = (why.strerror or str(why)).lower()
        raise NoCapture(f"{path}: error: cannot be read: {said}") from None


def _counted(indexes: Sequence[Index], feed: Feed) -> Summary:
    """What can be said of captures without an engine."""
    index = feed.index
    total = sum(map(len, indexes))
    nanoseconds = index.nanoseconds
    return Summary(
        frames=len(index),
        bytes=int(index.length.sum()),
        spans_seconds=float(nanoseconds.max() - nanoseconds.min()) / 1e9
        if len(index)
        else 0.0,
        left_out=total - len(index),
        unread=int((~np.isin(index.link_type, list(LINKS))).sum()),
        truncated=tuple(i.truncated for i in indexes if i.truncated is not None),
    )
