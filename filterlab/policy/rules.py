"""What a policy is once its YAML has been read: rules of a condition and an action.

A rule says *when* (over findings and packet fields) and *then* (an action). This module
holds values only; `filterlab.scenario.policies` makes them from YAML, and
`filterlab.policy.engine` carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, Protocol

from filterlab.inspection.recogniser import Observer
from filterlab.policy.admission import Admit
from filterlab.policy.retention import Records as Records
from filterlab.policy.stack import Grade as Grade
from filterlab.policy.stack import StackModel as StackModel
from filterlab.policy.wanted import AllOf as AllOf
from filterlab.policy.wanted import AnyOf as AnyOf
from filterlab.policy.wanted import Condition as Condition
from filterlab.policy.wanted import Match as Match
from filterlab.policy.wanted import Names as Names
from filterlab.policy.wanted import Networks as Networks
from filterlab.policy.wanted import Not as Not
from filterlab.policy.wanted import Numbers as Numbers
from filterlab.policy.wanted import Texts as Texts
from filterlab.policy.wanted import Wanted as Wanted

Address = IPv4Address | IPv6Address


class Position(StrEnum):
    """Where the box stands, and so what it is able to do."""

    IN_PATH = "in_path"  # holds each frame until it has decided
    ON_PATH = "on_path"  # sees a copy, can only inject, must win a race
    RESIDUAL = "residual"  # detects on a copy, null-routes in the path
    RESOLVER = "resolver"  # answers at the subscriber's resolver


@dataclass(frozen=True, slots=True)
class Source:
    """One place of a file that a verdict can point at."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Ends(StrEnum):
    """Which end of a connection something is sent to."""

    CLIENT = "client"
    SERVER = "server"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Allow:
    """Let the flow pass, and look no further."""


Span = tuple[int, int]
"""The least and the most of a number that is drawn anew each time."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop this frame and the rest of its flow (in_path and residual only).

    `after_packets` and `after_bytes` let so much pass before, counted from the frame
    that the rule struck on, of what `counts` says; with `data_only`, of the packets in
    which a tunnel carries something. `probability` is that of each packet to be lost,
    and 1 loses all.
    """

    after_packets: Span | None = None
    after_bytes: Span | None = None
    counts: Literal["to_server", "to_client", "both"] = "both"
    data_only: bool = False
    probability: float = 1.0

    @property
    def at_once(self) -> bool:
        """Whether nothing more of the flow passes."""
        after = self.after_packets or self.after_bytes
        return after is None and self.probability >= 1


@dataclass(frozen=True, slots=True)
class Freeze:
    """Let the flow run until so many bytes or packets have passed, then drop it."""

    after_bytes: Span | None = None
    after_packets: Span | None = None
    counts: Literal["to_server", "to_client", "both"] = "both"


@dataclass(frozen=True, slots=True)
class Reset:
    """Forge TCP resets.

    `ttl`, `ip_id` and `window` are what the forged packet carries; None copies the
    IP TTL of a fresh packet (64), a random id, and a window of zero; two numbers are
    the least and the most of a random one. Each of `seq_offsets` adds a reset whose
    sequence number lies so far ahead; `seq` is the number itself. `also` are resets of
    another look that go with this one; `then_drop` also drops the rest of the flow,
    which only a box in the path can.
    """

    to: Ends = Ends.BOTH
    count: int = 1
    ttl: int | Span | Literal["mirror"] | None = None
    ip_id: int | Span | Literal["mirror"] | None = None
    window: int | None = None
    flags: str = "RA"
    delay_seconds: float = 0.0
    then_drop: bool = False
    payload: bytes = b""
    dont_fragment: bool = True
    seq_offsets: tuple[int, ...] = (0,)
    seq: int | None = None
    also: tuple[Reset, ...] = ()


@dataclass(frozen=True, slots=True)
class InjectDns:
    """Answer a DNS query with a forged answer.

    `addresses` answer A and AAAA queries of their family; `rcode` (for example
    "NXDOMAIN") answers without addresses. `also` are answers of other injectors.
    """

    addresses: tuple[Address, ...] = ()
    rcode: str = "NOERROR"
    ttl_seconds: int = 60
    ip_ttl: int | Span | Literal["mirror"] | None = None
    ip_id: int | Span | Literal["mirror"] | None = None
    authoritative: bool = False
    dont_fragment: bool = True
    also: tuple[InjectDns, ...] = ()


