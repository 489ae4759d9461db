"""Counts the flows that a rule's condition held of, by host, within a time.

One flow alone says little where a recogniser is weak; many of one server's do. A host
that is counted costs at most as many times as its rule asks for flows, and only so many
hosts are counted at once. Source: Wails et al., "On Precisely Detecting Censorship
Circumvention in Real-World Networks" (NDSS 2024), section 6: a counter for each host.
"""

from __future__ import annotations

from collections import deque

from filterlab.inspection.flow import Ends
from filterlab.policy.residual import Key, key_of
from filterlab.policy.rules import AfterFlows

MOST_HOSTS = 100_000  # of all rules together; the longest unseen are forgotten first


class Tallies:
    """When flows met the rules that wait for several, by rule and host."""

    __slots__ = ("_met",)

    def __init__(self) -> None:
        self._met: dict[tuple[int, Key], deque[float]] = {}

    def suffice(self, rule: int, after: AfterFlows, ends: Ends, now: float) -> bool:
        """Count a flow that meets a rule; whether there have been enough."""
        key = rule, key_of(after.of, ends)
        # A host that is seen again goes to the back.
        times = self._met.pop(key, None) or deque(maxlen=after.count)
        self._met[key] = times
        times.append(now)
        if len(self._met) > MOST_HOSTS:
            del self._met[next(iter(self._met))]
        return len(times) == after.count and now - times[0] <= after.within_seconds
