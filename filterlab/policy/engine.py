"""Decides every frame: bytes and a time in, effects out.

A frame becomes a packet, finds its flow, and is read as far as the stack model reads;
then the rules are asked in order. The first true rule strikes, but waits for an
earlier one that is not known yet; when all are false, the flow is allowed and left to
the switch. Randomness comes from the `chance` handed in (a number from 0 up to 1).

Fragments that do not complete a datagram, and packets whose transport
header cannot be read, are judged by addresses and protocol alone. Neighbour discovery
and whatever is not IP always passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from filterlab.inspection.checksum import checksums_right
from filterlab.inspection.flow import ICMPV6, TCP, Ends, FlowKey
from filterlab.inspection.flow_table import Flow, FlowTable, State
from filterlab.inspection.fragments import Fragments
from filterlab.inspection.packet import ACK, SYN, Packet, dissect
from filterlab.inspection.plan import Plan
from filterlab.inspection.tracking import Place, Step
from filterlab.inspection.watch import Watch
from filterlab.policy.actions import ACTIONS, CarryOut, counts_down, end_here
from filterlab.policy.admission import Admissions
from filterlab.policy.blocking import expose, meet, strike_residually
from filterlab.policy.case import Case, let_pass
from filterlab.policy.effects import DropFrame, Effect, Forward, Inject, Settle, Side
from filterlab.policy.ends import ends_of, is_from_server, is_second_syn
from filterlab.policy.following import following_for
from filterlab.policy.force import next_change, until
from filterlab.policy.journal import Refusals, logged, logged_again, noted
from filterlab.policy.judging import Judge
from filterlab.policy.position import inabilities, unfit
from filterlab.policy.ready import ReadyRule, counts_parallel, reading_plans
from filterlab.policy.residual import Blocks
from filterlab.policy.rules import Policy, Position, Residual, Rule, StackModel
from filterlab.policy.verdict import Verdict

_FORWARD, _DROP = Forward(), DropFrame()
# Router and neighbour solicitation and advertisement, redirect (RFC 4861, 4)
_NEIGHBOUR_DISCOVERY = range(133, 138)


class Engine:
    """One box: applies one policy to all frames that pass it.

    Raises ValueError for a policy that its position cannot carry out.
    """

    def __init__(self, policy: Policy, chance: Callable[[], float]) -> None:
        for rule, reason in inabilities(policy):
            raise ValueError(f"{rule.source}: rule {rule.name!r}: {reason}")
        if (why := unfit(policy.position, policy.stack)) is not None:
            raise ValueError(f"{policy.source}: {why}")
        self._stack = stack = policy.stack
        self._chance = chance
        self._holds = policy.position in (Position.IN_PATH, Position.RESOLVER)
        can_drop = self._holds or policy.position is Position.RESIDUAL
        self._pass: tuple[Effect, ...] = (_FORWARD,) if self._holds else ()
        self._stop: tuple[Effect, ...] = (_DROP,) if can_drop else ()
        self.quiet = len(self._pass)  # effects of a frame that changes nothing
        self._plans = reading_plans(policy)
        self.asks_sums = bool(self._plans) and policy.stack.checks_checksum
        pairs = counts_parallel(policy)
        self._table = FlowTable(stack.max_flows, stack.idle_seconds, pairs)
        self._judge = Judge(policy, chance, self._table.__len__)
        self._refusals = Refusals(policy.source, policy.stack.max_flows)
        self._find, self._idle_seconds = self._table.find, stack.idle_seconds
        self._blocks = Blocks(policy)
        self._blocked = self._blocks.by_key  # empty while nobody is
        # Whether what one flow does may ever have a say in another's.
        self.may_block = any(rule.residual is not None for rule in policy.rules)
        self._following = following_for(stack)
        self._fragments = Fragments(stack.fragments_most, stack.fragments)
        self._reads_short = not stack.checks_offset
        self._hours = tuple(r.hours for r in policy.rules if r.hours is not None)
        self._keeps = policy.records is not None
        self._admitted = Admissions()
        self._frames = 0
        # What had been read of the flow that was decided last; a replay tells it.
        self.concluded: Watch | None = None
        self.current: Flow | None = None  # of the packet that was received last

    @property
    def flow_count(self) -> int:
        """How many flows are remembered now."""
        return len(self._table)

    @property
    def blocks_somebody(self) -> bool:
        """Whether a residual block is remembered, so that any packet may meet it."""
        return bool(self._blocked)

    @property
    def stack(self) -> StackModel:
        """How this box follows connections."""
        return self._stack

    def flow_of(self, ends: Ends) -> Flow | None:
        """The flow that a packet of these ends, sender first, belongs to."""
        protocol, src, src_port, dst, dst_port = ends
        found = self._table.get(ends)
        return found or self._table.get((protocol, dst, dst_port, src, src_port))

    def waits(self, flow: Flow) -> bool:
        """Whether no rule can say anything of a flow before more of it is read."""
        return self._judge.waits(flow)

    def pass_over(self, frames: int) -> None:
        """Count frames of flows at rest as received, without having been given them."""
        self._frames += frames

    def expire(self, now: float) -> None:
        """Forget flows that have been idle too long, and blocks that are over."""
        self._table.expire(now)
        self._blocks.expire(now)
        self._fragments.expire(now)

    def receive(self, frame: bytes, now: float, side: Side) -> list[Effect]:
        """What must happen because this frame came from this side.

        `now` is in seconds and never goes back. A box in the path answers with one
        `Forward` or `DropFrame` for the frame; one beside it with neither.
        """
        packet = dissect(frame)
        torn = packet is not None and packet.fragment
        if packet is not None and torn:
            if self._fragments.holds:
                return self._hold(packet, now, side)
            packet = self._fragments.put_together(packet, now)
        if packet is None:
            self._frames += 1
            return list((torn and self._stop) or self._pass)
        if self._reads_short and not packet.whole:
            packet.read_short_header()
        return self.receive_packet(packet, now, side)

    def _hold(self, fragment: Packet, now: float, side: Side) -> list[Effect]:
        """Keep a fragment until all have come; they are judged by the last one."""
        frames = self._fragments.let_go(fragment, now)
        if not frames:
            self._frames += 1
            return list(self._stop)
        said = self.receive_packet(fragment, now, side)
        if _FORWARD not in said:
            return said
        released = [Inject(frame, side.other) for frame in frames]
        return [_DROP, *released, *(e for e in said if e != _FORWARD)]

    def receive_packet(self, packet: Packet, now: float, side: Side) -> list[Effect]:
        """The same for a frame whose headers have been read."""
        self._frames += 1
        self.current = None
        protocol, src, src_port = packet.protocol, packet.src, packet.src_port
        dst, dst_port, find = packet.dst, packet.dst_port, self._find
        if protocol == ICMPV6 and packet.icmp_type in _NEIGHBOUR_DISCOVERY:
            return list(self._pass)
        flow, from_client = find((protocol, src, src_port, dst, dst_port)), True
        if flow is None:
            flow = find((protocol, dst, dst_port, src, src_port))
            if flow is None:
                return self._first(packet, now, side)
            from_client = False
        is_over = now - flow.last_seen > self._idle_seconds or (
            flow.until is not None and now >= flow.until
        )
        if is_over or (packet.flags & SYN and self._is_anew(flow, packet, from_client)):
            self._table.remove(flow)
            return self._first(packet, now, side)
        flow.last_seen = now
        self.current = flow
        if flow.state is State.OPEN and not self._blocked:
            return self._look(flow, packet, from_client, now, side)
        return self._next(flow, packet, from_client, now, side)

    def _next(
        self, flow: Flow, packet: Packet, from_client: bool, now: float, side: Side
    ) -> list[Effect]:
        """A further packet of a flow."""
        if self._blocked:
            case = self._case(flow, packet, from_client, side)
            if (met := self._meet_block(case, now)) is not None:
                return met
        if flow.state is State.OPEN:
            return self._look(flow, packet, from_client, now, side)
        if flow.state is State.DROP:
            return list(self._stop)
        if flow.treatment is not None:
            case = self._case(flow, packet, from_client, side)
            return list(flow.treatment.meet(case, now))
        if flow.settled or not flow.settles:
            return list(self._pass)
        flow.settled = True  # the block that kept it from the switch is over
        return [*self._pass, Settle(flow.key, "forward")]

    def _is_anew(self, flow: Flow, packet: Packet, from_client: bool) -> bool:
        """Whether a flow's ports now serve another connection.

        A dropped flow stays dropped: the switch, which has been told, cannot know.
        """
        if not is_second_syn(flow, packet, from_client):
            return False
        if flow.state is State.OPEN:
            return self._stack.syn_anew
        return flow.state is not State.DROP

    def _first(self, packet: Packet, now: float, side: Side) -> list[Effect]:
        plan = self._plan_for(packet)
        if plan is not None and self.asks_sums and not checksums_right(packet):
            return list(self._pass)
        from_client = not is_from_server(packet)
        inside = (side is Side.INSIDE) is from_client
        flow = Flow(ends_of(packet, from_client), now, inside)
        flow.settles = packet.whole
        flow.admitted = self._admitted.has(flow.ends[1], now)
        if plan is not None and self._stack.opened in ("either", side.value):
            flow.watch = Watch(plan)
            if self._following is not None and packet.protocol == TCP:
                flow.place = Place(self._frames)
        if packet.flags & (SYN | ACK) == SYN:
            flow.isn = packet.seq
        if not self._table.add(flow, now):
            return self._turn_away(flow, now)
        self.current = flow
        case = self._case(flow, packet, from_client, side)
        if self._blocked and (met := self._meet_block(case, now)) is not None:
            return met
        judged = self._judge.judge(flow, now)
        if judged is Verdict.UNDECIDED:  # its checksum has been looked at
            notes = self._notes(flow, now) if self._judge.aside else []
            if flow.place is not None:
                return self._follow(case, flow.place, now) + notes
            return self._read(flow, packet, from_client, now, side) + notes
        if self._following is not None and packet.protocol == TCP:
            self._following.note(packet, self._frames)
        return self._decide(judged, case, now)

    def _turn_away(self, flow: Flow, now: float) -> list[Effect]:
        if self._stack.when_full == "open" or not self._stop:
            return list(self._pass)
        return [*self._stop, *self._refusals.told(flow, self._frames, now)]

    def _case(self, flow: Flow, packet: Packet, from_client: bool, side: Side) -> Case:
        return Case(flow, packet, from_client, side, self._holds, self._chance)

    def _plan_for(self, packet: Packet) -> Plan | None:
        """How to read a flow that begins with this packet; None: not at all."""
        if not packet.whole:
            return None
        has_begun = packet.protocol == TCP and packet.flags & (SYN | ACK) != SYN
        if has_begun and self._stack.needs_syn:
            return None
        return self._plans.get(packet.protocol)

    def _look(
        self, flow: Flow, packet: Packet, from_client: bool, now: float, side: Side
    ) -> list[Effect]:
        """Look at a further frame of an undecided flow, if there is reason to."""
        place = flow.place
        if place is None and packet.start == packet.end and not packet.flags & SYN:
            return list(self._pass)
        if self.asks_sums and not (packet.right or checksums_right(packet)):
            return list(self._pass)
        if flow.each_message and flow.watch is not None:
            plan = self._plans.get(packet.protocol)
            if plan is not None:
                if not from_client and not plan.reads_answers:
                    return list(self._pass)
                flow.watch = flow.watch.next_message()
                flow.first_rule = 0
        if place is not None:
            case = self._case(flow, packet, from_client, side)
            return self._follow(case, place, now)
        return self._read(flow, packet, from_client, now, side)

    def _follow(self, case: Case, place: Place, now: float) -> list[Effect]:
        """Read a frame if the box, where it believes the connection is, takes it."""
        flow, packet = case.flow, case.packet
        if is_second_syn(flow, packet, case.from_client):
            return list(self._pass)
        assert self._following is not None
        step = self._following.meet(case, place, self._frames)
        if step is Step.FORGET:
            return self._decide(Verdict.ALLOW, case, now)
        if place.restart is not None and flow.watch is not None:
            flow.watch.restart(case.from_client, place.restart)
        empty = packet.start == packet.end and not packet.flags & SYN
        if empty or step is Step.SKIP:
            return list(self._pass)
        return self._read(flow, packet, case.from_client, now, case.side)

    def _read(
        self, flow: Flow, packet: Packet, from_client: bool, now: float, side: Side
    ) -> list[Effect]:
        """Read a frame, and decide if it says enough."""
        watch = flow.watch
        if watch is None or not watch.look(packet, from_client, now):
            return list(self._pass)
        flow.each_message = flow.each_message or watch.each_message
        judged = self._judge.judge(flow, now)
        if judged is Verdict.UNDECIDED:
            return [*self._pass, *self._notes(flow, now)]
        case = self._case(flow, packet, from_client, side)
        return self._decide(judged, case, now)

    def _notes(self, flow: Flow, now: float) -> list[Effect]:
        """What the rules ask for that this frame has met on the way."""
        aside = self._judge.aside
        met = ((r.rule, r.question.why(flow)) for r in aside)
        effects = noted(self._frames, flow, met, now, self._keeps, self._admitted)
        aside.clear()
        return effects

    def _decide(
        self, judged: ReadyRule | Literal[Verdict.ALLOW], case: Case, now: float
    ) -> list[Effect]:
        flow = case.flow
        notes = self._notes(flow, now) if self._judge.aside else []
        if isinstance(judged, ReadyRule):
            effects = self._strike(judged, case, now)
        else:
            effects = let_pass(case)
        if flow.other_ends is not None:
            self._table.alias(flow)
        if flow.state is not State.OPEN:
            self.concluded = flow.watch
            flow.watch = flow.place = None  # nothing is looked for any more
        if self._hours:
            flow.until = now + next_change(self._hours, now)
            effects = [until(effect, flow.until - now) for effect in effects]
        return effects + notes if notes else effects

    def _strike(self, struck: ReadyRule, case: Case, now: float) -> list[Effect]:
        rule, flow = struck.rule, case.flow
        why = struck.question.why(flow)
        name, verdict, carry_out = ACTIONS[type(rule.then)]
        residual = rule.residual
        if residual is None or not self._judge.happens(residual.probability):
            effects = carry_out(case, rule)
        elif counts_down(rule.then):
            effects = carry_out(case, rule)

            def begin(case: Case, now: float) -> list[Effect]:
                return self._begin_block(rule, residual, case, now, why, end_here)

            flow.treatment.ending = begin
        else:
            effects = self._begin_block(rule, residual, case, now, why, carry_out)
        seen = flow.watch.bytes_seen if flow.watch else 0
        return [
            *effects,
            logged(self._frames, rule, verdict, name, flow, why, seen, now),
        ]

    def _begin_block(
        self,
        rule: Rule,
        residual: Residual,
        case: Case,
        now: float,
        why: dict[str, str],
        carry_out: CarryOut,
    ) -> list[Effect]:
        block = self._blocks.add(rule, residual, case.flow.ends, self._chance, now, why)
        case.flow.block_told = block.number
        return strike_residually(case, block, carry_out)

    def expose(
        self, rule: Rule, key: FlowKey, why: dict[str, str], now: float
    ) -> list[Effect]:
        """Block the server of a flow: the prober has confirmed what the rule took."""
        return expose(self._blocks, rule, key, self._chance, now, why, self._frames)

    def _meet_block(self, case: Case, now: float) -> list[Effect] | None:
        """What a packet meets that a residual block is for; None if none is."""
        flow = case.flow
        block = self._blocks.find(flow.ends, case.from_client, now)
        if block is None:
            return None
        effects = meet(case, block, now, bool(self._stop))
        is_hit = block.residual.mechanism == "drop" or len(effects) > len(self._pass)
        if flow.block_told == block.number or not is_hit:
            return effects
        flow.block_told = block.number
        return [*effects, logged_again(self._frames, block, flow, now)]
