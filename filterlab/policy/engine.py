"""Decides every frame: bytes and a time in, effects out.

A frame becomes a packet, finds its flow, and is read as far as the stack model reads;
then the rules are asked in order. The first true rule strikes, but waits for an
earlier one that is not known yet; when all are false, the flow is allowed and left to
the switch. Randomness comes from the `chance` handed in (a number from 0 up to 1).

A flow's client is whoever sent its first packet seen, unless that packet is a SYN+ACK
or leaves a well-known port for one that is not. Fragments, and packets whose transport
header cannot be read, are judged by addresses and protocol alone. Neighbour discovery
and whatever is not IP always passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from filterlab.inspection.catalogue import RECOGNISERS
from filterlab.inspection.checksum import checksums_right
from filterlab.inspection.flow import ICMPV6, TCP, UDP, Ends
from filterlab.inspection.flow_table import Flow, FlowTable, State
from filterlab.inspection.packet import ACK, SYN, Packet, dissect
from filterlab.inspection.recogniser import Reading
from filterlab.inspection.watch import Plan, Watch
from filterlab.policy.actions import ACTIONS, Case, can_be_reset, let_pass, send_resets
from filterlab.policy.conditions import (
    ANY_RECOGNISER,
    Question,
    Test,
    all_of,
    compile_condition,
    has_found,
    recognisers_of,
)
from filterlab.policy.effects import DropFrame, Effect, Forward, Log, Settle, Side
from filterlab.policy.position import inabilities
from filterlab.policy.residual import Block, Blocks
from filterlab.policy.rules import (
    Drop,
    Grade,
    InjectDns,
    InjectHttp,
    Policy,
    Position,
    Reset,
    Rule,
    Shutdown,
    StackModel,
)
from filterlab.policy.verdict import Decision, Verdict

_FORWARD, _DROP = Forward(), DropFrame()
_WELL_KNOWN = 1024  # system ports (RFC 6335, 6)
# Router and neighbour solicitation and advertisement, redirect (RFC 4861, 4)
_NEIGHBOUR_DISCOVERY = range(133, 138)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A rule made ready: `test` also says whether its action fits the flow."""

    rule: Rule
    test: Test
    question: Question


