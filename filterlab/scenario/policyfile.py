"""The models of a policy file: what one exchange does, as people write it.

`filterlab.scenario.policies` turns them into the values of `filterlab.policy.rules`.
A rule's condition is read by `filterlab.scenario.conditions`, because its keys are
those of the recognisers.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Self, cast, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from filterlab.inspection.fields import FIELDS
from filterlab.policy.rules import (
    AfterFlows,
    Hours,
    Load,
    Position,
    Records,
    Width,
)
from filterlab.scenario.actionfile import Then
from filterlab.scenario.item import Item
from filterlab.scenario.plugins import PluginText
from filterlab.scenario.reference import Reference
from filterlab.scenario.residualfile import ResidualText
from filterlab.scenario.stackfile import StackText
from filterlab.scenario.values import (
    Reads,
    Seconds,
    Share,
    Truth,
    Unreadable,
    Words,
    one_or_more,
    text,
    whole_number,
    word_of,
)

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _time_of_day(value: Any) -> int:
    found = re.fullmatch(r"(\d{1,2}):(\d{2})", text(value), re.ASCII)
    if found is None or int(found[1]) > 24 or int(found[2]) > 59:
        raise Unreadable("a time of day such as 22:00")
    time = int(found[1]) * 3600 + int(found[2]) * 60
    if time > 86_400:
        raise Unreadable("a time of day, up to 24:00")
    return time


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(text(value))
    except ValueError as why:
        if isinstance(why, Unreadable):
            raise
        raise Unreadable("a date such as 2020-08-01") from None


_Time = Annotated[int, Reads(_time_of_day, type="string", examples=["22:00"])]
_Count = Annotated[int, whole_number(1, 100_000_000, "a number of flows")]


class ScheduleText(Item):
    """When a rule is in force, by the scenario's clock (UTC)."""

    start: _Time = Field(0, alias="from")
    end: _Time = Field(86_400, alias="to")
    days: Annotated[
        tuple[Annotated[str, word_of(*DAYS)], ...], BeforeValidator(one_or_more)
    ] = DAYS

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.start == self.end:
            raise Unreadable("two different times", says="ends when it begins")
        return self

    def hours(self) -> Hours:
        """The value that the engine works with."""
        return Hours(self.start, self.end, frozenset(map(DAYS.index, self.days)))


class LoadText(Item):
    """Under what load a rule is in force."""

    at_least: _Count | None = None
    below: _Count | None = None

    @model_validator(mode="after")
    def _some_load(self) -> Self:
        if self.at_least is None and self.below is None:
            expected = "'at_least' or 'below' in it"
            raise Unreadable(expected, says="names no load", kind="one-of")
        if self.below is not None and (self.at_least or 0) >= self.below:
            raise Unreadable("the smaller number first", says="runs backwards")
        return self

    def load(self) -> Load:
        """The value that the engine works with."""
        return Load(self.at_least or 0, self.below)


class AfterFlowsText(Item):
    """From which flow on a rule strikes, counted by what they have in common."""

    count: Annotated[int, whole_number(2, 10_000, "a number of flows")]
    of: Annotated[str, word_of(*get_args(Width))]
    within: Seconds

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if not self.within:
            raise Unreadable("a 'within' of some time", says="counts nothing")
        return self

    def after_flows(self) -> AfterFlows:
        """The value that the engine works with."""
        return AfterFlows(self.count, cast(Width, self.of), self.within)


class SignaturesText(Item):
    """What the box knows of protocols."""

    as_of: Annotated[date, Reads(_day, type="string", format="date")]


_KEPT = Records()


class RecordsText(Item):
    """What the operator keeps: for how long, and what it calls one session."""

    keep: Seconds = _KEPT.keep_seconds
    silence: Seconds = _KEPT.silence_seconds
    ports: Truth = _KEPT.ports

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """Nothing more to say is a mapping without keys."""
        return {} if value in ("", "yes") else value

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if not self.silence:
            raise Unreadable("a 'silence' of some time", says="ends every session")
        if self.keep < self.silence:
            expected = "'keep' to be no shorter than 'silence'"
            raise Unreadable(expected, says="forgets sessions that go on")
        return self

    def records(self) -> Records:
        """The value that exchange and runner work with."""
        return Records(self.keep, self.silence, self.ports)


# Conditions hold conditions; pydantic has no model to refer to, so it comes by itself.
CONDITION_SCHEMA = {
    "type": "object",
    "properties": {
        **{key: {"description": field.meaning} for key, field in FIELDS.items()},
        "any": {"type": "array", "items": {"$ref": "#/$defs/Condition"}},
        "all": {"type": "array", "items": {"$ref": "#/$defs/Condition"}},
        "not": {"$ref": "#/$defs/Condition"},
    },
    "additionalProperties": False,
}


class RuleText(Item):
    """When a condition holds, do this."""

    name: Words | None = None
    when: Annotated[Any, WithJsonSchema({"title": "Condition"})] = None
    then: Then
    residual: ResidualText | None = None
    schedule: ScheduleText | None = None
    load: LoadText | None = None
    after_flows: AfterFlowsText | None = None
    probability: Share = 1.0


class PolicyFile(Item):
    """A whole policy file."""

    title: Words
    sources: list[Reference] = Field(default_factory=list)
    sure: Annotated[str, word_of("verified", "partial", "assumed")] = "assumed"
    epoch: Words | None = None
    assumed: Annotated[tuple[Words, ...], BeforeValidator(one_or_more)] = ()
    position: Annotated[str, word_of(*Position)] = Position.IN_PATH.value
    stack: StackText = Field(default_factory=StackText)
    recognisers: dict[str, PluginText] = Field(default_factory=dict)
    signatures: SignaturesText | None = None
    records: RecordsText | None = None
    rules: list[RuleText] = Field(default_factory=list)
