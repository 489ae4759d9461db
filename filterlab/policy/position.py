"""What a box is able to do from where it stands, and what it is not.

A box in the path holds every frame. One beside it sees copies and can only inject.
One with a residual block detects on copies and null-routes in the path: it stops what
comes after, never the frame that it struck on.
"""

from __future__ import annotations

from filterlab.policy.rules import (
    Delay,
    Drop,
    Freeze,
    Policy,
    Position,
    Probe,
    Redirect,
    Reset,
    Rule,
    Shutdown,
    StackModel,
    Throttle,
)


def inability(position: Position, rule: Rule) -> str | None:
    """Why a box in this position cannot carry out a rule; None if it can."""
    if position in (Position.IN_PATH, Position.RESOLVER):
        return None
    match rule.then:
        case Throttle():
            return f"a box {position.value} cannot slow a flow down"
        case Delay():
            return f"a box {position.value} cannot hold a packet back"
        case Redirect():
            return f"a box {position.value} cannot lead a flow elsewhere"
        case Freeze() if position is Position.ON_PATH:
            return "an on_path box cannot freeze a flow: its frames have gone on"
        case Drop(probability=p) if p < 1 and position is Position.RESIDUAL:
            return "a residual box cannot drop by lot: it stops all that comes after"
        case Drop() | Shutdown() if position is Position.ON_PATH:
            return "an on_path box cannot drop: the frame has already gone on"
        case Reset(then_drop=True) if position is Position.ON_PATH:
            return "an on_path box cannot drop the rest of a flow"
    residual = rule.then.block if isinstance(rule.then, Probe) else rule.residual
    if position is Position.ON_PATH and residual and residual.mechanism == "drop":
        return "an on_path box cannot block by dropping; mechanism reset can"
    return None


def unfit(position: Position, stack: StackModel) -> str | None:
    """Why a box in this position cannot follow connections so; None if it can."""
    if stack.fragments == "hold" and position is not Position.IN_PATH:
        return f"a box {position.value} cannot hold fragments: they have gone on"
    return None


def inabilities(policy: Policy) -> list[tuple[Rule, str]]:
    """Every rule that the policy's position cannot carry out, and why."""
    return [
        (rule, reason)
        for rule in policy.rules
        if (reason := inability(policy.position, rule)) is not None
    ]
