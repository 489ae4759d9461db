"""Who has been let in: addresses whose flows a rule may tell from all others.

A gate that keeps people back until they have said who they are is told by its portal.
Here the portal tells the box in the traffic that passes it, as a RADIUS server does
(RFC 5176): so a replay of a capture knows what the box knew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from filterlab.inspection.flow import Ends


@dataclass(frozen=True, slots=True)
class Admit:
    """Let an end of the flow in for so long, and go on with the next rule."""

    seconds: float
    end: Literal["client", "server"] = "client"


class Admissions:
    """The addresses that have been let in, and until when."""

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}

    def take(self, action: Admit, ends: Ends, now: float) -> None:
        """Let an end of a flow in."""
        _, client, _, server, _ = ends
        who = client if action.end == "client" else server
        self._until[who] = now + action.seconds

    def has(self, address: bytes, now: float) -> bool:
        """Whether an address is let in now; what is over is forgotten."""
        until = self._until.get(address)
        if until is not None and now >= until:
            del self._until[address]
            return False
        return until is not None
