"""Carries out the action of a rule that has become true: from a case to effects.

Each kind of action has one function in `ACTIONS`. The first effect is what happens to
the frame itself, so that a reset for the server follows the frame that it must match
(RFC 5961, 3.2: one with any other sequence number is not believed).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from filterlab.inspection.flow import PROTOCOL_NAMES, TCP
from filterlab.inspection.flow_table import Flow, State
from filterlab.inspection.packet import ACK, RST, SYN, Packet
from filterlab.policy.answers import dns_answer, http_response
from filterlab.policy.effects import (
    DropFrame,
    Effect,
    Forward,
    Inject,
    Limit,
    Settle,
    Side,
)
from filterlab.policy.forge import Disguise, reset, tcp_answer, udp_answer
from filterlab.policy.rules import (
    Allow,
    Drop,
    Ends,
    InjectDns,
    InjectHttp,
    Reset,
    Rule,
    Shutdown,
    Throttle,
)
from filterlab.policy.verdict import Verdict

_DNS_LENGTH_BYTES = 2  # RFC 1035, 4.2.2


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
    ) -> list[Effect]:
        """Decide the rest of the flow, for the switch as well if it can tell it."""
        flow = self.flow
        flow.state = State.DROP if action == "drop" else State.FORWARD
        if not flow.settles:
            return []
        flow.settled = True
        return [Settle(flow.key, action, limit=limit)]

    def disguise(
        self, ttl: int | None, ip_id: int | None, window: int | None
    ) -> Disguise:
        """How the headers of a forged packet look; an unstated id is random."""
        number = int(self.chance() * 0x10000) if ip_id is None else ip_id
        return Disguise(number, ttl, window)

    def towards(self, to_sender: bool) -> Side:
        """The side where the sender of the frame is, or its receiver."""
        return self.side if to_sender else self.side.other


def let_pass(case: Case) -> list[Effect]:
    """Forward the frame, and the rest of its flow unless each message counts."""
    if case.flow.each_message:
        return case.forward()
    return case.forward() + case.settle("forward")


def block(case: Case) -> list[Effect]:
    """Drop the frame and the rest of its flow."""
    return case.drop() + case.settle("drop")


def send_resets(case: Case, action: Reset, dropped: bool) -> list[Effect]:
    """The forged resets alone."""
    packet, watch = case.packet, case.flow.watch
    # A server that never got this frame still waits for its first byte.
    next_seq = packet.seq if dropped else packet.next_seq
    if not dropped and watch is not None and case.from_client:
        next_seq = watch.server_expects() or next_seq
    effects: list[Effect] = []
    for end in (Ends.CLIENT, Ends.SERVER):
        if action.to not in (end, Ends.BOTH):
            continue
        to_sender = case.from_client is (end is Ends.CLIENT)
        for _ in range(action.count):
            look = case.disguise(action.ttl, action.ip_id, action.window)
            frame = reset(packet, to_sender, next_seq, action.flags, look)
            towards = case.towards(to_sender)
            effects.append(Inject(frame, towards, action.delay_seconds))
    return effects


def can_be_reset(packet: Packet) -> bool:
    """Whether a reset of this packet's connection can end it once it stands."""
    return (
        packet.protocol == TCP
        and packet.whole
        and packet.flags & (ACK | RST | SYN) == ACK
    )


def _allow(case: Case, rule: Rule) -> list[Effect]:
    return let_pass(case)


def _drop(case: Case, rule: Rule) -> list[Effect]:
    return block(case)


def _reset(case: Case, rule: Rule) -> list[Effect]:
    action = rule.then
    assert isinstance(action, Reset)
    if not action.then_drop:
        resets = send_resets(case, action, dropped=False)
        return case.forward() + resets + case.settle("forward")
    resets = send_resets(case, action, dropped=case.holds)
    return case.drop() + resets + case.settle("drop")


def _throttle(case: Case, rule: Rule) -> list[Effect]:
    action = rule.then
    assert isinstance(action, Throttle)
    _, client, client_port, server, server_port = case.flow.ends
    share = rule.name
    if action.per == "subscriber":
        subscriber = client if case.flow.client_inside else server
        share += f" {ip_address(subscriber)}"
    elif action.per == "flow":
        name = PROTOCOL_NAMES.get(case.flow.ends[0], str(case.flow.ends[0]))
        share += f" {name} {ip_address(client)} {client_port}"
        share += f" {ip_address(server)} {server_port}"
    # One second's worth, as Open vSwitch takes where a meter states none.
    burst = action.kbit_s if action.burst_kbit is None else action.burst_kbit
    limit = Limit(action.kbit_s, burst, share)
    return case.forward() + case.settle("limit", limit)


def _inject_dns(case: Case, rule: Rule) -> list[Effect]:
    action = rule.then
    assert isinstance(action, InjectDns)
    watch = case.flow.watch
    assert watch is not None  # the rule waits for the query
    message = dns_answer(watch.found["dns"].message, action)
    look = case.disguise(action.ip_ttl, action.ip_id, None)
    if case.packet.protocol != TCP:
        frame = udp_answer(case.packet, message, look)
        return [*case.drop(), Inject(frame, case.side)]
    length = len(message).to_bytes(_DNS_LENGTH_BYTES, "big")
    return _answer_stream(case, length + message, look)


def _inject_http(case: Case, rule: Rule) -> list[Effect]:
    action = rule.then
    assert isinstance(action, InjectHttp)
    look = case.disguise(action.ttl, action.ip_id, action.window)
    return _answer_stream(case, http_response(action), look)


def _answer_stream(case: Case, data: bytes, look: Disguise) -> list[Effect]:
    """Answer in the server's name, then take the server out of the connection."""
    effects = case.drop()
    for frame in tcp_answer(case.packet, data, look, end=True):
        effects.append(Inject(frame, case.side))
    effects += send_resets(case, Reset(to=Ends.SERVER), dropped=case.holds)
    # What the client still sends would be answered by the server with resets of its
    # own, which could outrun the reading of the page.
    return effects + case.settle("drop" if case.holds else "forward")


CarryOut = Callable[[Case, Rule], list[Effect]]

ACTIONS: dict[type, tuple[str, Verdict, CarryOut]] = {
    Allow: ("allow", Verdict.ALLOW, _allow),
    Drop: ("drop", Verdict.BLOCK, _drop),
    Reset: ("reset", Verdict.BLOCK, _reset),
    InjectDns: ("inject_dns", Verdict.BLOCK, _inject_dns),
    InjectHttp: ("inject_http", Verdict.BLOCK, _inject_http),
    Throttle: ("throttle", Verdict.THROTTLE, _throttle),
    Shutdown: ("shutdown", Verdict.BLOCK, _drop),
}