class Engine:
    """One box: applies one policy to all frames that pass it.

    Raises ValueError for a policy that its position cannot carry out.
    """

    def __init__(self, policy: Policy, chance: Callable[[], float]) -> None:
        for rule, reason in inabilities(policy):
            raise ValueError(f"{rule.source}: rule {rule.name!r}: {reason}")
        self._stack = policy.stack
        self._chance = chance
        self._holds = policy.position in (Position.IN_PATH, Position.RESOLVER)
        can_drop = self._holds or policy.position is Position.RESIDUAL
        self._pass: tuple[Effect, ...] = (_FORWARD,) if self._holds else ()
        self._stop: tuple[Effect, ...] = (_DROP,) if can_drop else ()
        self._rules = [_make_ready(rule) for rule in policy.rules]
        self._tcp_plan = _plan(policy, TCP)
        self._udp_plan = _plan(policy, UDP)
        self._table = FlowTable(policy.stack.max_flows, policy.stack.idle_seconds)
        self._blocks = Blocks(policy)
        self._frames = 0

    @property
    def flow_count(self) -> int:
        """How many flows are remembered now."""
        return len(self._table)

    def expire(self, now: float) -> None:
        """Forget flows that have been idle too long, and blocks that are over."""
        self._table.expire(now)
        self._blocks.expire(now)

    def receive(self, frame: bytes, now: float, side: Side) -> list[Effect]:
        """What must happen because this frame came from this side.

        `now` is in seconds and never goes back. A box in the path answers with one
        `Forward` or `DropFrame` for the frame; one beside it with neither.
        """
        self._frames += 1
        packet = dissect(frame)
        if packet is None:
            return list(self._pass)
        if packet.protocol == ICMPV6 and packet.icmp_type in _NEIGHBOUR_DISCOVERY:
            return list(self._pass)
        protocol, src, src_port = packet.protocol, packet.src, packet.src_port
        dst, dst_port = packet.dst, packet.dst_port
        flow = self._table.get((protocol, src, src_port, dst, dst_port))
        from_client = True
        if flow is None:
            flow = self._table.get((protocol, dst, dst_port, src, src_port))
            from_client = False
        if flow is None:
            return self._first(packet, now, side)
        if self._is_over(flow, packet, from_client, now):
            self._table.remove(flow)
            return self._first(packet, now, side)
        flow.last_seen = now
        if self._blocks:
            met = self._meet_block(flow, packet, from_client, now, side)
            if met is not None:
                return met
        if flow.state is State.OPEN:
            return self._look(flow, packet, from_client, now, side)
        if flow.state is State.DROP:
            return list(self._stop)
        if flow.settled or not flow.settles:
            return list(self._pass)
        flow.settled = True  # the block that kept it from the switch is over
        return [*self._pass, Settle(flow.key, "forward")]

    def _is_over(
        self, flow: Flow, packet: Packet, from_client: bool, now: float
    ) -> bool:
        """Whether a flow is idle, or its ports now serve another connection.

        A dropped flow stays dropped: the switch, which has been told, cannot know.
        """
        if self._table.is_idle(flow, now):
            return True
        return (
            packet.flags & (SYN | ACK) == SYN
            and from_client
            and packet.seq != flow.isn
            and flow.isn is not None
            and flow.state is not State.DROP
        )

    def _first(self, packet: Packet, now: float, side: Side) -> list[Effect]:
        plan = self._plan_for(packet)
        if (
            plan is not None
            and self._stack.checks_checksum
            and not checksums_right(packet)
        ):
            return list(self._pass)
        from_client = not _from_server(packet)
        flow = Flow(
            _ends(packet, from_client), now, (side is Side.INSIDE) is from_client
        )
        flow.settles = packet.whole
        if plan is not None:
            flow.watch = Watch(plan)
        if packet.flags & (SYN | ACK) == SYN:
            flow.isn = packet.seq
        if not self._table.add(flow, now):
            is_open = self._stack.when_full == "open"
            return list(self._pass if is_open else self._stop)
        if self._blocks:
            met = self._meet_block(flow, packet, from_client, now, side)
            if met is not None:
                return met
        case_rule = self._true_rule(flow)
        if case_rule is not None or flow.first_rule == len(self._rules):
            return self._conclude(case_rule, flow, packet, from_client, now, side)
        return self._look(flow, packet, from_client, now, side)

    def _plan_for(self, packet: Packet) -> Plan | None:
        """How to read a flow that begins with this packet; None: not at all."""
        if not packet.whole:
            return None
        if packet.protocol == TCP:
            has_syn = packet.flags & (SYN | ACK) == SYN
            return self._tcp_plan if has_syn or not self._stack.needs_syn else None
        return self._udp_plan if packet.protocol == UDP else None

    def _look(
        self, flow: Flow, packet: Packet, from_client: bool, now: float, side: Side
    ) -> list[Effect]:
        """Read a frame of an undecided flow, and decide if it says enough."""
        if flow.each_message:
            if not from_client:
                return list(self._pass)
            assert self._udp_plan is not None  # it found the first message
            flow.watch = Watch(self._udp_plan)
            flow.first_rule = 0
        watch = flow.watch
        if watch is None or not self._is_readable(packet):
            return list(self._pass)
        if not watch.look(packet, from_client):
            return list(self._pass)
        flow.each_message = flow.each_message or watch.each_message
        struck = self._true_rule(flow)
        if struck is None and flow.first_rule < len(self._rules):
            return list(self._pass)
        return self._conclude(struck, flow, packet, from_client, now, side)

    def _is_readable(self, packet: Packet) -> bool:
        if packet.start == packet.end and not packet.flags & SYN:
            return False
        return not self._stack.checks_checksum or checksums_right(packet)

    def _true_rule(self, flow: Flow) -> _Ready | None:
        """The rule that strikes; none with `first_rule` past the end: all are false."""
        rules = self._rules
        piecewise = self._tcp_plan is not None and self._tcp_plan.piecewise
        waits = False
        for number in range(flow.first_rule, len(rules)):
            said = rules[number].test(flow)
            if said:
                return None if waits else rules[number]
            if said is None:
                waits = True
            elif not waits and not piecewise:
                flow.first_rule = number + 1
        if piecewise and not waits and not (flow.watch and flow.watch.pending):
            flow.first_rule = len(rules)
        return None

    def _conclude(
        self,
        struck: _Ready | None,
        flow: Flow,
        packet: Packet,
        from_client: bool,
        now: float,
        side: Side,
    ) -> list[Effect]:
        if struck is None:
            flow.watch = flow.watch if flow.each_message else None
            if flow.each_message or not flow.settles:
                flow.state = State.OPEN if flow.each_message else State.FORWARD
                return list(self._pass)
            flow.state = State.FORWARD
            flow.settled = True
            return [*self._pass, Settle(flow.key, "forward")]
        case = Case(
            struck.rule, flow, packet, from_client, side, self._holds, self._chance
        )
        return self._strike(case, struck.question.why(flow), now)

    def _strike(self, case: Case, why: dict[str, str], now: float) -> list[Effect]:
        rule, flow = case.rule, case.flow
        name, verdict, carry_out = ACTIONS[type(rule.then)]
        block = self._begin_block(case, why, now)
        if block is None:
            effects = carry_out(case, rule.then)
        else:
            effects = self._strike_residually(case, block, carry_out)
        seen = flow.watch.bytes_seen if flow.watch else 0
        decision = Decision(
            now,
            verdict,
            rule.name,
            str(rule.source),
            name,
            flow.key,
            why,
            self._frames,
            seen,
        )
        if flow.state is not State.OPEN:
            flow.watch = None
        return [*effects, Log(decision)]
