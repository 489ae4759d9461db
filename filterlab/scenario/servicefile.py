"""The model of a service: where a server stands, what it speaks, what it is called."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from filterlab.scenario.item import Item
from filterlab.scenario.values import (
    HostName,
    Reads,
    SizeBytes,
    Truth,
    Unreadable,
    Words,
    one_or_more,
    text,
    whole_number,
    word_of,
)

# Transport and port of what a service speaks: IANA's, and iperf3's default.
PORTS: dict[str, tuple[tuple[str, int], ...]] = {
    "http": (("tcp", 80),),
    "https": (("tcp", 443),),
    "h3": (("udp", 443),),
    "dns": (("udp", 53), ("tcp", 53)),
    "dot": (("tcp", 853),),
    "doh": (("tcp", 443),),
    "smtp": (("tcp", 25),),
    "smtps": (("tcp", 465),),  # RFC 8314, 7.3: submission with TLS from the first byte
    "portal": (("tcp", 80),),  # a captive portal's form
    "interceptor": (("tcp", 8080),),  # mitmproxy's own port
    "iperf": (("tcp", 5201), ("udp", 5201)),
    "bulk": (),  # a large object that the service's web server has
}
RESOLVERS = ("dns", "dot", "doh")
_SCHEMES = {"http", "https"}


def url(value: Any) -> str:
    """An address of the web, as written; raises Unreadable."""
    written = text(value)
    try:
        parts = urlsplit(written)
        sound = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or re.search(r"\s", written):
        raise Unreadable("an address such as https://news.example/")
    return written


Url = Annotated[str, Reads(url)]
Spoken = Annotated[str, word_of(*PORTS)]
Port = Annotated[int, whole_number(1, 65535, "a port")]
HostNames = Annotated[
    tuple[HostName, ...],
    BeforeValidator(one_or_more),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]


class Service(Item):
    """A server: where it stands and what it speaks."""

    at: Words
    speaks: Annotated[
        tuple[Spoken, ...],
        BeforeValidator(one_or_more),
        WithJsonSchema({"type": "array", "items": {"enum": list(PORTS)}}),
    ]
    # How much of its large object a throughput probe fetches at most.
    size_bytes: SizeBytes = Field(2_000_000, alias="size")
    ports: dict[Spoken, Port] = Field(default_factory=dict)
    # More names of the same host: each has a page of its own, at the same addresses.
    also: HostNames = ()
    # Where its web server sends everybody, instead of a page.
    redirects: Url | None = None
    # Names whose TLS an interceptor reads, and all below them.
    intercepts: HostNames = ()

    # Whether its certificate is of a root of its own, which no client knows.
    self_signed: Truth = False

    @model_validator(mode="after")
    def _web_has_names(self) -> Self:
        if not {"http", "https", "h3"} & set(self.speaks):
            for key, given in (("redirects", self.redirects), ("also", self.also)):
                if given:
                    expected = "http, https or h3 among what it speaks"
                    says = f"has '{key}', but no pages"
                    raise Unreadable(expected, says=says, kind="one-of")
        return self

    @model_validator(mode="after")
    def _knows_whom(self) -> Self:
        if ("interceptor" in self.speaks) != bool(self.intercepts):
            expected = "'intercepts' beside 'speaks: [interceptor]', and there alone"
            says = "intercepts nothing" if not self.intercepts else "cannot intercept"
            raise Unreadable(expected, says=says, kind="one-of")
        return self

    def endpoints(self, spoken: str) -> tuple[tuple[str, int], ...]:
        """Transport and port of what is spoken."""
        return tuple(
            (transport, self.ports.get(spoken, port))
            for transport, port in PORTS[spoken]
        )
