"""The actions of a policy file: what a rule does, in YAML.

Each model turns itself into the value of `filterlab.policy.rules` that it stands for.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, cast

from pydantic import model_validator

from filterlab.policy.admission import Admit
from filterlab.policy.rules import (
    Action,
    Allow,
    Delay,
    Drop,
    Freeze,
    Record,
    Redirect,
    Shutdown,
    Throttle,
)
from filterlab.scenario.forgeryfile import InjectDnsText, InjectHttpText, ResetText
from filterlab.scenario.item import Item
from filterlab.scenario.proberfile import ProbeText
from filterlab.scenario.problem import did_you_mean, listed, one_of
from filterlab.scenario.values import (
    IpAddress,
    KbitS,
    Reads,
    Seconds,
    Truth,
    Unreadable,
    decimal,
    seconds,
    size_bytes,
    span,
    whole,
    whole_number,
    word_of,
)

ACTIONS = (
    "allow",
    "drop",
    "freeze",
    "reset",
    "inject_dns",
    "inject_http",
    "throttle",
    "delay",
    "redirect",
    "record",
    "admit",
    "probe",
    "shutdown",
)
_Way = Literal["both", "each", "to_server", "to_client"]
_Counts = Literal["to_server", "to_client", "both"]
_Per = Literal["flow", "subscriber", "rule"]
_COUNTS = word_of("to_server", "to_client", "both")
_PACKETS = span(whole(1, 1_000_000, "a number of packets"), "a number of packets")
_BYTES = span(size_bytes, "a size such as 16 kB")
Packets = Annotated[Any, Reads(_PACKETS)]
Sizes = Annotated[Any, Reads(_BYTES)]
Chance = Annotated[float, Reads(decimal(0, 1, "a probability"), type="number")]


class DropText(Item):
    """Dropping: at once, after a while, or by lot."""

    after_packets: Packets | None = None
    after_bytes: Sizes | None = None
    counts: Annotated[str, _COUNTS] | None = None
    data_only: Truth = False
    probability: Chance = 1.0

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        after = self.after_packets or self.after_bytes
        if after and self.probability < 1:
            says = "drops after a while and by lot"
            raise Unreadable("one of them", says=says, kind="one-of")
        if self.counts is not None and not after:
            says = "counts a direction, but nothing ends it"
            raise Unreadable("'after_packets' or 'after_bytes' beside it", says=says)
        if self.data_only and not after:
            says = "counts data, but nothing ends it"
            raise Unreadable("'after_packets' or 'after_bytes' beside it", says=says)
        return self

    def action(self) -> Action:
        """The value that the engine works with."""
        counts = cast(_Counts, self.counts or "both")
        return Drop(
            self.after_packets,
            self.after_bytes,
            counts,
            self.data_only,
            self.probability,
        )


class FreezeText(Item):
    """A flow that runs for a while and then stands still; the short form is a size."""

    after: Sizes | None = None
    after_packets: Packets | None = None
    counts: Annotated[str, _COUNTS] = "both"

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A bare size is how much may pass."""
        return {"after": value} if isinstance(value, str) and value else value

    @model_validator(mode="after")
    def _some_end(self) -> Self:
        if not (self.after or self.after_packets):
            expected = "'after' or 'after_packets' in it"
            raise Unreadable(expected, says="never ends", kind="one-of")
        return self

    def action(self) -> Action:
        """The value that the engine works with."""
        return Freeze(self.after, self.after_packets, cast(_Counts, self.counts))


