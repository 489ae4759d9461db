"""What a decided flow's packets meet that a switch cannot count, hold or lose by lot.

The engine sees every packet of such a flow for as long as it must: a countdown ends by
telling the switch to drop the rest; the others never end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from filterlab.inspection.packet import Packet
from filterlab.policy.case import Case, block
from filterlab.policy.effects import Effect, Inject, Led
from filterlab.policy.forge import readdress

Counts = Literal["to_server", "to_client", "both"]


@dataclass(slots=True)
class Countdown:
    """Lets packets or payload bytes pass until none are left, then drops the flow."""

    packets: int | None
    bytes: int | None
    counts: Counts
    is_counted: Callable[[Packet], bool] = lambda packet: True
    # What becomes of the flow then; the packet that ends it included.
    ending: Callable[[Case, float], list[Effect]] = lambda case, now: block(case)

    def meet(self, case: Case, now: float) -> list[Effect]:
        """Count the packet, or end the flow with it."""
        if not _counted(self.counts, case.from_client):
            return case.forward()
        if not self.is_counted(case.packet):
            return case.forward()
        if self.packets is not None:
            if self.packets <= 0:
                return self._end(case, now)
            self.packets -= 1
        if self.bytes is not None:
            if self.bytes <= 0:
                return self._end(case, now)
            self.bytes -= case.packet.end - case.packet.start
        return case.forward()

    def _end(self, case: Case, now: float) -> list[Effect]:
        case.flow.treatment = None
        return self.ending(case, now)


@dataclass(slots=True)
class Loss:
    """Loses each packet with the same probability."""

    probability: float

    def meet(self, case: Case, now: float) -> list[Effect]:
        """Draw a lot for the packet."""
        lost = case.chance() < self.probability
        return case.drop() if lost else case.forward()


@dataclass(slots=True)
class Hold:
    """Holds each packet back for the same time."""

    seconds: float
    to_server: bool
    to_client: bool

    def meet(self, case: Case, now: float) -> list[Effect]:
        """Send the packet later."""
        if not (self.to_server if case.from_client else self.to_client):
            return case.forward()
        return _later(case, self.seconds)


@dataclass(slots=True)
class Detour:
    """Leads the client's packets to another server, and its answers back as if the
    first had sent them."""

    server: tuple[bytes, int]
    other: tuple[bytes, int]

    def meet(self, case: Case, now: float) -> list[Effect]:
        """Give the packet its other address."""
        led: list[Effect] = []
        if case.from_client:
            frame = readdress(case.packet, target=self.other)
            led.append(Led(case.flow.key, *self.other))
        elif (case.packet.src, case.packet.src_port) == self.other:
            frame = readdress(case.packet, source=self.server)
        else:
            return case.forward()  # the server itself speaks
        return [*led, *case.drop(), Inject(frame, case.towards(to_sender=False))]


class Shaper:
    """Spaces packets out to a rate; what would have to wait too long is lost."""

    __slots__ = ("_directions", "_free", "_kbit_s", "_most_seconds")

    def __init__(
        self,
        kbit_s: int,
        directions: Literal["both", "each", "to_server", "to_client"],
        most_seconds: float,
    ) -> None:
        self._kbit_s = kbit_s
        self._directions = directions
        self._most_seconds = most_seconds
        self._free: dict[bool, float] = {}  # when the line of a direction is free

    def meet(self, case: Case, now: float) -> list[Effect]:
        """Send the packet in its turn."""
        directions = self._directions
        if directions in ("to_server", "to_client") and not _counted(
            directions, case.from_client
        ):
            return case.forward()
        line = case.from_client if directions == "each" else True
        starts = max(now, self._free.get(line, now))
        if starts - now > self._most_seconds:
            return case.drop()
        self._free[line] = starts + len(case.packet.frame) * 8 / (self._kbit_s * 1000)
        return case.forward() if starts <= now else _later(case, starts - now)


def _counted(counts: str, from_client: bool) -> bool:
    return counts in ("both", "to_server" if from_client else "to_client")


def _later(case: Case, seconds: float) -> list[Effect]:
    frame = case.packet.frame
    return [*case.drop(), Inject(frame, case.towards(to_sender=False), seconds)]
