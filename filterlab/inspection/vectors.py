"""Reads vectors with their length before them, as TLS writes everything.

Source: RFC 8446, 3.4 (vectors); RFC 8701 (GREASE values, which mean nothing).
"""

from __future__ import annotations

from collections.abc import Iterator

GREASE = frozenset(high << 8 | high for high in range(0x0A, 0x100, 0x10))  # RFC 8701


class ShortError(Exception):
    """The message ends before what was to be read."""


def take(body: bytes, at: int, length_bytes: int) -> tuple[bytes, int]:
    """A vector with its length before it, and where it ends; may raise ShortError."""
    start = at + length_bytes
    end = start + int.from_bytes(body[at:start], "big")
    if start > len(body) or end > len(body):
        raise ShortError
    return body[start:end], end


def numbers(content: bytes) -> tuple[int, ...]:
    """A list of 16-bit numbers; half a number at the end is left out."""
    return tuple(
        content[i] << 8 | content[i + 1] for i in range(0, len(content) - 1, 2)
    )


def without_grease(listed: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers that mean something."""
    return tuple(number for number in listed if number not in GREASE)


def extensions(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Type and content of every extension (RFC 8446, 4.2); may raise ShortError."""
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    at += 2
    size = len(body)
    while at < end:
        start = at + 4
        if start > size:
            raise ShortError
        after = start + (body[at + 2] << 8 | body[at + 3])
        if after > size:
            raise ShortError
        yield body[at] << 8 | body[at + 1], body[start:after]
        at = after
