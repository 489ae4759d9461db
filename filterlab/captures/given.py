"""What an exchange's engine was given, frame by frame: `EXCHANGE-given.bin`.

A capture says when a frame passed an interface, not when an engine was asked about it,
nor under which policy: at a change of policy, and wherever two flows share a lot that
is drawn or a block, that moment and that order decide. So the exchange writes both
down, in a fixed number of bytes a frame, and a replay of the run needs no guess.

Records are little-endian: the time of day, the engine's clock, and the first eight
bytes of the SHA-1 of the frame. A record without a digest says that from here on the
next policy of the exchange's timeline decides.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from time import time
from typing import NamedTuple

RECORD = struct.Struct("<dd8s")
DIGEST_BYTES = 8  # two of a million frames are alike by chance once in 10^7 runs
CHANGE = bytes(DIGEST_BYTES)


class Given(NamedTuple):
    """One frame, or (where the digest is CHANGE) the moment of a new policy."""

    seconds: float  # since 1970, as captures have it
    now: float  # the clock that the engine was given
    digest: bytes


def digest_of(frame: bytes) -> bytes:
    """What tells a frame from others."""
    return sha1(frame, usedforsecurity=False).digest()[:DIGEST_BYTES]


def path_in(folder: Path, exchange: str) -> Path:
    """Where the frames given to an exchange stand in a run's folder."""
    return folder / f"{exchange}-given.bin"


def read_given(path: Path) -> Iterator[Given]:
    """The records of a file, in their order; a half-written last one is left out."""
    data = path.read_bytes()
    whole = len(data) // RECORD.size * RECORD.size
    return map(Given._make, RECORD.iter_unpack(data[:whole]))


class GivenLog:
    """The file as its exchange writes it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._waiting = bytearray()

    def frame(self, frame: bytes, now: float) -> None:
        """Note a frame that is given to the engine now."""
        self._waiting += RECORD.pack(time(), now, digest_of(frame))

    def change(self, seconds: float, now: float) -> None:
        """Note that the next policy decides from here on."""
        self._waiting += RECORD.pack(seconds, now, CHANGE)

    def flush(self) -> None:
        """Write what has been noted; whoever ends the process need not."""
        if self._waiting:
            os.write(self._file, self._waiting)
            self._waiting.clear()

    def close(self) -> None:
        """Give the file back."""
        self.flush()
        os.close(self._file)
