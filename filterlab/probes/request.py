"""What a probe is asked to try: a target, a way there, and how long each step may take.

A request is a value that goes to another process as JSON, so it holds plain scalars
only. A request that makes no sense cannot be made: the constructor raises ValueError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

Kind = Literal["fetch", "resolve", "connect", "throughput"]
Family = Literal["any", "4", "6"]
HttpVersion = Literal["1.1", "2", "3"]

# Linux sends the first SYN again after one second (RFC 6298, section 2.1), so a step
# that one lost packet must not fail has to outlast it.
RETRANSMISSION_SECONDS = 1.0
# What a busy two-core machine may add to any step; measured with the lab's own load.
SLACK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each step of a probe may take, in seconds."""

    dns: float = 2.0
    socks: float = 2.5
    tcp: float = 2.0
    tls: float = 2.0
    quic: float = 2.0
    http: float = 2.0
    throughput: float = 2.0

    @classmethod
    def for_round_trip(cls, rtt_seconds: float) -> Timeouts:
        """Timeouts for a network whose longest round trip is `rtt_seconds`.

        Each step gets the round trips it needs twice over (one packet lost), a
        retransmission timer, and slack: under 2.1 s at 50 ms.
        """
        floor = RETRANSMISSION_SECONDS + SLACK_SECONDS
        return cls(
            dns=floor + 4 * rtt_seconds,  # a recursive resolver asks others in turn
            socks=floor + 10 * rtt_seconds,  # the tool connects and shakes hands first
            tcp=floor + 2 * rtt_seconds,
            tls=floor + 4 * rtt_seconds,
            quic=floor + 4 * rtt_seconds,
            http=floor + 8 * rtt_seconds,  # the page, in a few windows of slow start
            throughput=floor + 10 * rtt_seconds,
        )

    @property
    def whole(self) -> float:
        """The longest that a whole probe can take."""
        return float(sum(asdict(self).values()))


@dataclass(frozen=True, slots=True)
class Socks:
    """Through a SOCKS5 proxy, which resolves the names."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """Through an HTTP proxy's CONNECT, which resolves the names."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Device:
    """Out of one interface: the tunnel of a VPN."""

    interface: str


Via = Socks | HttpProxy | Device
_VIA_KINDS: dict[str, type[Via]] = {
    "socks": Socks,
    "http-proxy": HttpProxy,
    "device": Device,
}

_SCHEMES: dict[str, tuple[str, ...]] = {
    "fetch": ("http", "https"),
    "throughput": ("http", "https"),
    "connect": ("tcp", "tls"),
    "resolve": ("",),
}
_PORTS = {"http": 80, "https": 443}
_RESOLVER_SCHEMES = ("udp", "tcp", "tls", "https")


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """One attempt of one client.

    `target` is an http(s) URL for `fetch` and `throughput`, a name for `resolve`, and
    `host:port`, `tcp://host:port` or `tls://host:port` for `connect`. `resolver` is
    `udp://`, `tcp://` or `tls://` with an address (`#name` is the name that its
    certificate must bear), or a DoH URL; None takes the first server of
    /etc/resolv.conf. `addresses` are what the name is known to resolve to, so that
    nobody is asked. `family` "any" tries IPv4, then IPv6.
    """

    kind: Kind
    target: str
    resolver: str | None = None
    via: Via | None = None
    http: HttpVersion = "1.1"
    ca_file: str | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    family: Family = "any"
    most_bytes: int = 8_000_000
    hello_padding_bytes: int = 0
    pin: str | None = None  # SHA-256 of the only key that the client accepts
    addresses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.scheme, self.host, self.port
        if self.http == "3" and self.kind in ("fetch", "throughput"):
            if isinstance(self.via, Socks | HttpProxy):
                raise ValueError("HTTP/3 does not go through a SOCKS or HTTP proxy")
            if self.scheme != "https":
                raise ValueError("HTTP/3 needs an https URL")
        if self.resolver is not None:
            scheme = urlsplit(self.resolver).scheme
            if scheme not in _RESOLVER_SCHEMES or not urlsplit(self.resolver).hostname:
                raise ValueError(
                    f"resolver {self.resolver!r} must start with one of "
                    + ", ".join(f"{known}://" for known in _RESOLVER_SCHEMES)
                )

    @property
    def scheme(self) -> str:
        """What is spoken to the target: http, https, tcp, tls, or "" for a name."""
        if self.kind == "resolve":
            return ""
        text = self.target if "://" in self.target else f"tcp://{self.target}"
        scheme = urlsplit(text).scheme
        if scheme not in _SCHEMES[self.kind]:
            wanted = " or ".join(f"{known}://" for known in _SCHEMES[self.kind])
            raise ValueError(f"{self.kind} needs {wanted}, not {self.target!r}")
        return scheme

    @property
    def host(self) -> str:
        """The name or address that is tried."""
        if self.kind == "resolve":
            if not self.target or "/" in self.target:
                raise ValueError(f"resolve needs a host name, not {self.target!r}")
            return self.target.rstrip(".")
        text = self.target if "://" in self.target else f"tcp://{self.target}"
        host = urlsplit(text).hostname
        if not host:
            raise ValueError(f"{self.target!r} names no host")
        return host

    @property
    def port(self) -> int:
        """The port that is tried; 0 for `resolve`."""
        if self.kind == "resolve":
            return 0
        text = self.target if "://" in self.target else f"tcp://{self.target}"
        port = urlsplit(text).port or _PORTS.get(self.scheme)
        if port is None:
            raise ValueError(f"{self.target!r} names no port")
        return port

    @property
    def path(self) -> str:
        """The path and query of a URL."""
        parts = urlsplit(self.target)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def as_json(self) -> dict[str, Any]:
        """The request as one JSON object."""
        kind = next((k for k, v in _VIA_KINDS.items() if isinstance(self.via, v)), None)
        via = {"kind": kind, **asdict(self.via)} if self.via is not None else None
        return {
            "kind": self.kind,
            "target": self.target,
            "resolver": self.resolver,
            "via": via,
            "http": self.http,
            "ca_file": self.ca_file,
            "timeouts": asdict(self.timeouts),
            "family": self.family,
            "most_bytes": self.most_bytes,
            "hello_padding_bytes": self.hello_padding_bytes,
            "pin": self.pin,
            "addresses": list(self.addresses),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ProbeRequest:
        """The request that `as_json` wrote."""
        fields = dict(value)
        via = fields.pop("via")
        if via is not None:
            parts = dict(via)
            via = _VIA_KINDS[parts.pop("kind")](**parts)
        timeouts = Timeouts(**fields.pop("timeouts"))
        addresses = tuple(fields.pop("addresses"))
        return cls(via=via, timeouts=timeouts, addresses=addresses, **fields)
