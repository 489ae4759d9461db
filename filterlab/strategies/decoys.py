"""A datagram of random bytes before the first one of each QUIC connection.

What a censor misses that looks at a flow's first datagram only: Zohaib et al.,
"Exposing and Circumventing SNI-based QUIC Censorship of the Great Firewall of China"
(USENIX Security 2025). The server throws it away: it has no connection for it.
"""

from __future__ import annotations

from random import Random

from filterlab.strategies.packet import read
from filterlab.strategies.running import Outgoing

_HTTPS = 443
# Shorter than any QUIC packet can be (RFC 9000, 10.3: 21 bytes), so that nobody
# answers it with a reset.
_DECOY_BYTES = 16
_LONG_HEADER = b"\x80"  # RFC 9000, 17.2: a connection begins with one
_FIRST_BYTE_BITS = 0x7F  # without the bit of a long header


class QuicDecoy:
    """Sends a decoy ahead of the first datagram of each flow to port 443."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._known: set[tuple[bytes, int]] = set()

    def outbound(self, data: bytes) -> list[Outgoing]:
        """The datagram, with a decoy before it if it is a flow's first."""
        packet = read(data)
        if packet is None or packet.transport != "UDP":
            return [Outgoing(data)]
        flow = packet.target, packet.head["sport"]
        begins = packet.head["dport"] == _HTTPS and packet.load[:1] >= _LONG_HEADER
        if not begins or flow in self._known:
            return [Outgoing(data)]
        self._known.add(flow)
        decoy = packet.copy()
        noise = bytearray(self._random.randbytes(_DECOY_BYTES))
        noise[0] &= _FIRST_BYTE_BITS
        decoy.load = bytes(noise)
        return [Outgoing(decoy.build()), Outgoing(data)]

    def inbound(self, data: bytes) -> bytes | None:
        """The packet as it came."""
        return data
