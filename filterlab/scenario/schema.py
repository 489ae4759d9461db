"""The models of a scenario file: topology, services, clients, timeline, probes.

A model says what one mapping may hold. What must hold between mappings is in
`filterlab.scenario.checks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)

from filterlab.policy.rules import Policy
from filterlab.scenario.certificatefile import CertificateText
from filterlab.scenario.clockfile import ClockText
from filterlab.scenario.detectorfile import Detector
from filterlab.scenario.facts import Scalar
from filterlab.scenario.item import Item
from filterlab.scenario.outcomes import OUTCOMES
from filterlab.scenario.pagefile import PageText
from filterlab.scenario.problem import Problem, listed
from filterlab.scenario.reference import Reference
from filterlab.scenario.servicefile import Service, Url
from filterlab.scenario.storyfile import Story
from filterlab.scenario.strategies import Applied, ProbeStrategy
from filterlab.scenario.subscriber import Subscriber
from filterlab.scenario.targets import Endpoint, Load, Parameter, Resolver
from filterlab.scenario.timeline import Phase, meant_by
from filterlab.scenario.values import (
    HostName,
    KbitS,
    NodeName,
    Reads,
    Seconds,
    Share,
    Shares,
    Truth,
    Unreadable,
    Words,
    decimal,
    one_or_more,
    whole_number,
    word_of,
)

# What an operator's log can hold of a visit, from the most to the least.
SEEN = {
    "site": "the site's name",
    "cover": "a cover name",
    "address": "the site's address",
    "tunnel": "a server in between",
    "nothing": "nothing",
}
# Whose ClientHello its server got, by fingerprint.
HELLOS = {
    "own hello": "its own ClientHello",
    "another hello": "the ClientHello of somebody in between",
    "nothing": "nothing",
}
KINDS = ("fetch", "resolve", "connect", "throughput")
RESULTS = (
    *("outcome", "reaches", "kbit_s", "slower_than_control", "rule"),
    *("exposes", "known_as", "certificate", "page", "arrives", "subscribers"),
)


_WORDS = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
)
Several = Annotated[tuple[Words, ...], BeforeValidator(one_or_more), _WORDS]
Factor = Annotated[
    float, Reads(decimal(1, 1_000_000, "a factor"), type="number", minimum=1)
]


class Topology(Item):
    """A topology by name, and its parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Parameter] = Field(init=False)

    use: Words

    @property
    def parameters(self) -> dict[str, Scalar]:
        """The parameters that the file gives, as `mn` would pass them."""
        return dict(self.__pydantic_extra__ or {})


class Client(Item):
    """A subscriber of one ISP, or a host at a place."""

    isp: Annotated[int, whole_number(1, 1000, "the number of an ISP,")] | None = None
    at: Words | None = None
    resolver: Words | None = None
    subscriber: Subscriber | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.isp is None) == (self.at is None):
            says = "lacks a place" if self.at is None else "has two places"
            raise Unreadable("either 'isp' or 'at'", says=says, kind="one-of")
        return self

    @property
    def place_name(self) -> str:
        """The place of the topology at which the client is."""
        return self.at if self.at is not None else f"isp{self.isp}"


class Moment(Item):
    """A change of policy: when, at which exchanges, to which policy."""

    at_seconds: Seconds = Field(alias="at")
    phase: Words | None = None
    exchanges: Several = Field(("all",), alias="exchange")
    policy: Words


