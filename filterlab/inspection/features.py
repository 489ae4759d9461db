"""Gathers what can be said of a flow without reading it: sizes, directions, times.

A window is what a box has seen of a flow: packets with a payload, until it stops
looking. It knows the round-trip time of the TCP handshake as far as the server (SYN to
SYN+ACK) and that of the application (the client's data to the server's next): where a
proxy ends the one but not the other, they differ.

Source: nDPI and NFStream for the usual features of early packets; Xue et al., "The
Discriminative Power of Cross-layer RTTs in Fingerprinting Proxy Traffic" (NDSS 2025)
for round-trip times.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from filterlab.inspection.packet import ACK, SYN, Packet
from filterlab.inspection.statistics import entropy, printable_bytes, set_bits

FIRST_PACKETS = 8  # whose sizes are features of their own


Sample = tuple[bool, int, float]
"""One packet with a payload: whether the client's, bytes, seconds since the first."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Packets that went the same way without one in the other direction between."""

    from_client: bool
    size: int
    packets: int


class Window:
    """What has been seen of one flow."""

    __slots__ = (
        "_began",
        "_request_at",
        "_syn_at",
        "app_rtts",
        "first_payload",
        "handshake_rtt",
        "samples",
    )

    def __init__(self, syn_at: float | None = None) -> None:
        self._began = syn_at
        self._syn_at = syn_at
        self._request_at: float | None = None
        self.handshake_rtt: float | None = None  # seconds
        self.app_rtts: list[float] = []  # seconds, one a request
        self.samples: list[Sample] = []
        self.first_payload = b""  # of the client

    def add(self, packet: Packet, from_client: bool, now: float) -> bool:
        """One more packet; whether it has a payload, and so is a sample."""
        began = self._began
        if began is None:
            began = self._began = now
        flags = packet.flags
        if flags & SYN:
            if not flags & ACK:
                self._syn_at = now  # of a SYN that is sent again, the last one counts
            elif self._syn_at is not None:
                self.handshake_rtt = now - self._syn_at
                self._syn_at = None
        size = packet.end - packet.start
        if not size:
            return False
        if from_client and not self.first_payload:
            self.first_payload = packet.payload
        self.note(from_client, size, now)
        return True

    def note(self, from_client: bool, size: int, now: float) -> None:
        """A packet with a payload that is neither the first one nor the client's."""
        began = now if self._began is None else self._began
        self.samples.append((from_client, size, now - began))
        if from_client:
            self._request_at = now
        elif self._request_at is not None:
            self.app_rtts.append(now - self._request_at)
            self._request_at = None

    def bursts(self) -> list[Burst]:
        """The packets, put together by direction."""
        bursts: list[Burst] = []
        for from_client, alike in groupby(self.samples, itemgetter(0)):
            sizes = [size for _, size, _ in alike]
            bursts.append(Burst(from_client, sum(sizes), len(sizes)))
        return bursts

    def total(self, from_client: bool) -> tuple[int, int]:
        """Packets and bytes of one direction."""
        sizes = [size for up, size, _ in self.samples if up is from_client]
        return len(sizes), sum(sizes)

    @property
    def seconds(self) -> float:
        """From the first packet of the flow to the last with a payload."""
        return self.samples[-1][2] if self.samples else 0.0

    @property
    def app_rtt(self) -> float | None:
        """The smallest round-trip time of the application, in seconds.

        The first request of TLS is the ClientHello, which a proxy answers itself: it is
        left out where there is another.
        """
        return min(self.app_rtts[1:] or self.app_rtts, default=None)


NAMES = (
    "packets_up",
    "packets_down",
    "bytes_up",
    "bytes_down",
    "seconds",
    "bursts",
    "handshake_rtt_ms",
    "app_rtt_ms",
    "length",
    "popcount",
    "entropy",
    "printable",
    *(f"size_{number}" for number in range(1, FIRST_PACKETS + 1)),
)
"""What `vector` gives, in this order."""


def vector(window: Window) -> tuple[float, ...]:
    """The features of a window as numbers, in the order of `NAMES`.

    Sizes of the first packets are positive from the client, negative from the server,
    and 0 where there was none. Round-trip times are in milliseconds, -1 where unknown.
    `length` to `printable` are of the client's first payload: bytes, set bits a byte,
    bits of entropy a byte, share of printable bytes.
    """
    (packets_up, bytes_up), (packets_down, bytes_down) = map(
        window.total, (True, False)
    )
    first = window.first_payload
    length = len(first)
    sizes = [size if up else -size for up, size, _ in window.samples]
    sizes = (sizes + [0] * FIRST_PACKETS)[:FIRST_PACKETS]
    numbers = (
        packets_up,
        packets_down,
        bytes_up,
        bytes_down,
        window.seconds,
        len(window.bursts()),
        milliseconds(window.handshake_rtt),
        milliseconds(window.app_rtt),
        length,
        set_bits(first) / length if length else 0,
        entropy(first),
        printable_bytes(first) / length if length else 0,
        *sizes,
    )
    return tuple(map(float, numbers))


def milliseconds(seconds: float | None) -> float:
    """A time in milliseconds; -1 if it is not known."""
    return -1.0 if seconds is None else 1000 * seconds
