"""One frame of a flow that something must be done about, and what a box can do with it.

A box in the path forwards or drops the frame; one beside it has only a copy, and both
come to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from filterlab.inspection.flow_table import Flow, State
from filterlab.inspection.packet import Packet
from filterlab.policy.effects import DropFrame, Effect, Forward, Limit, Settle, Side
from filterlab.policy.forge import Disguise
from filterlab.policy.rules import Span


class Treatment(Protocol):
    """What each further packet of a flow meets, where a switch cannot see to it."""

    def meet(self, case: Case, now: float) -> list[Effect]:
        """What must happen with this packet."""


@dataclass(slots=True)
class Case:
    """One frame of a flow, and what the box is able to do about it."""

    flow: Flow
    packet: Packet
    from_client: bool
    side: Side
    holds: bool  # the box is in the path
    chance: Callable[[], float]

    def forward(self) -> list[Effect]:
        """Let the frame go on, if it is still here."""
        return [Forward()] if self.holds else []

    def drop(self) -> list[Effect]:
        """End the frame here, if it is still here."""
        return [DropFrame()] if self.holds else []

    def settle(
        self,
        action: Literal["forward", "drop", "limit"],
        limit: Limit | None = None,
        to_server: bool = True,
        to_client: bool = True,
    ) -> list[Effect]:
        """Decide the rest of the flow, for the switch as well if it can tell it."""
        flow = self.flow
        flow.state = State.DROP if action == "drop" else State.FORWARD
        if not flow.settles:
            return []
        flow.settled = True
        settle = Settle(
            flow.key, action, limit=limit, to_server=to_server, to_client=to_client
        )
        return [settle]

    def treat(self, treatment: Treatment) -> None:
        """See to each further packet of the flow here, not in the switch."""
        self.flow.state = State.FORWARD
        self.flow.treatment = treatment

    def draw(self, span: Span) -> int:
        """A number from the least to the most, each as likely."""
        least, most = span
        return least + int(self.chance() * (most - least + 1))

    def disguise(
        self,
        ttl: int | Span | Literal["mirror"] | None,
        ip_id: int | Span | Literal["mirror"] | None,
        window: int | None,
        dont_fragment: bool = True,
    ) -> Disguise:
        """How the headers of a forged packet look; an unstated id is random."""
        if ip_id == "mirror":
            ip_id = self.packet.ip_id
        number = ip_id if isinstance(ip_id, int) else self.draw(ip_id or (0, 0xFFFF))
        if ttl == "mirror":
            ttl = self.packet.ttl
        elif isinstance(ttl, tuple):
            ttl = self.draw(ttl)
        return Disguise(number, ttl, window, dont_fragment)

    def towards(self, to_sender: bool) -> Side:
        """The side where the sender of the frame is, or its receiver."""
        return self.side if to_sender else self.side.other


def let_pass(case: Case) -> list[Effect]:
    """Forward the frame, and the rest of its flow unless each message counts."""
    if case.flow.each_message:
        return case.forward()
    return case.forward() + case.settle("forward")


def block(case: Case) -> list[Effect]:
    """Drop the frame and the rest of its flow, if the box knows of one."""
    watch = case.flow.watch
    if watch is not None and watch.knows_no_flow:
        return case.drop()
    return case.drop() + case.settle("drop")