class Probe(Item):
    """What one client tries, and how."""

    client: Words = Field(alias="from")
    fetch: Url | None = None
    resolve: HostName | None = None
    connect: Endpoint | None = None
    throughput: Load | None = None
    through: Words | None = None
    session: Words | None = None  # from this phase on, one session of its tool
    server_of: Words | None = None  # another probe, whose tool's server this one uses
    # Where the tool's server stands, if not where the target or the tool says.
    server_at: Words | None = None
    # An interceptor, or a site with a root of its own, that the client has installed.
    trusts: Words | None = None
    pins: Truth = False  # it accepts the key alone that its service really has
    strategy: ProbeStrategy | None = None
    over: Annotated[str, word_of("ipv4", "ipv6")] | None = None
    resolver: Resolver | None = None
    http: Annotated[str, word_of("1.1", "2", "3")] | None = None
    repeat: Annotated[int, whole_number(1, 10_000)] = 1
    innocent: Truth = False

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            says = "has nothing to try"
            if given:
                says = f"tries {listed(given, 'and')} at once"
            expected = f"one of {listed(KINDS, 'and')}"
            raise Unreadable(expected, says=says, kind="one-of")
        if self.server_at is not None and self.through is None:
            says = "places a tool's server, but goes through no tool"
            raise Unreadable("'through' beside it", says=says, kind="one-of")
        if self.over is not None and self.through is not None:
            says = "goes over one IP, but a tool chooses its own"
            raise Unreadable("either 'over' or 'through'", says=says, kind="one-of")
        if self.pins and (
            self.through or self.http == "3" or not self.target.startswith("https:")
        ):
            says = "pins a key, but shakes no hands that could show it one"
            raise Unreadable("'fetch' of an https address", says=says, kind="one-of")
        return self

    @property
    def from_(self) -> str:
        """The name of the client that tries."""
        return self.client

    @property
    def kind(self) -> str:
        """What is tried: fetch, resolve, connect or throughput."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def target(self) -> str:
        """What it is tried on: a URL, a name, a host and port, or a service."""
        return str(getattr(self, self.kind))

    @property
    def host(self) -> str:
        """The host name or address in the target."""
        if "://" in self.target:
            return urlsplit(self.target).hostname or ""
        if self.kind == "connect":
            return self.target.rpartition(":")[0].strip("[]")
        return self.target


class Limits(Item):
    """Bounds of a rate."""

    below: KbitS | None = None
    above: KbitS | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.below is None and self.above is None:
            raise Unreadable("'below', 'above' or both", says="is empty", kind="one-of")
        low, high = self.above, self.below
        if low is not None and high is not None and low >= high:
            raise Unreadable("'above' to be less than 'below'", says="holds no rate")
        return self

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """Bare numbers are kbit/s, as the key says."""
        if not isinstance(value, dict):
            return value
        return {
            key: f"{part} kbit/s" if isinstance(part, str) and part.isdigit() else part
            for key, part in value.items()
        }


class Expectation(Item):
    """What should come of a probe, in some phases or in all.

    With `subscribers` it is about several probes, whose names fit a pattern, and about
    how many of all the subscribers that try them get through.
    """

    probe: Words
    during: Several = ()
    outcome: Annotated[str, word_of(*OUTCOMES)] | None = None
    reaches: Truth | None = None
    kbit_s: Limits | None = None
    slower_than_control: Factor | None = None
    rule: Words | None = None
    exposes: Annotated[str, word_of(*SEEN)] | None = None
    known_as: Words | None = None  # what a log takes it for, as recognisers say
    certificate: CertificateText | None = None
    page: PageText | None = None
    arrives: Annotated[str, word_of(*HELLOS)] | None = None
    at_least: Share | None = None
    between: Shares | None = None
    subscribers: Shares | None = None

    @model_validator(mode="after")
    def _some_result(self) -> Self:
        if all(getattr(self, result) is None for result in RESULTS):
            expected = f"at least one of {listed(RESULTS, 'and')}"
            raise Unreadable(expected, says="expects nothing", kind="one-of")
        if self.at_least is not None and self.between is not None:
            says = "has both 'at_least' and 'between'"
            raise Unreadable("one of them", says=says, kind="one-of")
        beside = [
            key
            for key in (*RESULTS[:-1], "at_least", "between")
            if getattr(self, key) is not None
        ]
        if self.subscribers is not None and beside:
            says = f"counts subscribers, and has '{beside[0]}'"
            raise Unreadable("'subscribers' alone", says=says, kind="one-of")
        return self

    def means(self, names: Iterable[str]) -> list[str]:
        """Those of these probes that it is about."""
        if self.subscribers is None:
            return [name for name in names if name == self.probe]
        return [name for name in names if fnmatchcase(name, self.probe)]

    @property
    def share(self) -> tuple[float, float]:
        """The least and the most part of the repeats that must come out so."""
        if self.between is not None:
            return self.between
        return (1.0 if self.at_least is None else self.at_least, 1.0)

    @property
    def wish(self) -> str:
        """What should come of the probe, without its name."""
        says = []
        if self.outcome is not None:
            says.append(f"comes to {self.outcome}")
        if self.reaches is not None:
            says.append("gets through" if self.reaches else "does not get through")
        says += self._rates()
        if self.slower_than_control is not None:
            factor = self.slower_than_control
            says.append(f"is {factor:g} times slower than its control")
        if self.rule is not None:
            says.append(f"meets the rule {self.rule}")
        return listed([*says, *self._seen], "and")

    @property
    def _seen(self) -> Iterator[str]:
        """What others see of the probe, or it of others."""
        if self.exposes is not None:
            yield f"exposes {SEEN[self.exposes]}"
        if self.known_as is not None:
            yield f"is known as {self.known_as}"
        if self.certificate is not None:
            yield self.certificate.text
        if self.page is not None:
            yield self.page.text
        if self.arrives is not None:
            yield f"arrives with {HELLOS[self.arrives]}"
        if self.subscribers is not None:
            low, high = self.subscribers
            yield f"gets through for {low:.0%} to {high:.0%} of subscribers"

    @property
    def often(self) -> str:
        """In how many of the tries, if it need not be all; else nothing."""
        if self.between is not None:
            return f" in {self.between[0]:.0%} to {self.between[1]:.0%} of the tries"
        if self.at_least is not None:
            return f" in {self.at_least:.0%} of the tries or more"
        return ""

    @property
    def text(self) -> str:
        """The expectation as a sentence."""
        when = listed(self.during, "and") or "every phase"
        return f"{self.probe} {self.wish} during {when}{self.often}"

    def _rates(self) -> list[str]:
        limits = self.kbit_s or Limits.model_construct()
        bounds = (("more", limits.above), ("less", limits.below))
        return [f"has {word} than {b:,} kbit/s" for word, b in bounds if b is not None]


class Scenario(Item):
    """A whole scenario file."""

    title: Words
    story: Story | None = None
    sources: list[Reference] = Field(default_factory=list)
    topology: Topology
    services: dict[HostName, Service] = Field(default_factory=dict)
    clients: dict[NodeName, Client]
    timeline: list[Moment] = Field(default_factory=list)
    probes: dict[Words, Probe]
    expect: list[Expectation] = Field(default_factory=list)
    timing: ClockText = Field(default_factory=ClockText, alias="clock")
    seed: Annotated[int, whole_number(0, 2**63 - 1)] = 1
    controller: Words | None = None
    exposure: Truth = False
    detector: Detector | None = None

    _phases: tuple[Phase, ...] = PrivateAttr(default=())
    _policies: dict[str, Policy] = PrivateAttr(default_factory=dict)
    _strategies: dict[str, Applied] = PrivateAttr(default_factory=dict)

    @property
    def clock(self) -> float:
        """How much faster than the real one the scenario's clock runs."""
        return self.timing.rate

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The stretches of the timeline, in order."""
        return self._phases

    @property
    def policies(self) -> dict[str, Policy]:
        """Every policy that the timeline names, by its id."""
        return self._policies

    @property
    def strategies(self) -> dict[str, Applied]:
        """What is applied around each probe that has a strategy, by its name."""
        return self._strategies

    def service_called(self, host: str) -> str | None:
        """The service that has a name, as its own or as one more; None if none has."""
        if host in self.services:
            return host
        return next((n for n, s in self.services.items() if host in s.also), None)

    def phases_of(self, expectation: Expectation) -> tuple[Phase, ...]:
        """The phases that an expectation is about."""
        if not expectation.during:
            return self.phases
        meant = {p.name for w in expectation.during for p in meant_by(w, self.phases)}
        return tuple(phase for phase in self.phases if phase.name in meant)

    def problem_at(
        self, item: Item, message: str, *keys: str, expected: str = "", help: str = ""
    ) -> Problem:
        """A problem at an item of this scenario, or at a key of the item.

        For checks that need more than the file: the map's, for example.
        """
        return Problem("hook", item.place(*keys), message, expected, help)