@dataclass(frozen=True, slots=True)
class InjectHttp:
    """Answer an HTTP request with a forged response, then end the connection.

    With `location` a redirect of `status`; otherwise `body` as a page. The packet
    to the client carries `flags`; `ip_id`, `window` and `ttl` as in `Reset`.
    """

    status: int = 302
    location: str | None = None
    body: str = ""
    ttl: int | None = None
    ip_id: int | None = None
    window: int | None = None
    flags: str = "FPA"
    dont_fragment: bool = True
    resets: Ends | None = Ends.SERVER  # who gets a reset after it


@dataclass(frozen=True, slots=True)
class Throttle:
    """Limit the rate of a flow, of a subscriber, or of all that the rule matches.

    `directions`: "both" share one bucket, "each" has its own, or one alone is slowed.
    `shaping` holds packets back where policing loses them, for a flow alone, and as
    long as `queue_seconds` at most.
    """

    kbit_s: int
    burst_kbit: int | None = None
    per: Literal["flow", "subscriber", "rule"] = "flow"
    directions: Literal["both", "each", "to_server", "to_client"] = "both"
    shaping: bool = False
    queue_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Delay:
    """Hold each packet of the flow back for so long."""

    seconds: float
    to_server: bool = True
    to_client: bool = True


@dataclass(frozen=True, slots=True)
class Redirect:
    """Lead the flow to another server, which answers in the first one's name.

    A port of None is the one that the client asked for. A flow of the other IP version
    stays where it is.
    """

    to: Address
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """Note the flow for the operator, and go on with the next rule."""


Width = Literal["client", "server", "server-port", "2-tuple", "3-tuple", "4-tuple"]
"""How much of a flow's ends a block or a switch entry goes by."""


@dataclass(frozen=True, slots=True)
class Residual:
    """How long, and for whom, blocking goes on after a rule has struck.

    `key` is what later packets are compared by: the client's or the server's address
    alone, the server's address and port, 2-tuple (client address, server address),
    3-tuple (and server port), 4-tuple (and client port). `seconds` up to `most_seconds`
    are drawn where it is given, and `onset_seconds` likewise. `needs_data` resets only
    packets that carry some.
    """

    key: Width
    seconds: float
    rearm: bool = False  # a packet that meets the block starts its time again
    to_server: bool = True
    to_client: bool = True
    mechanism: Literal["drop", "reset"] = "drop"
    onset_seconds: float = 0.0
    probability: float = 1.0
    most_seconds: float | None = None
    needs_data: bool = False
    most_onset_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """Hand the server to the active prober, and go on with the next rule.

    It looks for each of `kinds` (`filterlab.prober.judgement.KINDS`), `delay_seconds`
    after the flow was recognised, and does not look at the same server again for
    `again_seconds`. What it confirms is put on the list `lag_seconds` later, and from
    then on blocked for everybody as `block` says; without one it is only noted.
    """

    kinds: tuple[str, ...] = ()
    delay_seconds: float = 0.0
    lag_seconds: float = 0.0
    again_seconds: float = 900.0
    block: Residual | None = None


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Carry nothing that the rule matches, in either direction."""


Action = (
    Allow
    | Drop
    | Freeze
    | Reset
    | InjectDns
    | InjectHttp
    | Throttle
    | Delay
    | Redirect
    | Record
    | Admit
    | Probe
    | Shutdown
)


@dataclass(frozen=True, slots=True)
class Hours:
    """When a rule is in force, by the scenario's clock in UTC.

    Days count from Monday, 0. `start` and `end` are seconds of the day; a stretch that
    ends before it starts goes on past midnight, and belongs to the day it starts on.
    """

    start: int = 0
    end: int = 86_400
    days: frozenset[int] = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Load:
    """Under what load a rule is in force, in flows that the box remembers."""

    at_least: int = 0
    below: int | None = None


@dataclass(frozen=True, slots=True)
class AfterFlows:
    """From which flow on a rule strikes: the `count`-th that its condition holds of.

    Counted are the flows of the last `within_seconds` that have the same ends as far as
    `of` goes.
    """

    count: int
    of: Width
    within_seconds: float


@dataclass(frozen=True, slots=True)
class Rule:
    """When the condition holds, do this; for a flow in `probability` of all cases."""

    name: str
    source: Source
    when: Condition | None  # None: every frame
    then: Action
    residual: Residual | None = None
    hours: Hours | None = None
    load: Load | None = None
    probability: float = 1.0
    after_flows: AfterFlows | None = None

    @property
    def always(self) -> bool:
        """Whether the rule is in force at all times, and for every flow."""
        at_times = self.hours or self.load or self.after_flows
        return at_times is None and self.probability >= 1


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
    signatures_as_of: date = date.max  # nothing newer is known to the box
    records: Records | None = None
