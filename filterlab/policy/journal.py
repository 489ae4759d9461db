"""The line that a decision leaves, with everything needed to say why."""

from __future__ import annotations

from collections.abc import Mapping

from filterlab.inspection.flow_table import Flow
from filterlab.policy.effects import Log
from filterlab.policy.rules import Rule
from filterlab.policy.verdict import Decision, Verdict


def logged(
    frame: int,
    rule: Rule,
    verdict: Verdict,
    action: str,
    flow: Flow,
    finding: Mapping[str, str],
    bytes_seen: int,
    now: float,
    residual: bool = False,
) -> Log:
    """What was decided of a flow at a frame, the count of those received."""
    return Log(
        Decision(
            time=now,
            verdict=verdict,
            rule=rule.name,
            source=str(rule.source),
            action=action,
            flow=flow.key,
            finding=finding,
            frame=frame,
            bytes_seen=bytes_seen,
            residual=residual,
        )
    )
