"""Forged packets in a policy file: resets and answers, in YAML.

Each model turns itself into the value of `filterlab.policy.rules` that it stands for.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from filterlab.policy.answers import RCODES
from filterlab.policy.rules import Ends, InjectDns, InjectHttp, Reset, Span
from filterlab.scenario.item import Item
from filterlab.scenario.problem import one_of, quoted
from filterlab.scenario.stackfile import Flags
from filterlab.scenario.values import (
    IpAddress,
    Reads,
    Seconds,
    Truth,
    Unreadable,
    Words,
    span,
    text,
    whole,
    whole_number,
    word_of,
)

_REDIRECTS = {301, 302, 303, 307, 308}  # RFC 9110, 15.4


def _ttl(value: Any) -> Span | Literal["mirror"]:
    if value == "mirror":
        return "mirror"
    return span(whole(1, 255, "a time to live"), "a time to live")(value)


def _payload(value: Any) -> bytes:
    written = text(value)
    if not re.fullmatch("(?:[0-9a-fA-F]{2}){1,1400}", written):
        raise Unreadable("bytes in hexadecimal, such as 0102ff")
    return bytes.fromhex(written)


def _ahead(value: Any) -> tuple[int, ...]:
    read = whole(-(2**31), 2**31 - 1, "a distance in sequence numbers")
    return tuple(map(read, value if isinstance(value, list) else [value]))


def _one(span: Any) -> Any:
    """A span of one number as that number; anything else as it is."""
    return span[0] if isinstance(span, tuple) and span[0] == span[1] else span


def _ip_id(value: Any) -> Span | Literal["mirror"]:
    if value == "mirror":
        return "mirror"
    return span(whole(0, 65_535, "an IP identification"), "an IP identification")(value)


Octet = Annotated[int, whole_number(1, 255, "a time to live")]
Ttl = Annotated[Any, Reads(_ttl)]
IpIds = Annotated[Any, Reads(_ip_id)]
IpId = Annotated[int, whole_number(0, 65535, "an IP identification")]
Window = Annotated[int, whole_number(0, 65535, "a window")]


class Forged(Item):
    """What the headers of a forged packet carry."""

    ttl: Ttl | None = None
    ip_id: IpIds | None = None
    window: Window | None = None


class ResetText(Forged):
    """Forged TCP resets."""

    to: Annotated[str, word_of(*Ends)] = Ends.BOTH.value
    count: Annotated[int, whole_number(1, 10)] = 1
    flags: Flags = "RA"
    delay: Seconds = 0.0
    then_drop: Truth = False
    payload: Annotated[bytes, Reads(_payload)] = b""
    dont_fragment: Truth = True
    seq_offsets: Annotated[tuple[int, ...], Reads(_ahead)] = (0,)
    seq: Annotated[int, whole_number(0, 2**32 - 1, "a sequence number")] | None = None
    also: list[ResetText] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_number(self) -> Self:
        if self.seq is not None and self.seq_offsets != (0,):
            says = "has a sequence number and distances from the right one"
            raise Unreadable("one of them", says=says, kind="one-of")
        return self

    def action(self) -> Reset:
        """The value that the engine works with."""
        return Reset(
            to=Ends(self.to),
            count=self.count,
            ttl=_one(self.ttl),
            ip_id=_one(self.ip_id),
            window=self.window,
            flags=self.flags,
            delay_seconds=self.delay,
            then_drop=self.then_drop,
            payload=self.payload,
            dont_fragment=self.dont_fragment,
            seq_offsets=self.seq_offsets,
            seq=self.seq,
            also=tuple(part.action() for part in self.also),
        )


class InjectDnsText(Item):
    """A forged DNS answer: addresses, or a response code."""

    a: IpAddress | None = None
    aaaa: IpAddress | None = None
    rcode: Annotated[str, word_of(*RCODES)] = "NOERROR"
    ttl: Seconds = 60.0
    ip_ttl: Ttl | None = None
    ip_id: IpIds | None = None
    authoritative: Truth = False
    dont_fragment: Truth = True
    also: list[InjectDnsText] = Field(default_factory=list)

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

    def action(self) -> InjectDns:
        """The value that the engine works with."""
        return InjectDns(
            addresses=tuple(a for a in (self.a, self.aaaa) if a is not None),
            rcode=self.rcode,
            ttl_seconds=round(self.ttl),
            ip_ttl=_one(self.ip_ttl),
            ip_id=_one(self.ip_id),
            authoritative=self.authoritative,
            dont_fragment=self.dont_fragment,
            also=tuple(part.action() for part in self.also),
        )


class InjectHttpText(Item):
    """A forged HTTP response: a redirect or a page."""

    ttl: Octet | None = None
    ip_id: IpId | None = None
    window: Window | None = None
    flags: Flags = "FPA"
    dont_fragment: Truth = True
    status: Annotated[int, whole_number(200, 599, "an HTTP status")] | None = None
    location: Words | None = None
    body: Words | None = None
    resets: Annotated[str, word_of(*Ends, "none")] = Ends.SERVER.value

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

    def action(self) -> InjectHttp:
        """The value that the engine works with."""
        return InjectHttp(
            # RFC 9110, 15.4.3 and 15.5.4: a redirect, or a page that refuses.
            status=self.status or (302 if self.location is not None else 403),
            location=self.location,
            body=self.body or "",
            ttl=self.ttl,
            ip_id=self.ip_id,
            window=self.window,
            flags=self.flags,
            dont_fragment=self.dont_fragment,
            resets=None if self.resets == "none" else Ends(self.resets),
        )
