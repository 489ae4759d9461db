"""Makes a policy ready to run: rules become tests, the stack model a reading plan.

Only the recognisers that some rule waits for are run, and a rule whose action cannot
be carried out on a flow (a reset of UDP, an answer to no question) is false of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from filterlab.inspection.catalogue import DETAILS, RECOGNISERS
from filterlab.inspection.flow import ESP, GRE, ICMP, ICMPV6, TCP, UDP
from filterlab.inspection.flow_table import Flow
from filterlab.inspection.plan import Plan
from filterlab.inspection.recogniser import Reading, Recogniser
from filterlab.policy.admission import Admit
from filterlab.policy.conditions import (
    ANY_RECOGNISER,
    Question,
    Test,
    all_of,
    cannot_say,
    compile_condition,
    has_found,
    matches_of,
    recognisers_of,
)
from filterlab.policy.matching import matches_text
from filterlab.policy.rules import (
    Grade,
    InjectDns,
    InjectHttp,
    Match,
    Policy,
    Probe,
    Record,
    Reset,
    Rule,
    Texts,
)

_TRANSPORTS = (TCP, UDP, ESP, GRE, ICMP, ICMPV6)


@dataclass(frozen=True, slots=True)
class ReadyRule:
    """A rule with its question; `test` also says whether the action fits the flow."""

    rule: Rule
    test: Test
    question: Question
    plain: bool = True  # it strikes whenever it is true
    aside: bool = False  # it strikes, and the next rule is asked


def make_ready(rule: Rule) -> ReadyRule:
    """The rule with the test that also asks whether its action fits the flow."""
    question = compile_condition(rule.when)
    test = question.test
    match rule.then:
        case Reset():
            test = all_of(_is_tcp, test)
        case InjectDns():
            test = all_of(has_found("dns"), test)
        case InjectHttp():
            test = all_of(has_found("http"), test)
    aside = isinstance(rule.then, Probe | Record | Admit)
    return ReadyRule(rule, test, question, rule.always and not aside, aside)


def _is_tcp(flow: Flow) -> bool:
    return flow.ends[0] == TCP and flow.settles


def _needed(policy: Policy) -> set[str]:
    """The recognisers that the policy's rules wait for."""
    needed: set[str] = set()
    for rule in policy.rules:
        needed |= recognisers_of(rule.when, policy.stack.quic.opens)
        match rule.then:
            case InjectDns():
                needed.add("dns")
            case InjectHttp():
                needed.add("http")
    if ANY_RECOGNISER not in needed:
        return needed
    for match in _matches(policy):
        if match.field == "protocol" and isinstance(match.wanted, Texts):
            needed |= RECOGNISERS.keys() - cannot_say(matches_text(match.wanted))
    return needed - {ANY_RECOGNISER}


def counts_parallel(policy: Policy) -> bool:
    """Whether a rule asks how many flows a client has, with one server or all."""
    counted = ("flow.parallel", "flow.of_client")
    return any(match.field in counted for match in _matches(policy))


def _matches(policy: Policy) -> Iterator[Match]:
    for rule in policy.rules:
        yield from matches_of(rule.when)


def reading_plans(policy: Policy) -> dict[int, Plan]:
    """How the policy's box reads flows of each transport that it has reason to."""
    plans = {number: reading_plan(policy, number) for number in _TRANSPORTS}
    return {number: plan for number, plan in plans.items() if plan}


def reading_plan(policy: Policy, transport: int) -> Plan | None:
    """How the policy's box reads flows of a transport; None if it has no reason to."""
    stack, needed = policy.stack, _needed(policy)
    recognisers: tuple[type[Recogniser], ...] = tuple(
        recogniser
        for name, recogniser in RECOGNISERS.items()
        if name in needed and transport in recogniser.transports
    )
    if any(match.field == "protocol" for match in _matches(policy)):
        own = tuple(own.load() for own in policy.recognisers)
        recognisers += tuple(r for r in own if transport in r.transports)
    if not recognisers:
        return None
    piecewise = stack.grade in (Grade.PACKET, Grade.SEGMENT)
    return Plan(
        transport,
        recognisers,
        piecewise=piecewise and transport == TCP,
        ordered=stack.grade is not Grade.PACKET,
        reading=Reading(
            joins_records=stack.grade is Grade.TLS_RECORD,
            quic=stack.quic,
            cut_hello=stack.cut_hello,
            cut_record=stack.cut_record,
            keeps_dot=stack.final_dot == "kept",
        ),
        as_of=policy.signatures_as_of,
        reads_answers=any(r.each_message and r.name in DETAILS for r in recognisers),
        inspect_bytes=stack.inspect_bytes,
        inspect_packets=stack.inspect_packets,
        holds_early=stack.out_of_order == "hold",
        last_wins=stack.overlap == "last",
        checks_ack=stack.checks_ack,
        reads=stack.reads,
        tells_ends=stack.tells_ends,
        gives_up_bytes=stack.gives_up_bytes,
        syn_data=stack.syn_data,
        short_first=stack.short_first,
        known_once=stack.known_once,
        each_datagram=stack.datagrams == "each",
    )
