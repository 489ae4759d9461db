"""What must happen on the wire: the engine gives these values, a switch acts on them.

`Engine.receive` answers each frame with a list of these. A box in the path has
exactly one of `Forward` or `DropFrame` for the frame itself; a box beside the path
gives neither, because its frame has already gone on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from filterlab.inspection.flow import FlowKey
from filterlab.policy.rules import Rule, Width
from filterlab.policy.verdict import Decision


class Side(StrEnum):
    """A side of an exchange: subscribers are inside, the rest of the world outside."""

    INSIDE = "inside"
    OUTSIDE = "outside"

    @property
    def other(self) -> Side:
        """The side across the exchange."""
        return Side.OUTSIDE if self is Side.INSIDE else Side.INSIDE


@dataclass(frozen=True, slots=True)
class Forward:
    """This frame goes on, unchanged."""


@dataclass(frozen=True, slots=True)
class DropFrame:
    """This frame ends here."""


@dataclass(frozen=True, slots=True)
class Inject:
    """A forged frame (a whole Ethernet frame) leaves towards one side."""

    frame: bytes
    towards: Side
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate limit; flows with the same `share` share one meter."""

    kbit_s: int
    burst_kbit: int
    share: str


@dataclass(frozen=True, slots=True)
class Settle:
    """The flow is decided: from now on the switch alone handles it.

    `flow` says which packets, `match` how much of it counts: "4-tuple" this
    connection only, "3-tuple" any client port, "2-tuple" the two hosts, "client" and
    "server" one address with whomever it speaks, "server-port" a server's port.
    `seconds` of None lasts until the flow is idle for `idle_seconds`; otherwise idling
    does not end it. A "drop" outranks a "forward" or a "limit" that matches the same
    packet, and a 4-tuple that is settled "forward" is undecided again when a SYN opens
    it anew.
    """

    flow: FlowKey
    action: Literal["forward", "drop", "limit"]
    match: Width = "4-tuple"
    limit: Limit | None = None
    to_server: bool = True
    to_client: bool = True
    seconds: float | None = None
    idle_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Log:
    """One line for `decisions.jsonl`."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Record:
    """The operator keeps this flow: who, with whom, and what was found."""

    flow: FlowKey
    client_side: Side
    finding: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Led:
    """A flow's packet goes to another server, which answers in the first one's name."""

    flow: FlowKey
    server: bytes
    server_port: int


@dataclass(frozen=True, slots=True)
class Probe:
    """The active prober looks at this flow's server, as the rule says."""

    flow: FlowKey
    finding: Mapping[str, str]
    rule: Rule


Effect = Forward | DropFrame | Inject | Settle | Log | Record | Led | Probe
