"""The model of a detector: what it reads, what counts as a match, what it finds."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)

from filterlab.attribution.detector import HAIRPIN, REGISTRY, TESTS, TOGETHER, Terms
from filterlab.attribution.registry import Registry
from filterlab.scenario.item import Item
from filterlab.scenario.problem import listed
from filterlab.scenario.values import (
    HostName,
    Seconds,
    Shares,
    Unreadable,
    Words,
    number_range,
    one_or_more,
    word_of,
)

_TEXTS = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
)
Several = Annotated[tuple[Words, ...], BeforeValidator(one_or_more), _TEXTS]
# With an empty list, for: nobody.
Nobody = Annotated[
    tuple[Words, ...],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    _TEXTS,
]


# 1,000 times the bytes of a visit is no match by any measure.
Ratio = Annotated[tuple[float, float], number_range(1000)]


class Found(Item):
    """What one test should find, in some phases or in all that keep records."""

    test: Annotated[str, word_of(*TESTS)]
    registry: Words | None = None
    during: Several = ()
    finds: Nobody | None = None
    exits: Nobody | None = None  # the addresses by which a hairpin came back in
    precision: Shares | None = None
    recall: Shares | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        keys = ("finds", "exits", "precision", "recall")
        if all(getattr(self, key) is None for key in keys):
            expected = f"at least one of {listed(keys, 'and')}"
            raise Unreadable(expected, says="expects nothing", kind="one-of")
        if self.exits is not None and self.test != HAIRPIN:
            says = f"has exits, but the test '{self.test}' tells none"
            raise Unreadable(f"test: {HAIRPIN}", says=says, kind="one-of")
        needs = self.test in (REGISTRY, TOGETHER)
        if needs != (self.registry is not None):
            says = f"needs a registry for the test '{self.test}'"
            expected = "'registry' beside it"
            if not needs:
                says = f"has a registry, but the test '{self.test}' reads none"
                expected = f"{REGISTRY} or {TOGETHER}"
            raise Unreadable(expected, says=says, kind="one-of")
        return self

    @property
    def column(self) -> tuple[str, str]:
        """The test, and the registry it is given."""
        return self.test, self.registry or ""

    def text(self, phase: str) -> str:
        """The expectation in one phase, as a sentence."""
        says = []
        if self.finds is not None:
            says.append(f"finds {listed(sorted(self.finds), 'and') or 'nobody'}")
        if self.exits is not None:
            says.append(f"tells the exits {listed(sorted(self.exits), 'and')}")
        for name in ("precision", "recall"):
            if (bounds := getattr(self, name)) is not None:
                says.append(f"has a {name} of {bounds[0]:g} to {bounds[1]:g}")
        given = f" with the registry {self.registry}" if self.registry else ""
        return f"the test {self.test}{given} {listed(says, 'and')} during {phase}"


class Detector(Item):
    """Who uses a VPN: told from address lists, a service's log and the records.

    `service` is the one whose log is read; the account of a visit is `account=` in its
    address. `registries` are files of prefixes, beside the scenario.
    """

    service: HostName
    registries: dict[Words, Several]
    within_seconds: Seconds = Field(2.0, alias="within")
    volume: Ratio = (0.9, 1.5)
    addresses: Annotated[str, word_of("same", "any")] = "same"
    period_seconds: Seconds = Field(3600.0, alias="period")
    expect: list[Found] = Field(default_factory=list)

    _read: dict[str, Registry] = PrivateAttr(default_factory=dict)

    @property
    def registries_read(self) -> dict[str, Registry]:
        """What the files of each registry hold, once a scenario was loaded."""
        return self._read

    @property
    def terms(self) -> Terms:
        """What counts as a match."""
        return Terms(
            self.within_seconds,
            self.volume,
            self.period_seconds,
            same_address=self.addresses == "same",
        )
