"""How blocking goes on after it has begun, in YAML: whom it is for, and how long."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast, get_args

from filterlab.policy.rules import Residual, Width
from filterlab.scenario.item import Item
from filterlab.scenario.values import (
    Reads,
    Share,
    Truth,
    Unreadable,
    seconds,
    text,
    word_of,
)

_Mechanism = Literal["drop", "reset"]


def _bare_seconds(value: Any) -> float:
    """A duration; a bare number is seconds, as the key says."""
    written = text(value)
    return seconds(f"{written}s" if written.isdigit() else written)


def _some_seconds(value: Any) -> tuple[float, float]:
    """A duration, or two: the least and the most of a random one."""
    if not isinstance(value, list):
        return _bare_seconds(value), _bare_seconds(value)
    if len(value) != 2:
        raise Unreadable("a duration, or two of them: [least, most]")
    least, most = map(_bare_seconds, value)
    if least > most:
        raise Unreadable("the shorter time first", says="runs backwards")
    return least, most


class ResidualText(Item):
    """How blocking goes on after a rule has struck."""

    key: Annotated[str, word_of(*get_args(Width))]
    seconds: Annotated[tuple[float, float], Reads(_some_seconds)]
    needs_data: Truth = False
    rearm: Truth = False
    to_server: Truth = True
    to_client: Truth = True
    mechanism: Annotated[str, word_of("drop", "reset")] = "drop"
    onset: Annotated[tuple[float, float], Reads(_some_seconds)] = (0.0, 0.0)
    probability: Share = 1.0

    def residual(self) -> Residual:
        """The value that the engine works with."""
        return Residual(
            key=cast(Width, self.key),
            seconds=self.seconds[0],
            most_seconds=None if len(set(self.seconds)) == 1 else self.seconds[1],
            needs_data=self.needs_data,
            rearm=self.rearm,
            to_server=self.to_server,
            to_client=self.to_client,
            mechanism=cast(_Mechanism, self.mechanism),
            onset_seconds=self.onset[0],
            most_onset_seconds=None if len(set(self.onset)) == 1 else self.onset[1],
            probability=self.probability,
        )
