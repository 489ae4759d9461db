"""The shipped censors as engines, and whether what they said is an act."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from filterlab.policy.effects import DropFrame, Effect, Inject, Settle
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Policy
from filterlab.scenario import content
from filterlab.scenario.policies import load_policy
from tests.policy.boxes import IN


@cache
def policy_of(name: str) -> Policy:
    """A shipped policy."""
    return load_policy(content.policies()[name])


def engine_of(name: str, *chances: float) -> Engine:
    """A shipped censor whose chances are given, and then always a half."""
    given = iter(chances)
    return Engine(policy_of(name), lambda: next(given, 0.5))


def up(engine: Engine, frames: Iterable[bytes], now: float = 1.0) -> list[Effect]:
    """What a censor says of frames from inside."""
    return [effect for f in frames for effect in engine.receive(f, now, IN)]


def acts_on(said: list[Effect]) -> bool:
    """Whether something is dropped, forged or slowed down."""
    kinds = [e for e in said if isinstance(e, DropFrame | Inject)]
    return bool(kinds) or any(isinstance(e, Settle) and e.limit for e in said)
