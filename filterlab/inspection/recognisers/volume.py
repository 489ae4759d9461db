"""Describes a flow by volume, duration, bursts and round-trip times.

It speaks when the box stops looking (`inspect_packets`, `inspect_bytes`), or after 64
packets, and says nothing of what the flow is; rules may ask for the numbers. A long
application round trip beside a short one of the TCP handshake says that who answers the
handshake is not who answers the application: a proxy, or a content network.

Source: Xue et al., "The Discriminative Power of Cross-layer RTTs in Fingerprinting
Proxy Traffic" (NDSS 2025); the flow features of NFStream.
"""

from __future__ import annotations

from typing import ClassVar

from filterlab.inspection.features import Window, milliseconds
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

_PACKETS = 64


class Volume:
    """Measures a flow until the box stops looking at it."""

    name: ClassVar[str] = "volume"
    protocols: ClassVar[frozenset[str]] = frozenset()
    transports: ClassVar[frozenset[int]] = frozenset((TCP, UDP))
    byte_limit: ClassVar[int] = _PACKETS * 65_535
    each_message: ClassVar[bool] = False
    source: ClassVar[str] = "Xue et al., NDSS 2025; NFStream"
    false_positives: ClassVar[str] = (
        "none: it measures; of what round-trip times suggest, IMAP was a third of the "
        "false positives (Xue et al.)"
    )

    packets: ClassVar[int] = _PACKETS

    __slots__ = ("_window",)

    def __init__(self, transport: int, reading: Reading) -> None:
        self._window = Window()

    def observe(
        self, packet: Packet, from_client: bool, now: float
    ) -> Finding | Answer:
        """Take the next packet."""
        window = self._window
        window.add(packet, from_client, now)
        return NEED_DATA if len(window.samples) < _PACKETS else self.conclude()

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Bytes alone have neither time nor size on the wire."""
        return NOT_MINE

    def conclude(self) -> Finding | Answer:
        """What there was."""
        return self.measured(self._window)

    @staticmethod
    def measured(window: Window) -> Finding | Answer:
        """What a window says."""
        if not window.samples:
            return NOT_MINE
        (packets_up, bytes_up), (packets_down, bytes_down) = map(
            window.total, (True, False)
        )
        bursts = window.bursts()
        signed = (b.size if b.from_client else -b.size for b in bursts)
        numbers = {
            "flow.up.packets": packets_up,
            "flow.down.packets": packets_down,
            "flow.up.bytes": bytes_up,
            "flow.down.bytes": bytes_down,
            "flow.ms": 1000 * window.seconds,
        }
        handshake, app = window.handshake_rtt, window.app_rtt
        if handshake is not None:
            numbers["flow.rtt.handshake"] = milliseconds(handshake)
        if app is not None:
            numbers["flow.rtt.app"] = milliseconds(app)
        if handshake is not None and app is not None:
            numbers["flow.rtt.excess"] = milliseconds(max(0.0, app - handshake))
        fields = {key: (str(round(number)),) for key, number in numbers.items()}
        fields["flow.bursts"] = (" ".join(f"{size:+d}" for size in signed),)
        return Finding("", fields)
