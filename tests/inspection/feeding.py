"""Feeds a recogniser every way there is, and tells what it said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from filterlab.inspection.flow import TCP
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    QuicReading,
    Reading,
    Recogniser,
)


def fed(
    recogniser: type[Recogniser],
    pieces: Iterable[bytes],
    transport: int = TCP,
    reading: Reading | None = None,
    direction: Direction = Direction.TO_SERVER,
) -> Finding | Answer:
    """What a fresh recogniser says of these pieces, in order, until it is decided."""
    subject = recogniser(transport, reading or Reading())
    said: Finding | Answer = NEED_DATA
    for piece in pieces:
        said = subject.feed(direction, piece)
        if said is not NEED_DATA:
            return said
    return said


def every_way(data: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, with trailing bytes, and split at every place."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    yield [data + b"trailing"]
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]


def never_guesses(recogniser: type[Recogniser], data: bytes) -> None:
    """Truncated anywhere, the whole finding or NEED_DATA, never another finding."""
    whole = fed(recogniser, [data])
    assert isinstance(whole, Finding)
    for at in range(len(data)):
        said = fed(recogniser, [data[:at]])
        assert said in (NEED_DATA, whole), at


def concluded(
    recogniser: type[Recogniser], data: bytes, reading: Reading | None = None
) -> Finding | Answer:
    """What is said of data after which nothing comes."""
    subject = recogniser(TCP, reading or Reading())
    said = subject.feed(Direction.TO_SERVER, data)
    return subject.conclude() if said is NEED_DATA else said


def talked(
    recogniser: type[Recogniser],
    *pieces: tuple[Direction, bytes],
    transport: int = TCP,
    reading: Reading | None = None,
    to_the_end: bool = False,
) -> Finding | Answer:
    """What is said of what both ends say, in turn; concluded if they have ended."""
    subject = recogniser(transport, reading or Reading())
    for direction, data in pieces:
        said = subject.feed(direction, data)
        if said is not NEED_DATA:
            return said
    return subject.conclude() if to_the_end else NEED_DATA


def never_raises(
    recogniser: type[Recogniser], transport: int, pieces: Iterable[tuple[bool, bytes]]
) -> None:
    """Whatever comes from whoever, an answer is given; at the end, for good."""
    subject = recogniser(transport, Reading(quic=QuicReading()))
    for from_client, data in pieces:
        direction = Direction.TO_SERVER if from_client else Direction.TO_CLIENT
        said = subject.feed(direction, data)
        assert isinstance(said, Finding | Answer)
        if said is not NEED_DATA:
            return
    assert subject.conclude() is not NEED_DATA


__all__ = [
    "NOT_MINE",
    "concluded",
    "every_way",
    "fed",
    "never_guesses",
    "never_raises",
    "talked",
]
