"""Gives the bytes of one TCP segment as they are, for boxes that search for a word.

Only boxes that read piece by piece have a use for it: what a whole stream holds is
known when it has ended. Source: Wireshark's `tcp.payload`; the laboratory censors of
Bock et al., "Geneva" (CCS 2019), 5.1, search each packet for a word.
"""

from __future__ import annotations

from typing import ClassVar

from filterlab.inspection.flow import TCP
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)


class Payload:
    """Finds whatever there is."""

    name: ClassVar[str] = "payload"
    protocols: ClassVar[frozenset[str]] = frozenset()
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = 16_384  # more than any segment of the lab carries
    each_message: ClassVar[bool] = False
    source: ClassVar[str] = "RFC 9293, 3.1; Wireshark's tcp.payload"
    false_positives: ClassVar[str] = (
        "a word may stand anywhere by chance: it is searched for in ciphertext too"
    )

    __slots__ = ("_held",)

    def __init__(self, transport: int, reading: Reading) -> None:
        self._held = bytearray()

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of either direction."""
        self._held += data[: self.byte_limit - len(self._held)]
        return NEED_DATA if len(self._held) < self.byte_limit else self.conclude()

    def conclude(self) -> Finding | Answer:
        """All that came."""
        if not self._held:
            return NOT_MINE
        return Finding("", {"tcp.payload": (self._held.decode("latin-1"),)})
