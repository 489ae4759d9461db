"""Puts the frames of a run in the order in which its exchange was given them.

    captures of both sides + EXCHANGE-given.bin -> one feed for each policy

A frame that was given belongs to the policy that it was given to, at the moment that
the engine was told; two equal frames came in the order of their captures. What was
never given, the switch handled alone: it is put in by the time of its capture, so that
a replay finds out whether the switch was right to. Only around a change of policy
nobody can say which policy's entries such a frame met, and it is left out; and so is
what came after the controller had ended.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from filterlab.captures.given import CHANGE, Given, digest_of
from filterlab.replay.feed import Feed, Numbers

# A frame waits for the switch, and the switch for its new entries. What is left out is
# only what no engine was ever given, so that this may be generous.
_TURN_SECONDS = 0.25

Moments = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Act:
    """The frames of one policy's time, in the order of its engine."""

    feed: Feed
    digests: list[bytes]  # of each row's frame
    until: float  # what the engine's clock showed when the next policy came


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What an exchange saw under each of its policies."""

    acts: list[Act]
    missing: int  # frames that were given, and that no capture holds


def in_order(
    feed: Feed, given: Sequence[Given], rate: float, only_given: bool = False
) -> Sequenced:
    """The frames under each policy of the timeline; those before the first apart.

    With `only_given`, without what the switch handled alone.
    """
    digests = [digest_of(frame) for frame in _frames(feed)]
    claimed, missing = _claim(feed, digests, given)
    changes = [n for n, record in enumerate(given) if record.digest == CHANGE]
    acts = []
    for number, first in enumerate(changes):
        last = changes[number + 1] if number + 1 < len(changes) else len(given)
        until = _end(given, first if only_given else last)
        rows, times, clock = _between(feed, claimed, given, first, last, until, rate)
        order = np.lexsort((np.arange(len(rows)), times))
        seconds = np.maximum.accumulate(clock[order]) if len(rows) else clock
        chosen = rows[order]
        acts.append(
            Act(
                picked(feed, chosen, seconds),
                [digests[row] for row in chosen.tolist()],
                given[last].now if last < len(given) else inf,
            )
        )
    return Sequenced(acts, missing)


def _frames(feed: Feed) -> Iterator[bytes]:
    return map(feed.index.frame, range(len(feed.index)))


def _claim(
    feed: Feed, digests: list[bytes], given: Sequence[Given]
) -> tuple[dict[int, int], int]:
    """Which row each record is of: the latest that was there by then and is free."""
    rows: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests):
        rows[digest].append(row)
    moments = feed.index.nanoseconds.tolist()
    claimed: dict[int, int] = {}
    missing = 0
    for number, record in enumerate(given):
        if record.digest == CHANGE:
            continue
        free = rows[record.digest]
        by_then = bisect_right(free, record.seconds * 1e9, key=moments.__getitem__)
        if not by_then:
            missing += 1
            continue
        claimed[free.pop(by_then - 1)] = number
    return claimed, missing


def _end(given: Sequence[Given], last: int) -> float:
    """Until when a frame counts that nobody was given.

    The controller ends before the captures do: after its last frame none does.
    """
    return given[min(last, len(given) - 1)].seconds


def _between(
    feed: Feed,
    claimed: dict[int, int],
    given: Sequence[Given],
    first: int,
    last: int,
    until: float,
    rate: float,
) -> tuple[Numbers, Moments, Moments]:
    """The rows of one policy, with the time and the engine's clock at each."""
    since = given[first].seconds
    records = given[first:last]
    starts = [record.seconds for record in records]
    rows, times, clock = [], [], []
    for row, nanoseconds in enumerate(feed.index.nanoseconds.tolist()):
        number = claimed.get(row)
        if number is None:
            moment = nanoseconds / 1e9
            if not since + _TURN_SECONDS <= moment < until - _TURN_SECONDS:
                continue
            before = records[bisect_right(starts, moment) - 1]
            now = before.now + (moment - before.seconds) * rate
        elif first < number < last:
            moment, now = given[number].seconds, given[number].now
        else:
            continue
        rows.append(row)
        times.append(moment)
        clock.append(now)
    return np.array(rows, np.int64), np.array(times), np.array(clock)


def picked(feed: Feed, rows: Numbers, seconds: Moments) -> Feed:
    """These rows of a feed, at these moments."""
    index = feed.index
    columns = ("start", "length", "nanoseconds", "link_type", "interface", "direction")
    some = {name: getattr(index, name)[rows] for name in (*columns, "injected")}
    return Feed(
        replace(index, **some),
        feed.sides[rows],
        feed.numbers[rows],
        feed.captures[rows],
        seconds,
    )
