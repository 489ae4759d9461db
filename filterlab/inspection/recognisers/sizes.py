"""Describes a flow by the sizes and directions of its first packets.

It says nothing of what the flow is; rules may ask for the numbers. Eight packets are
enough for every published signature of sizes that is in the policy library; what is
sent again counts again, as a box that does not follow TCP would count it.

Source: the early-packet features of nDPI and NFStream.
"""

from __future__ import annotations

from typing import ClassVar

from filterlab.inspection.features import FIRST_PACKETS, Window
from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.packet import Packet
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

# Of a client that sends at least three packets of some length it is at least that long
# (net4people/bbs 363, Russia in April 2024).
_LARGEST = 3


class Sizes:
    """Notes the payload sizes of the first eight packets."""

    name: ClassVar[str] = "sizes"
    protocols: ClassVar[frozenset[str]] = frozenset()
    transports: ClassVar[frozenset[int]] = frozenset((TCP, UDP))
    byte_limit: ClassVar[int] = FIRST_PACKETS * 65_535
    each_message: ClassVar[bool] = False
    source: ClassVar[str] = "nDPI, NFStream: sizes and directions of early packets"
    false_positives: ClassVar[str] = "none: it measures, and says nothing more"

    packets: ClassVar[int] = FIRST_PACKETS

    __slots__ = ("_sizes",)

    def __init__(self, transport: int, reading: Reading) -> None:
        self._sizes: list[int] = []  # positive from the client, negative to it

    def observe(
        self, packet: Packet, from_client: bool, now: float
    ) -> Finding | Answer:
        """Take the next packet."""
        size = packet.end - packet.start
        if not size:
            return NEED_DATA
        return self._note(size if from_client else -size)

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the payload of one packet."""
        up = direction is Direction.TO_SERVER
        return self._note(len(data) if up else -len(data))

    def conclude(self) -> Finding | Answer:
        """The packets that there were."""
        return _finding(self._sizes)

    @staticmethod
    def measured(window: Window) -> Finding | Answer:
        """What a window says, of its first packets."""
        first = window.samples[:FIRST_PACKETS]
        return _finding([size if up else -size for up, size, _ in first])

    def _note(self, size: int) -> Finding | Answer:
        if size:
            self._sizes.append(size)
        return self.conclude() if len(self._sizes) >= FIRST_PACKETS else NEED_DATA


def _finding(sizes: list[int]) -> Finding | Answer:
    if not sizes:
        return NOT_MINE
    up = [size for size in sizes if size > 0]
    down = [-size for size in sizes if size < 0]
    fields = {"flow.sizes": (" ".join(f"{size:+d}" for size in sizes),)}
    if up:
        fields["flow.first_up"] = (str(up[0]),)
    if len(up) >= _LARGEST:
        fields["flow.up.third_largest"] = (str(sorted(up)[-_LARGEST]),)
    if down:
        fields["flow.first_down"] = (str(down[0]),)
    return Finding("", fields)
