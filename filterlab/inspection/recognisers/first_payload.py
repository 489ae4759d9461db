"""Describes a client's first payload: its length, set bits, entropy, printable bytes.

It says nothing of what the flow is; rules may ask for the numbers. Source: the
quantities of Wu et al. (USENIX Security 2023), section 4, and of Wang et al. (CCS
2015), section 5.1.
"""

from __future__ import annotations

from typing import ClassVar

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
from filterlab.inspection.statistics import entropy, printable_bytes, set_bits


class FirstPayload:
    """Measures the first packet of the client that has a payload."""

    name: ClassVar[str] = "first_payload"
    protocols: ClassVar[frozenset[str]] = frozenset()
    transports: ClassVar[frozenset[int]] = frozenset((TCP, UDP))
    byte_limit: ClassVar[int] = 65_535  # one packet
    each_message: ClassVar[bool] = False
    patient: ClassVar[bool] = True
    source: ClassVar[str] = "Wu et al., USENIX Security 2023, section 4"
    false_positives: ClassVar[str] = "none: it measures, and says nothing more"

    __slots__ = ()

    def __init__(self, transport: int, reading: Reading) -> None:
        pass

    def observe(
        self, packet: Packet, from_client: bool, now: float
    ) -> Finding | Answer:
        """Take a packet; the first one of the client that has a payload decides."""
        if not from_client:
            return NEED_DATA
        return self.feed(Direction.TO_SERVER, packet.payload)

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the payload of one packet."""
        if direction is Direction.TO_CLIENT or not data:
            return NEED_DATA
        size = len(data)
        fields = {
            "payload.length": (str(size),),
            "payload.popcount": (str(round(100 * set_bits(data) / size)),),
            "payload.entropy": (str(round(100 * entropy(data))),),
            "payload.printable": (str(round(100 * printable_bytes(data) / size)),),
        }
        return Finding("", fields)

    def conclude(self) -> Finding | Answer:
        """A client that never spoke."""
        return NOT_MINE
