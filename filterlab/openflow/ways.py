"""Where a frame leaves that the controller sends, forged or held until now."""

from __future__ import annotations

from collections.abc import Sequence

from filterlab.openflow.tables import Port
from filterlab.policy.effects import Side


class Ways:
    """Where a frame leaves that the controller sends: as table `forward` has it."""

    def __init__(self, ports: Sequence[Port]):
        self._by_mac = {
            mac.to_bytes(6): (port.number,) for port in ports for mac in port.macs
        }
        self._on_side = {
            side: tuple(port.number for port in ports if port.side is side)
            for side in Side
        }
        self._others = {
            port.number: tuple(p.number for p in ports if p is not port)
            for port in ports
        }
        self.side_of = {port.number: port.side for port in ports}

    def released(self, frame: bytes, in_port: int) -> tuple[int, ...]:
        """The ports by which a held frame goes on; never the one that it came by."""
        out = self._by_mac.get(frame[:6])
        if out is None:
            if frame[0] & 1:  # the group bit
                return self._others[in_port]
            return self._on_side[self.side_of[in_port].other]
        return () if in_port in out else out

    def injected(self, frame: bytes, towards: Side) -> tuple[int, ...]:
        """The ports by which a forged frame leaves."""
        return self._by_mac.get(frame[:6]) or self._on_side[towards]
