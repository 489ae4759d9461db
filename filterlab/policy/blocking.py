"""What a residual block does: at the strike that begins it, and to packets later.

A block that drops is told to the switch as one entry over its whole key. One that
resets needs the engine to see every packet, so its flows are not settled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from filterlab.inspection.flow import FlowKey
from filterlab.inspection.flow_table import State
from filterlab.policy.actions import CarryOut, can_be_reset, send_resets
from filterlab.policy.case import Case
from filterlab.policy.effects import DropFrame, Effect, Log, Settle
from filterlab.policy.residual import Block, Blocks
from filterlab.policy.rules import Drop, Probe, Reset, Rule, Shutdown, Width
from filterlab.policy.verdict import Decision, Verdict


def strike_residually(case: Case, block: Block, carry_out: CarryOut) -> list[Effect]:
    """Carry out the action on this frame; the block sees to the rest of the flow."""
    rule, flow = block.rule, case.flow
    if isinstance(rule.then, Drop | Shutdown):
        begins_now = block.begins_at_once
        effects = case.drop() if begins_now else case.forward()
    else:
        effects = [e for e in carry_out(case, rule) if not isinstance(e, Settle)]
    if not flow.each_message:
        flow.state = State.FORWARD  # once the block is over
        flow.settled = False
    if block.begins_at_once:
        effects += _tell_switch(case, block, block.seconds)
    return effects


def meet(case: Case, block: Block, now: float, can_drop: bool) -> list[Effect]:
    """What a packet meets that a block is for."""
    if block.residual.mechanism == "drop":
        stop: list[Effect] = [DropFrame()] if can_drop else []
        return stop + _tell_switch(case, block, block.ends - now)
    packet = case.packet
    has_data = packet.end > packet.start
    if not can_be_reset(packet) or (block.residual.needs_data and not has_data):
        return case.forward()
    action = block.rule.then
    reset = action if isinstance(action, Reset) else Reset()
    if reset.then_drop:
        return case.drop() + send_resets(case, reset, dropped=case.holds)
    return case.forward() + send_resets(case, reset, dropped=False)


def expose(
    blocks: Blocks,
    rule: Rule,
    key: FlowKey,
    chance: Callable[[], float],
    now: float,
    why: Mapping[str, str],
    frames: int,
) -> list[Effect]:
    """Put a server that the active prober has confirmed on the list of its rule."""
    assert isinstance(rule.then, Probe) and rule.then.block is not None
    block = blocks.add(rule, rule.then.block, key, chance, now, why)
    line = Decision(
        now,
        Verdict.EXPOSED,
        rule.name,
        str(rule.source),
        "expose",
        key,
        why,
        frames,
        bytes_seen=0,
    )
    return [*_settle(key, block, block.ends - now), Log(line)]


def _tell_switch(case: Case, block: Block, seconds: float) -> list[Effect]:
    flow = case.flow
    if not flow.settles:
        return []
    if not block.settled:
        return _settle(flow.key, block, seconds)
    # The switch tells us of each flow that meets its entry; once is enough, except
    # where each packet makes the block last longer.
    if flow.block_told == block.number or block.residual.rearm:
        return []
    return [_drop(flow.key, block, "4-tuple", seconds, 0.0)]


def _settle(key: FlowKey, block: Block, seconds: float) -> list[Effect]:
    residual = block.residual
    if residual.mechanism != "drop":
        return []
    block.settled = True
    if residual.rearm:  # then it lasts until nothing has met it for so long
        return [_drop(key, block, residual.key, None, block.seconds)]
    return [_drop(key, block, residual.key, seconds, 0.0)]


def _drop(
    key: FlowKey, block: Block, match: Width, seconds: float | None, idle: float
) -> Settle:
    return Settle(
        key,
        "drop",
        match=match,
        to_server=block.residual.to_server,
        to_client=block.residual.to_client,
        seconds=seconds,
        idle_seconds=idle,
    )
