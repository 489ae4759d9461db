"""When a rule is in force: by the hour of the scenario's clock, and by the load.

The clock counts seconds since 1 January 1970, a Thursday, in UTC, as captures do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from filterlab.policy.effects import Effect, Settle
from filterlab.policy.rules import Hours, Load, Rule

_DAY = 86_400
_THURSDAY = 3  # counted from Monday


def in_force(rule: Rule, now: float, flows: int) -> bool:
    """Whether a rule counts at this moment, with so many flows remembered."""
    load = rule.load
    if load is not None and not _is_under(load, flows):
        return False
    return rule.hours is None or _is_within(rule.hours, now)


def next_change(hours: Iterable[Hours], now: float) -> float:
    """Seconds until one of the hours begins or ends, or another day does."""
    of_day = now % _DAY
    edges = {edge % _DAY for each in hours for edge in (each.start, each.end)} | {0}
    return min((edge - of_day) % _DAY or _DAY for edge in edges)


def until(effect: Effect, seconds: float) -> Effect:
    """A settlement that ends when the hours change; anything else as it is."""
    if not isinstance(effect, Settle):
        return effect
    if effect.seconds is not None and effect.seconds <= seconds:
        return effect
    return replace(effect, seconds=seconds)


def _is_under(load: Load, flows: int) -> bool:
    return load.at_least <= flows and (load.below is None or flows < load.below)


def _is_within(hours: Hours, now: float) -> bool:
    day = (int(now // _DAY) + _THURSDAY) % 7
    of_day = now % _DAY
    if hours.start < hours.end:
        return day in hours.days and hours.start <= of_day < hours.end
    if of_day >= hours.start:
        return day in hours.days
    return of_day < hours.end and (day - 1) % 7 in hours.days