class ThrottleText(Item):
    """A limit of rate."""

    rate: KbitS
    burst: KbitS | None = None
    per: Annotated[str, word_of("flow", "subscriber", "rule")] = "flow"
    directions: Annotated[str, word_of("both", "each", "to_server", "to_client")] = (
        "both"
    )
    mode: Annotated[str, word_of("policing", "shaping")] = "policing"
    queue: Seconds | None = None

    @model_validator(mode="after")
    def _shaping(self) -> Self:
        shaping = self.mode == "shaping"
        if shaping and self.per != "flow":
            says = f"shapes per {self.per}"
            raise Unreadable("'per: flow'; only policing can share a rate", says=says)
        if shaping and self.burst is not None:
            says = "shapes with a burst"
            raise Unreadable("'queue', or 'mode: policing'", says=says)
        if self.queue is not None and not shaping:
            says = "has a queue, but loses what is above the rate"
            raise Unreadable("'mode: shaping' beside it", says=says)
        return self

    def action(self) -> Action:
        """The value that the engine works with."""
        return Throttle(
            self.rate,
            self.burst,
            cast(_Per, self.per),
            cast(_Way, self.directions),
            self.mode == "shaping",
            1.0 if self.queue is None else self.queue,
        )


class DelayText(Item):
    """Packets that come later; the short form is the time."""

    time: Seconds
    direction: Annotated[str, _COUNTS] = "both"

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A bare duration is the time."""
        return {"time": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        # More than this and the connection has ended before (RFC 6298, 2.1 and 5.5).
        if not 0 < self.time <= seconds("60s"):
            raise Unreadable(
                "a time of more than 0s, up to 60s", says="is no time to wait"
            )
        return self

    def action(self) -> Action:
        """The value that the engine works with."""
        both = self.direction == "both"
        up, down = self.direction == "to_server", self.direction == "to_client"
        return Delay(self.time, both or up, both or down)


class RedirectText(Item):
    """Another server for the flow; the short form is its address."""

    to: IpAddress
    port: Annotated[int, whole_number(1, 65535, "a port")] | None = None

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A bare address is the other server's."""
        return {"to": value} if isinstance(value, str) else value

    def action(self) -> Action:
        """The value that the engine works with."""
        return Redirect(self.to, self.port)


class AdmitText(Item):
    """Letting an end of a flow in; the short form is for how long."""

    seconds: Seconds
    end: Annotated[str, word_of("client", "server")] = "client"

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A bare time is how long."""
        return {"seconds": value} if isinstance(value, str) and value else value

    def action(self) -> Action:
        """The value that the engine works with."""
        return Admit(self.seconds, cast(Literal["client", "server"], self.end))


class Bare(Item):
    """An action that needs no more words."""


class Then(Item):
    """One action; the short form is its name alone."""

    allow: Bare | None = None
    drop: DropText | None = None
    freeze: FreezeText | None = None
    reset: ResetText | None = None
    inject_dns: InjectDnsText | None = None
    inject_http: InjectHttpText | None = None
    throttle: ThrottleText | None = None
    delay: DelayText | None = None
    redirect: RedirectText | None = None
    record: Bare | None = None
    admit: AdmitText | None = None
    probe: ProbeText | None = None
    shutdown: Bare | None = None

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A bare word is an action with nothing more to say."""
        if isinstance(value, dict):
            return {key: part if part != "" else {} for key, part in value.items()}
        if not isinstance(value, str):
            return value
        word = value.strip()
        if word not in ACTIONS:
            raise Unreadable(one_of(ACTIONS), did_you_mean(word, ACTIONS))
        return {word: {}}

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        given = [name for name in ACTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            says = f"names {listed(given, 'and')}" if given else "names no action"
            raise Unreadable(one_of(ACTIONS), says=says, kind="one-of")
        return self

    @property
    def name(self) -> str:
        """The name of the action."""
        return next(name for name in ACTIONS if getattr(self, name) is not None)

    def action(self) -> Action:
        """The value that the engine works with."""
        written = getattr(self, self.name)
        if not isinstance(written, Bare):
            made: Action = written.action()
            return made
        return _BARE[self.name]()


_BARE: dict[str, type[Allow | Record | Shutdown]] = {
    "allow": Allow,
    "record": Record,
    "shutdown": Shutdown,
}
