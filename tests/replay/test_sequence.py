"""The frames of a run in the order in which its exchange was given them."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.captures.given import CHANGE, Given, digest_of
from filterlab.captures.pcapng import INBOUND, OUTBOUND
from filterlab.policy.effects import Side
from filterlab.replay.feed import feed_of
from filterlab.replay.sequence import Act, in_order
from filterlab.replay.story import read
from tests.inspection.wire import query
from tests.replay.captures import START, of_exchange

ONE, TWO, THREE, FOUR = (query(f"{n}.example") for n in "abcd")


def act(tmp_path: Path, *given: Given, only_given: bool = False) -> list[Act]:
    """What a run of five seconds with these frames was, as its exchange tells it."""
    inside = [
        (1.0, ONE, INBOUND, ""),
        (1.1, TWO, INBOUND, ""),
        (3.0, THREE, INBOUND, ""),
        (4.0, TWO, INBOUND, ""),
    ]
    outside = [(1.2, ONE, OUTBOUND, ""), (3.5, FOUR, INBOUND, "")]
    captures = [
        of_exchange(tmp_path / "x-inside.pcapng", "inside", inside),
        of_exchange(tmp_path / "x-outside.pcapng", "outside", outside),
    ]
    feed = feed_of([read(path) for path in captures])
    sequenced = in_order(feed, given, 2.0, only_given)
    assert sequenced.missing == 0
    return sequenced.acts


def change(seconds: float) -> Given:
    return Given(START + seconds, seconds * 2, CHANGE)


def frame(data: bytes, seconds: float) -> Given:
    return Given(START + seconds, seconds * 2, digest_of(data))


def test_a_frame_is_of_the_policy_that_it_was_given_to(tmp_path: Path) -> None:
    # It was captured at 1.1, and had to wait until the second policy had come.
    first, second = act(
        tmp_path,
        change(0.5),
        frame(ONE, 1.01),
        change(1.2),
        frame(TWO, 1.21),
        frame(THREE, 3.01),
        frame(TWO, 4.01),
    )
    assert first.digests == [digest_of(ONE)]
    assert second.digests[0] == digest_of(TWO)
    assert second.feed.side(0) is Side.INSIDE


def test_frames_are_in_the_order_of_their_engine(tmp_path: Path) -> None:
    (only,) = act(
        tmp_path,
        change(0.5),
        frame(TWO, 1.15),
        frame(ONE, 1.16),
        frame(THREE, 3.6),
        frame(TWO, 4.1),
    )
    # The fourth was never given: the switch had it at 3.5.
    order = [TWO, ONE, FOUR, THREE, TWO]
    assert only.digests == list(map(digest_of, order))
    assert only.feed.seconds == pytest.approx([2.3, 2.32, 7.0, 7.2, 8.2])


def test_what_was_not_given_can_be_left_out(tmp_path: Path) -> None:
    given = (change(0.5), frame(ONE, 1.1), frame(TWO, 4.1))
    (only,) = act(tmp_path, *given, only_given=True)
    assert only.digests == list(map(digest_of, (ONE, TWO)))


def test_what_nobody_was_given_around_a_change_is_left_out(tmp_path: Path) -> None:
    first, second = act(
        tmp_path, change(0.9), frame(TWO, 1.15), change(3.1), frame(TWO, 4.5)
    )
    assert first.digests == [digest_of(TWO)]
    assert second.digests == list(map(digest_of, (FOUR, TWO)))


def test_a_frame_that_no_capture_holds_is_missing(tmp_path: Path) -> None:
    capture = of_exchange(
        tmp_path / "x-inside.pcapng", "inside", [(1.0, ONE, INBOUND, "")]
    )
    given = [change(0.5), frame(ONE, 1.1), frame(TWO, 1.2)]
    assert in_order(feed_of([read(capture)]), given, 1.0).missing == 1
