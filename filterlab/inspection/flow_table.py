"""What is known of each flow, and the table that remembers it.

A flow is found by its five values in either direction. The table forgets a flow that
has been idle too long, and takes no new ones when it is full: state belongs to the
flow, so forgetting it forgets everything about it.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Any

from filterlab.inspection.flow import Ends, FlowKey
from filterlab.inspection.tracking import Place
from filterlab.inspection.watch import Watch


class State(Enum):
    """What is done with the frames of a flow."""

    OPEN = "undecided: look at each frame"
    FORWARD = "every frame goes on"
    DROP = "every frame ends here"


class Flow:
    """What is known of one flow; `watch` is None when there is nothing to look for."""

    __slots__ = (
        "admitted",
        "block_told",
        "client_inside",
        "each_message",
        "ends",
        "first_rule",
        "isn",
        "last_seen",
        "of_client",
        "other_ends",
        "parallel",
        "passed",
        "place",
        "settled",
        "settles",
        "state",
        "treatment",
        "until",
        "watch",
    )

    def __init__(self, ends: Ends, now: float, client_inside: bool) -> None:
        self.ends = ends
        self.last_seen = now
        self.client_inside = client_inside
        self.state = State.OPEN
        self.watch: Watch | None = None
        self.first_rule = 0  # rules before this one are known to be false
        self.isn: int | None = None  # initial sequence number of the client's SYN
        self.settles = True  # a switch can tell this flow's frames by their headers
        self.settled = False  # a switch has been told
        self.each_message = False  # every datagram is decided on its own
        self.parallel = 0  # flows of these two hosts when it began; 0: not counted
        self.of_client = 0  # and of its client
        self.admitted = False  # its client had been let in when it began
        self.place: Place | None = None  # where a box that tracks believes it is
        self.passed: frozenset[int] = frozenset()  # true rules that do not strike it
        self.treatment: Any = None  # what each further packet meets; the policy's
        self.until: float | None = None  # then the policy's hours change
        self.other_ends: Ends | None = None  # under which it is found as well
        self.block_told = 0  # number of the residual block that was last logged

    @property
    def key(self) -> FlowKey:
        """The two ends, as decisions and switch entries name them."""
        return FlowKey(*self.ends)

    @property
    def rests(self) -> bool:
        """Whether a frame that neither opens nor ends it can change nothing."""
        return self.settled and self.state is not State.OPEN and self.until is None


class FlowTable:
    """All flows, found in either direction; bounded in number and in idle time."""

    __slots__ = ("_due", "_flows", "_idle_seconds", "_most", "_pairs", "_seen", "find")

    def __init__(
        self, most: int, idle_seconds: float, counts_parallel: bool = False
    ) -> None:
        self._flows: dict[Ends, Flow] = {}
        self.find = self._flows.get  # the flow whose client is the first end given
        # In the order in which they must be looked at again: a flow that was used
        # meanwhile goes to the back, so using a flow costs nothing here.
        # Two rows instead of one of pairs, and the time that the flow has anyway: of a
        # million flows that is a tenth of what they take.
        self._seen: deque[float] = deque()
        self._due: deque[Flow] = deque()
        self._most = most
        self._idle_seconds = idle_seconds
        # How many flows there are of a client and a server, and of a client, if a rule
        # asks for that.
        self._pairs: dict[tuple[bytes, bytes], int] | None = (
            {} if counts_parallel else None
        )

    def __len__(self) -> int:
        return len(self._flows)

    def get(self, ends: Ends) -> Flow | None:
        """The flow whose client, as first seen, is the first end given."""
        return self._flows.get(ends)

    def add(self, flow: Flow, now: float) -> bool:
        """Remember a flow; False if the table is full of flows that are not idle."""
        if len(self._flows) >= self._most:
            self.expire(now)
            if len(self._flows) >= self._most:
                return False
        self._flows[flow.ends] = flow
        if self._pairs is not None:
            both, client = _pairs_of(flow)
            flow.parallel = self._pairs[both] = self._pairs.get(both, 0) + 1
            flow.of_client = self._pairs[client] = self._pairs.get(client, 0) + 1
        self._seen.append(flow.last_seen)
        self._due.append(flow)
        return True

    def alias(self, flow: Flow) -> None:
        """Find a flow by its other ends as well, where nothing else is."""
        if flow.other_ends is not None:
            self._flows.setdefault(flow.other_ends, flow)

    def is_idle(self, flow: Flow, now: float) -> bool:
        """Whether nothing has been seen of the flow for too long."""
        return now - flow.last_seen > self._idle_seconds

    def remove(self, flow: Flow) -> None:
        """Forget one flow."""
        if self._flows.get(flow.ends) is flow:
            self._delete(flow)

    def expire(self, now: float) -> None:
        """Forget every flow that has been idle too long."""
        due, seen = self._due, self._seen
        while seen and seen[0] + self._idle_seconds < now:
            seen.popleft()
            flow = due.popleft()
            if self._flows.get(flow.ends) is not flow:
                continue
            if self.is_idle(flow, now):
                self._delete(flow)
            else:
                seen.append(max(now - self._idle_seconds, flow.last_seen))
                due.append(flow)

    def _delete(self, flow: Flow) -> None:
        del self._flows[flow.ends]
        other = flow.other_ends
        if other is not None and self._flows.get(other) is flow:
            del self._flows[other]
        if self._pairs is None:
            return
        for pair in _pairs_of(flow):
            left = self._pairs[pair] - 1
            if left:
                self._pairs[pair] = left
            else:
                del self._pairs[pair]


def _pairs_of(flow: Flow) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """A flow's client with its server, and with no matter whom."""
    client, server = flow.ends[1], flow.ends[3]
    return (client, server), (client, b"")
