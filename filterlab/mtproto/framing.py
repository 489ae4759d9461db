"""Turns messages into MTProto's transport frames and back.

A connection begins with a tag that names its framing: abridged (0xef), intermediate
(0xeeeeeeee) or padded intermediate (0xdddddddd).

Source: core.telegram.org/mtproto/mtproto-transports.
"""

from __future__ import annotations

import os
from typing import Protocol

ABRIDGED, INTERMEDIATE, PADDED = b"\xef" * 4, b"\xee" * 4, b"\xdd" * 4
TAGS = (ABRIDGED, INTERMEDIATE, PADDED)
_WORD = 4  # abridged lengths count words of 32 bits
_LONG = 0x7F  # then three bytes of length follow
_MOST_PADDING = 15
# An encrypted message is a key id, a message key and blocks of AES (MTProto 2.0).
_ENVELOPE, _BLOCK = 24, 16
MOST_BYTES = 1 << 24


class Source(Protocol):
    """Something to read from."""

    async def read_exactly(self, size: int) -> bytes:
        """Exactly so many bytes; raises asyncio.IncompleteReadError at the end."""


def pack(tag: bytes, message: bytes) -> bytes:
    """One message as a frame."""
    if tag == ABRIDGED:
        words = len(message) // _WORD
        if words < _LONG:
            return bytes([words]) + message
        return bytes([_LONG]) + words.to_bytes(3, "little") + message
    if tag == PADDED:
        message += os.urandom(os.urandom(1)[0] % (_MOST_PADDING + 1))
    return len(message).to_bytes(4, "little") + message


async def read_message(tag: bytes, source: Source) -> bytes:
    """The next message; raises ValueError for a frame that none can have."""
    if tag == ABRIDGED:
        length = (await source.read_exactly(1))[0]
        if length == _LONG:
            length = int.from_bytes(await source.read_exactly(3), "little")
        return await source.read_exactly(length * _WORD)
    length = int.from_bytes(await source.read_exactly(4), "little")
    if not _ENVELOPE <= length <= MOST_BYTES:
        raise ValueError(f"a frame of {length} bytes")
    frame = await source.read_exactly(length)
    return frame[: length - (length - _ENVELOPE) % _BLOCK] if tag == PADDED else frame
