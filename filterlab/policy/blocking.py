"""What a residual block does: at the strike that begins it, and to packets later.

A block that drops is told to the switch as one entry over its whole key. One that
resets needs the engine to see every packet, so its flows are not settled.
"""

from __future__ import annotations

from filterlab.inspection.flow_table import State
from filterlab.policy.actions import CarryOut, can_be_reset, send_resets
from filterlab.policy.case import Case
from filterlab.policy.effects import DropFrame, Effect, Settle
from filterlab.policy.residual import Block
from filterlab.policy.rules import Drop, Reset, Shutdown


def strike_residually(case: Case, block: Block, carry_out: CarryOut) -> list[Effect]:
    """Carry out the action on this frame; the block sees to the rest of the flow."""
    rule, flow = block.rule, case.flow
    if isinstance(rule.then, Drop | Shutdown):
        begins_now = block.residual.onset_seconds == 0
        effects = case.drop() if begins_now else case.forward()
    else:
        effects = [e for e in carry_out(case, rule) if not isinstance(e, Settle)]
    if not flow.each_message:
        flow.state = State.FORWARD  # once the block is over
        flow.settled = False
    if block.residual.onset_seconds == 0:
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


def _tell_switch(case: Case, block: Block, seconds: float) -> list[Effect]:
    residual = block.residual
    if block.settled or residual.mechanism != "drop" or not case.flow.settles:
        return []
    block.settled = True
    rearmed = residual.rearm  # then it lasts until nothing has met it for so long
    idle_seconds = block.seconds if rearmed else 0.0
    return [
        Settle(
            case.flow.key,
            "drop",
            match=residual.key,
            to_server=residual.to_server,
            to_client=residual.to_client,
            seconds=None if rearmed else seconds,
            idle_seconds=idle_seconds,
        )
    ]
