"""Servers that the active prober is to look at, from the rule to what it has seen.

Two stages, both on the scenario's clock: a flow is recognised and its server looked at
after the rule's delay; what is confirmed reaches the list after the rule's lag. One
server is looked at once in a while only, and never because of a prober's own visit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from filterlab.inspection.flow import PROTOCOL_NAMES
from filterlab.inspection.packet import dissect
from filterlab.openflow.timers import Timers
from filterlab.policy import rules
from filterlab.policy.effects import Probe
from filterlab.policy.verdict import Decision, Verdict

Ask = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A server, and why."""

    number: int
    cause: Probe
    payload: bytes  # what the client had sent in the frame that gave it away

    @property
    def action(self) -> rules.Probe:
        """How the rule wants it looked at."""
        action = self.cause.rule.then
        assert isinstance(action, rules.Probe)
        return action

    @property
    def server(self) -> str:
        """The server's address."""
        return str(ip_address(self.cause.flow.server))

    def request(self, event: str, exchange: str) -> dict[str, Any]:
        """What the prober is told: a "suspect", or that it is to "probe" it now."""
        flow = self.cause.flow
        return {
            "event": event,
            "exchange": exchange,
            "id": f"{exchange} {self.number}",
            "address": self.server,
            "port": flow.server_port,
            "protocol": PROTOCOL_NAMES.get(flow.protocol, str(flow.protocol)),
            "kinds": list(self.action.kinds),
            "payload": self.payload.hex(),
        }

    def told(
        self, seen: Mapping[str, str], kind: str | None, now: float, frame: int
    ) -> Decision:
        """The line that says what the prober saw."""
        return Decision(
            now,
            Verdict.PROBE,
            self.cause.rule.name,
            str(self.cause.rule.source),
            "probed",
            self.cause.flow,
            {"prober": kind or "nothing proved", **seen},
            frame,
            bytes_seen=0,
        )

    def why(self, kind: str) -> dict[str, str]:
        """What a block because of it says."""
        flow = self.cause.flow
        protocol = PROTOCOL_NAMES.get(flow.protocol, str(flow.protocol))
        server = f"{self.server} {protocol} {flow.server_port}"
        return {"exposed": f"{kind} at {server}", **self.cause.finding}


class Suspects:
    """All servers that one exchange has suspected."""

    def __init__(
        self, exchange: str, timers: Timers, ask: Ask, probers: Collection[bytes]
    ) -> None:
        self._exchange = exchange
        self._timers = timers
        self._ask = ask
        self._probers = probers
        self._not_before: dict[tuple[int, bytes, int], float] = {}
        self._asked: dict[int, Suspect] = {}
        self._count = 0

    def take(self, cause: Probe, frame: bytes, now: float) -> None:
        """Have a server looked at, if it has not been of late."""
        flow = cause.flow
        server = flow.protocol, flow.server, flow.server_port
        if flow.client in self._probers or now < self._not_before.get(server, now):
            return
        self._count += 1
        suspect = Suspect(self._count, cause, _payload(cause, frame))
        self._not_before[server] = now + suspect.action.again_seconds
        self._asked[suspect.number] = suspect
        if not suspect.action.delay_seconds:
            self._ask(suspect.request("probe", self._exchange))
            return
        self._ask(suspect.request("suspect", self._exchange))
        self._timers.at(
            now + suspect.action.delay_seconds,
            lambda: self._ask(suspect.request("probe", self._exchange)),
        )

    def answered(self, number: int) -> Suspect:
        """The suspect that the prober has spoken of."""
        return self._asked.pop(number)


def _payload(cause: Probe, frame: bytes) -> bytes:
    packet = dissect(frame)
    if packet is None or packet.src != cause.flow.client:
        return b""
    return packet.payload
