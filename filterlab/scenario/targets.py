"""What a probe may be pointed at, as a file writes it: hosts, ends and resolvers."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from filterlab.scenario.facts import Scalar
from filterlab.scenario.servicefile import url
from filterlab.scenario.values import Reads, Unreadable, host_name, text

_WITHIN_TLS = "tls://"  # a TLS handshake as well
_RESOLVER_SCHEMES = {"udp", "tcp", "tls", "https"}


def _load(value: Any) -> str:
    written = text(value)
    return url(written) if "://" in written else host_name(written)


def _endpoint(value: Any) -> str:
    host, _, port = text(value).removeprefix(_WITHIN_TLS).rpartition(":")
    if "://" in host:
        raise Unreadable("a host and a port, with tls:// before them or nothing")
    if not host or not port.isascii() or not port.isdigit():
        raise Unreadable("a host and a port, such as news.example:443")
    if not 1 <= int(port[:6]) <= 65535:
        raise Unreadable("a port from 1 to 65535 after the host")
    return str(value).strip().lower()


def _resolver(value: Any) -> str:
    written = text(value)
    if "://" in written:
        try:
            parts = urlsplit(written)
            sound = parts.scheme in _RESOLVER_SCHEMES and parts.hostname
        except ValueError:
            sound = False
        if not sound:
            raise Unreadable("a service, or udp://, tcp://, tls:// or https://HOST")
    return written


def _scalar(value: Any) -> Scalar:
    """A topology's parameter, as `mn` reads those of its command line."""
    if isinstance(value, list):
        return ",".join(str(_scalar(part)) for part in value)
    written = text(value)
    for kind in (int, float):
        try:
            return kind(written)
        except ValueError:
            continue
    return written


Parameter = Annotated[
    Any, Reads(_scalar, type=["string", "number", "boolean", "array"])
]
Load = Annotated[str, Reads(_load)]
Endpoint = Annotated[str, Reads(_endpoint)]
Resolver = Annotated[str, Reads(_resolver)]
