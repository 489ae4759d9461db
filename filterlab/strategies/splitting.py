"""Two TCP segments instead of one, cut in the middle of the name that is asked for.

What a censor misses that looks at one segment at a time; DPYProxy, zapret and
GoodbyeDPI do the same. DNA cannot say it: it cuts at a byte, not at a name.
"""

from __future__ import annotations

from filterlab.strategies.hello import name_asked_for
from filterlab.strategies.packet import read, segments
from filterlab.strategies.running import Outgoing


class SplitAtName:
    """Cuts every segment that asks for a name within that name."""

    def outbound(self, data: bytes) -> list[Outgoing]:
        """The segment, or its two halves."""
        packet = read(data)
        if packet is None or packet.transport != "TCP":
            return [Outgoing(data)]
        found = name_asked_for(packet.load)
        if found is None:
            return [Outgoing(data)]
        return [Outgoing(one.build()) for one in segments(packet, sum(found) // 2, 0)]

    def inbound(self, data: bytes) -> bytes | None:
        """The packet as it came."""
        return data
