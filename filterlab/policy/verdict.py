"""What was decided about a flow, and everything needed to say why.

A decision is one line of `decisions.jsonl`. It never says what happened on the wire:
the captures do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from filterlab.inspection.flow import FlowKey


class Verdict(StrEnum):
    """What the policy says of a flow so far."""

    UNDECIDED = "undecided"
    ALLOW = "allow"
    BLOCK = "block"
    THROTTLE = "throttle"
    PROBE = "probe"  # the active prober looks, or has looked, at its server
    EXPOSED = "exposed"  # the server is on the list of those that it has confirmed


@dataclass(frozen=True, slots=True)
class Decision:
    """One decided flow: what was found in which frame, and the rule that decided."""

    time: float  # seconds, the clock that the engine was given
    verdict: Verdict
    rule: str  # the rule's name
    source: str  # file:line of the rule
    action: str  # the name of the action: "drop", "reset", "inject_dns", ...
    flow: FlowKey
    finding: Mapping[str, str]  # the fields that made the condition true
    frame: int  # count of frames this engine had received, this one included
    bytes_seen: int  # payload bytes of the flow looked at until then
    residual: bool = False  # an earlier match, not this frame, is the reason

    def as_json(self) -> dict[str, Any]:
        """The decision as one JSON object (design, section 8)."""
        return {
            "time": self.time,
            "verdict": self.verdict.value,
            "rule": self.rule,
            "source": self.source,
            "action": self.action,
            "flow": self.flow.as_json(),
            "finding": dict(self.finding),
            "frame": self.frame,
            "bytes_seen": self.bytes_seen,
            "residual": self.residual,
        }
