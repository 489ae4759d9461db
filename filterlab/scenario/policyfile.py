"""The models of a policy file: what one exchange does, as people write it.

`filterlab.scenario.policies` turns them into the values of `filterlab.policy.rules`.
A rule's condition is read by `filterlab.scenario.conditions`, because its keys are
those of the recognisers.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from filterlab.inspection.fields import FIELDS
from filterlab.policy.rules import Ends, Grade, Position
from filterlab.scenario.item import Item
from filterlab.scenario.plugins import PluginText
from filterlab.scenario.problem import did_you_mean, listed, one_of, quoted
from filterlab.scenario.schema import Reference
from filterlab.scenario.values import (
    IpAddress,
    KbitS,
    Reads,
    Seconds,
    Share,
    Truth,
    Unreadable,
    Words,
    one_or_more,
    seconds,
    text,
    whole_number,
    word_of,
)

ACTIONS = (
    "allow",
    "drop",
    "reset",
    "inject_dns",
    "inject_http",
    "throttle",
    "shutdown",
)
# RFC 1035, 4.1.1, by the names of IANA's registry of DNS response codes.
RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_REDIRECTS = {301, 302, 303, 307, 308}  # RFC 9110, 15.4


def _flags(value: Any) -> str:
    # The letters of tcpdump and scapy for the TCP flags of RFC 9293, 3.1.
    flags = text(value).upper()
    if not re.fullmatch("[FSRPAUEC]+", flags) or len(set(flags)) != len(flags):
        raise Unreadable("TCP flags by their letters, such as RA")
    return flags


def _bare_seconds(value: Any) -> float:
    """A duration; a bare number is seconds, as the key says."""
    written = text(value)
    return seconds(f"{written}s" if written.isdigit() else written)


Octet = Annotated[int, whole_number(1, 255, "a time to live")]
IpId = Annotated[int, whole_number(0, 65535, "an IP identification")]
Window = Annotated[int, whole_number(0, 65535, "a window")]


class Forged(Item):
    """What the headers of a forged packet carry."""

    ttl: Octet | None = None
    ip_id: IpId | None = None
    window: Window | None = None


class ResetText(Forged):
    """Forged TCP resets."""

    to: Annotated[str, word_of(*Ends)] = Ends.BOTH.value
    count: Annotated[int, whole_number(1, 10)] = 1
    flags: Annotated[str, Reads(_flags)] = "RA"
    delay: Seconds = 0.0
    then_drop: Truth = False


class InjectDnsText(Item):
    """A forged DNS answer: addresses, or a response code."""

    a: IpAddress | None = None
    aaaa: IpAddress | None = None
    rcode: Annotated[str, word_of(*RCODES)] = "NOERROR"
    ttl: Seconds = 60.0
    ip_ttl: Octet | None = None
    ip_id: IpId | None = None

    @model_validator(mode="after")
    def _families(self) -> Self:
        for key, address, version in (("a", self.a, 4), ("aaaa", self.aaaa, 6)):
            if address is not None and address.version != version:
                says = f"has an IPv{address.version} address as {quoted(key)}"
                raise Unreadable(f"an IPv{version} address", says=says)
        if (self.a or self.aaaa) and self.rcode != "NOERROR":
            says = "has addresses and a response code"
            raise Unreadable("one of them", says=says, kind="one-of")
        return self


class InjectHttpText(Forged):
    """A forged HTTP response: a redirect or a page."""

    status: Annotated[int, whole_number(200, 599, "an HTTP status")] | None = None
    location: Words | None = None
    body: Words | None = None

    @model_validator(mode="after")
    def _redirect(self) -> Self:
        if self.location is not None and (self.status or 302) not in _REDIRECTS:
            expected = one_of(str(code) for code in sorted(_REDIRECTS))
            raise Unreadable(expected, says="redirects with another status")
        if self.location is None and self.status in _REDIRECTS:
            name = HTTPStatus(self.status).phrase.lower()
            says = f"answers {self.status} ({name}), but goes nowhere"
            raise Unreadable("'location' beside it", says=says)
        return self


class ThrottleText(Item):
    """A limit of rate."""

    rate: KbitS
    burst: KbitS | None = None
    per: Annotated[str, word_of("flow", "subscriber", "rule")] = "flow"


class Bare(Item):
    """An action that needs no more words."""


class Then(Item):
    """One action; the short form is its name alone."""

    allow: Bare | None = None
    drop: Bare | None = None
    reset: ResetText | None = None
    inject_dns: InjectDnsText | None = None
    inject_http: InjectHttpText | None = None
    throttle: ThrottleText | None = None
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


class ResidualText(Item):
    """How blocking goes on after a rule has struck."""

    key: Annotated[str, word_of("2-tuple", "3-tuple", "4-tuple")]
    seconds: Annotated[float, Reads(_bare_seconds)]
    rearm: Truth = False
    to_server: Truth = True
    to_client: Truth = True
    mechanism: Annotated[str, word_of("drop", "reset")] = "drop"
    onset: Seconds = 0.0
    probability: Share = 1.0


class StackText(Item):
    """How a box follows connections; the short form is its grade."""

    grade: Annotated[str, word_of(*Grade)] = Grade.TLS_RECORD.value
    needs_syn: Truth | None = None
    checks_checksum: Truth | None = None
    inspect_bytes: Annotated[int, whole_number(1, 10_000_000)] | None = None
    inspect_packets: Annotated[int, whole_number(1, 1_000_000)] | None = None
    max_flows: Annotated[int, whole_number(1, 100_000_000)] | None = None
    when_full: Annotated[str, word_of("open", "closed")] | None = None
    idle: Seconds | None = None
    quic: Truth | None = None

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A bare word is the grade."""
        return {"grade": value} if isinstance(value, str) else value


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
    rules: list[RuleText] = Field(default_factory=list)
