"""Carries out the action of a rule that has become true: from a case to effects.

Each kind of action has one function in `ACTIONS`. The first effect is what happens to
the frame itself, so that a reset for the server follows the frame that it must match
(RFC 5961, 3.2: one with any other sequence number is not believed).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address

from filterlab.inspection.catalogue import RECOGNISERS
from filterlab.inspection.flow import PROTOCOL_NAMES, TCP
from filterlab.inspection.flow_table import Flow
from filterlab.inspection.packet import ACK, RST, SYN, Packet
from filterlab.policy import effects as wire
from filterlab.policy.admission import Admit
from filterlab.policy.answers import dns_answer, http_response
from filterlab.policy.case import Case, block, let_pass
from filterlab.policy.effects import Effect, Inject, Limit, Side
from filterlab.policy.forge import Disguise, reset, tcp_answer, udp_answer
from filterlab.policy.rules import (
    Action,
    Allow,
    Delay,
    Drop,
    Ends,
    Freeze,
    InjectDns,
    InjectHttp,
    Probe,
    Record,
    Redirect,
    Reset,
    Rule,
    Shutdown,
    Throttle,
)
from filterlab.policy.treatment import Countdown, Detour, Hold, Loss, Shaper
from filterlab.policy.verdict import Verdict

_ANSWERS = "FPA"  # all is said, and the connection ends with it
_DNS_LENGTH_BYTES = 2  # RFC 1035, 4.2.2


def send_resets(case: Case, action: Reset, dropped: bool) -> list[Effect]:
    """The forged resets alone."""
    packet, watch = case.packet, case.flow.watch
    # A server that never got this frame still waits for its first byte.
    next_seq = packet.seq if dropped else packet.next_seq
    if not dropped and watch is not None and case.from_client:
        next_seq = watch.server_expects() or next_seq
    effects: list[Effect] = []
    for end in (Ends.CLIENT, Ends.SERVER):
        to_sender = case.from_client is (end is Ends.CLIENT)
        towards = case.towards(to_sender)
        for part in (action, *action.also):
            if part.to not in (end, Ends.BOTH):
                continue
            for ahead in part.seq_offsets * part.count:
                look = case.disguise(
                    part.ttl, part.ip_id, part.window, part.dont_fragment
                )
                frame = reset(
                    packet,
                    to_sender,
                    next_seq,
                    part.flags,
                    look,
                    part.payload,
                    ahead,
                    part.seq,
                )
                effects.append(Inject(frame, towards, part.delay_seconds))
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
    action = rule.then
    if not isinstance(action, Drop) or action.at_once:
        return block(case)
    if action.probability < 1:
        loss = Loss(action.probability)
        case.treat(loss)
        return loss.meet(case, 0.0)
    return _after(case, action)


def counts_down(action: Action) -> bool:
    """Whether the flow runs on for a while before anything is done to it."""
    if isinstance(action, Drop):
        return bool(action.after_packets or action.after_bytes)
    return isinstance(action, Freeze)


def end_here(case: Case, rule: Rule) -> list[Effect]:
    """The frame that a countdown ends with."""
    return case.drop()


def _after(case: Case, action: Drop | Freeze) -> list[Effect]:
    packets, length = action.after_packets, action.after_bytes
    countdown = Countdown(
        None if packets is None else case.draw(packets),
        None if length is None else case.draw(length),
        action.counts,
    )
    if isinstance(action, Drop) and action.data_only:
        countdown.is_counted = _carries_data(case.flow)
    case.treat(countdown)
    return case.forward()


def _carries_data(flow: Flow) -> Callable[[Packet], bool]:
    """Whether a packet carries what is in the tunnel, by the recogniser that found it.

    Where no recogniser can tell, every payload is data.
    """
    found = {} if flow.watch is None else flow.watch.found
    for name in found:
        tells = getattr(RECOGNISERS.get(name), "carries_data", None)
        if tells is not None:
            over_tcp = flow.ends[0] == TCP
            return lambda packet: tells(packet.payload, over_tcp)
    return lambda packet: packet.end > packet.start


def _freeze(case: Case, rule: Rule) -> list[Effect]:
    action = rule.then
    assert isinstance(action, Freeze)
    return _after(case, action)


def _delay(case: Case, rule: Rule) -> list[Effect]:
    action = rule.then
    assert isinstance(action, Delay)
    hold = Hold(action.seconds, action.to_server, action.to_client)
    case.treat(hold)
    return hold.meet(case, 0.0)


def _redirect(case: Case, rule: Rule) -> list[Effect]:
    action = rule.then
    assert isinstance(action, Redirect)
    protocol, client, client_port, server, server_port = case.flow.ends
    other = action.to.packed
    if len(other) != len(server) or not case.flow.settles:
        return let_pass(case)
    port = server_port if action.port is None else action.port
    if not server_port:  # a protocol without ports
        port = 0
    case.flow.other_ends = protocol, client, client_port, other, port
    detour = Detour((server, server_port), (other, port))
    case.treat(detour)
    return detour.meet(case, 0.0)


def note(rule: Rule, flow: Flow, why: Mapping[str, str]) -> Effect:
    """What a rule asks for that lets the flow go on to the next rule."""
    if isinstance(rule.then, Probe):
        return wire.Probe(flow.key, why, rule)
    side = Side.INSIDE if flow.client_inside else Side.OUTSIDE
    return wire.Record(flow.key, side, why)


def _nothing_more(case: Case, rule: Rule) -> list[Effect]:
    return []


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
    directions = action.directions
    if action.shaping:
        shaper = Shaper(action.kbit_s, directions, action.queue_seconds)
        case.treat(shaper)
        return case.forward()
    if directions == "both":
        limit = Limit(action.kbit_s, burst, share)
        return case.forward() + case.settle("limit", limit)
    effects = case.forward()
    for way in ("to_server", "to_client"):
        up = way == "to_server"
        if directions in (way, "each"):
            limit = Limit(action.kbit_s, burst, f"{share} {way}")
            effects += case.settle("limit", limit, to_server=up, to_client=not up)
        else:
            effects += case.settle("forward", to_server=up, to_client=not up)
    return effects


def _inject_dns(case: Case, rule: Rule) -> list[Effect]:
    action = rule.then
    assert isinstance(action, InjectDns)
    watch = case.flow.watch
    assert watch is not None  # the rule waits for the query
    query = watch.found["dns"].message
    effects = case.drop()
    if case.packet.protocol != TCP:
        for part in (action, *action.also):
            look = case.disguise(part.ip_ttl, part.ip_id, None, part.dont_fragment)
            frame = udp_answer(case.packet, dns_answer(query, part), look)
            effects.append(Inject(frame, case.side))
        return effects
    look = case.disguise(action.ip_ttl, action.ip_id, None, action.dont_fragment)
    message = dns_answer(query, action)
    length = len(message).to_bytes(_DNS_LENGTH_BYTES, "big")
    return _answer_stream(case, length + message, look, Ends.SERVER)


def _inject_http(case: Case, rule: Rule) -> list[Effect]:
    action = rule.then
    assert isinstance(action, InjectHttp)
    look = case.disguise(action.ttl, action.ip_id, action.window, action.dont_fragment)
    page = http_response(action)
    return _answer_stream(case, page, look, action.resets, action.flags)


def _answer_stream(
    case: Case,
    data: bytes,
    look: Disguise,
    resets: Ends | None,
    flags: str = _ANSWERS,
) -> list[Effect]:
    """Answer in the server's name, then take the server out of the connection."""
    effects = case.drop()
    for frame in tcp_answer(case.packet, data, look, flags):
        effects.append(Inject(frame, case.side))
    if resets in (Ends.CLIENT, Ends.BOTH):
        after = (len(data) + 1,)  # what was injected, and its FIN
        last = Reset(to=Ends.CLIENT, seq_offsets=after)
        effects += send_resets(case, last, dropped=case.holds)
    if resets in (Ends.SERVER, Ends.BOTH):
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
    Freeze: ("freeze", Verdict.BLOCK, _freeze),
    Delay: ("delay", Verdict.THROTTLE, _delay),
    Redirect: ("redirect", Verdict.BLOCK, _redirect),
    Admit: ("admit", Verdict.UNDECIDED, _nothing_more),
    Record: ("record", Verdict.UNDECIDED, _nothing_more),
    Probe: ("probe", Verdict.PROBE, _nothing_more),
}
