"""What a policy is once its YAML has been read: rules of a condition and an action.

A rule says *when* (over findings and packet fields) and *then* (an action). This module
holds values only; `filterlab.scenario.policies` makes them from YAML, and
`filterlab.policy.engine` carries them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, Protocol

from filterlab.inspection.recogniser import Observer

Address = IPv4Address | IPv6Address


class Position(StrEnum):
    """Where the box stands, and so what it is able to do."""

    IN_PATH = "in_path"  # holds each frame until it has decided
    ON_PATH = "on_path"  # sees a copy, can only inject, must win a race
    RESIDUAL = "residual"  # detects on a copy, null-routes in the path
    RESOLVER = "resolver"  # answers at the subscriber's resolver


class Grade(StrEnum):
    """How carefully a box puts a stream together before it looks."""

    PACKET = "packet"  # each packet on its own
    SEGMENT = "segment"  # one TCP segment at a time, in order
    TCP = "tcp"  # the reassembled TCP stream
    TLS_RECORD = "tls-record"  # the TCP stream, with TLS records joined as well


@dataclass(frozen=True, slots=True)
class Source:
    """One place of a file that a verdict can point at."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Match:
    """One key of a `when`: true if the field has any of the wanted values.

    `field` is a key of `filterlab.inspection.fields.FIELDS`. `wanted` holds values as
    that field's kind reads them: names (lower case, `*.x` for every name below x),
    networks, numbers and number ranges, or plain texts.
    """

    field: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class AllOf:
    """True if every part is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if at least one part is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True if its part is false, once that is known."""

    part: Condition


Condition = Match | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class Names:
    """Host names: exact ones, and suffixes that cover every name below them."""

    exact: frozenset[str]
    below: frozenset[str]  # without the leading "*."


@dataclass(frozen=True, slots=True)
class Networks:
    """IP networks by prefix length, so that a look-up costs one probe a length.

    Keyed by (version, prefix length); values are the network addresses as integers.
    """

    by_length: Mapping[tuple[int, int], frozenset[int]]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Single numbers and closed ranges of them (ports, lengths, protocol numbers)."""

    single: frozenset[int]
    ranges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts compared as they stand; `*` at either end stands for anything."""

    patterns: tuple[str, ...]


Wanted = Names | Networks | Numbers | Texts


class Ends(StrEnum):
    """Which end of a connection something is sent to."""

    CLIENT = "client"
    SERVER = "server"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Allow:
    """Let the flow pass, and look no further."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop this frame and the rest of its flow (in_path and residual only)."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Forge TCP resets.

    `ttl`, `ip_id` and `window` are what the forged packet carries; None copies the
    IP TTL of a fresh packet (64), a random id, and a window of zero. `then_drop`
    also drops the rest of the flow, which only a box in the path can.
    """

    to: Ends = Ends.BOTH
    count: int = 1
    ttl: int | None = None
    ip_id: int | None = None
    window: int | None = None
    flags: str = "RA"
    delay_seconds: float = 0.0
    then_drop: bool = False


@dataclass(frozen=True, slots=True)
class InjectDns:
    """Answer a DNS query with a forged answer.

    `addresses` answer A and AAAA queries of their family; `rcode` (for example
    "NXDOMAIN") answers without addresses.
    """

    addresses: tuple[Address, ...] = ()
    rcode: str = "NOERROR"
    ttl_seconds: int = 60
    ip_ttl: int | None = None
    ip_id: int | None = None


@dataclass(frozen=True, slots=True)
class InjectHttp:
    """Answer an HTTP request with a forged response, then end the connection.

    With `location` a redirect of `status`; otherwise `body` as a page. The packet
    to the client carries FIN; `ip_id`, `window` and `ttl` as in `Reset`.
    """

    status: int = 302
    location: str | None = None
    body: str = ""
    ttl: int | None = None
    ip_id: int | None = None
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Throttle:
    """Limit the rate of a flow, of a subscriber, or of all that the rule matches."""

    kbit_s: int
    burst_kbit: int | None = None
    per: Literal["flow", "subscriber", "rule"] = "flow"


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Carry nothing that the rule matches, in either direction."""


Action = Allow | Drop | Reset | InjectDns | InjectHttp | Throttle | Shutdown


@dataclass(frozen=True, slots=True)
class Residual:
    """How long, and for whom, blocking goes on after a rule has struck.

    `key` is what later packets are compared by: 2-tuple (client address, server
    address), 3-tuple (and server port), 4-tuple (and client port).
    """

    key: Literal["2-tuple", "3-tuple", "4-tuple"]
    seconds: float
    rearm: bool = False  # a packet that meets the block starts its time again
    to_server: bool = True
    to_client: bool = True
    mechanism: Literal["drop", "reset"] = "drop"
    onset_seconds: float = 0.0
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Rule:
    """When the condition holds, do this."""

    name: str
    source: Source
    when: Condition | None  # None: every frame
    then: Action
    residual: Residual | None = None


@dataclass(frozen=True, slots=True)
class StackModel:
    """How a box follows connections, apart from what it looks for in them."""

    grade: Grade = Grade.TLS_RECORD
    needs_syn: bool = True
    checks_checksum: bool = True
    inspect_bytes: int = 16_384  # one TLS record at its largest (RFC 8446, 5.1)
    inspect_packets: int = 64
    max_flows: int = 1_000_000
    when_full: Literal["open", "closed"] = "open"
    idle_seconds: float = 120.0
    reads_quic: bool = False  # opens QUIC's Initials: `tls.` keys hold of them too


class OwnRecogniser(Protocol):
    """A recogniser of the user's own, as a policy names it."""

    def load(self) -> type[Observer]:
        """The recogniser itself."""


@dataclass(frozen=True, slots=True)
class Policy:
    """All that one exchange does, as one YAML file says it."""

    name: str
    title: str
    source: Source
    position: Position = Position.IN_PATH
    stack: StackModel = field(default_factory=StackModel)
    rules: tuple[Rule, ...] = ()
    recognisers: tuple[OwnRecogniser, ...] = ()
