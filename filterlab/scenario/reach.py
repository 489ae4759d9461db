"""Refuses rules that nothing can reach: impossible ones, and those behind another.

A rule is out of reach if no flow can be what its condition and its action ask for (a
name in TLS, which runs over TCP, of a flow over UDP), or if an earlier rule takes
every flow of it first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from filterlab.inspection.fields import FIELDS
from filterlab.inspection.flow import PROTOCOL_NAMES, TCP
from filterlab.inspection.recogniser import QuicReading
from filterlab.policy.coverage import (
    EVERY,
    Transports,
    are_apart,
    takes_all_of,
    transports_of,
    transports_of_action,
)
from filterlab.policy.rules import (
    AllOf,
    AnyOf,
    Condition,
    InjectDns,
    InjectHttp,
    Match,
    Redirect,
    Rule,
    StackModel,
)
from filterlab.scenario.conditions import fields_of
from filterlab.scenario.policyfile import RuleText
from filterlab.scenario.problem import listed, quoted
from filterlab.scenario.source import Document


def check_reach(
    document: Document,
    written: RuleText,
    rule: Rule,
    earlier: list[Rule],
    stack: StackModel,
) -> None:
    """Complain of a rule that cannot be reached, or has another one's name."""
    for other in earlier:
        if other.name == rule.name:
            document.complain(
                "rule-twice",
                (*written.path, "name"),
                f"a second rule is called {quoted(rule.name)}",
                help=f"the first one is on line {other.source.line}",
            )
            break
    if not transports_of(rule.when, stack) & transports_of_action(rule):
        _complain_of_nothing(document, written, rule, stack)
        return
    if isinstance(rule.then, Redirect):
        _check_in_time(document, written, rule, earlier, stack)
    for other in earlier:
        if not takes_all_of(other, rule, stack):
            continue
        why = "the same frames" if other.when == rule.when else "all its flows"
        document.complain(
            "unreachable-rule",
            written.path,
            f"nothing can reach the rule {quoted(rule.name)}: the rule "
            f"{quoted(other.name)} on line {other.source.line} takes "
            f"{'every frame' if other.when is None else why} first",
            on_key=True,
        )
        break


def _check_in_time(
    document: Document,
    written: RuleText,
    rule: Rule,
    earlier: list[Rule],
    stack: StackModel,
) -> None:
    """Complain of a redirect that an earlier rule keeps from a flow's first packet.

    A datagram says all at once; of a TCP connection the first packet says nothing, and
    the other server would be given the middle of it.
    """
    for other in earlier:
        keys = sorted(key for key in fields_of(other.when) if FIELDS[key].recogniser)
        both = transports_of(other.when, stack) & transports_of(rule.when, stack)
        waits = keys or isinstance(other.then, InjectDns | InjectHttp)
        if not waits or TCP not in both or are_apart(other.when, rule.when):
            continue
        document.complain(
            "cannot-follow",
            (*written.path, "then"),
            "a flow is redirected from its first packet on, but the rule "
            f"{quoted(other.name)} on line {other.source.line} must wait to know "
            f"{listed(keys, 'and') or 'what is asked'} of such flows",
            help="put this rule before it, or let the two speak of different flows",
        )
        break


def _complain_of_nothing(
    document: Document, written: RuleText, rule: Rule, stack: StackModel
) -> None:
    wants = {key: at for key, at in _wants(rule.when, stack) if at != EVERY}
    if transports_of_action(rule) != EVERY:
        wants[written.then.name] = transports_of_action(rule)
    says = [f"{key} is {_spelled(at)}" for key, at in wants.items()]
    help = ""
    opened = replace(stack, quic=QuicReading())
    if transports_of(rule.when, opened) & transports_of_action(rule):
        help = "a box reads the ClientHello in QUIC as well with stack: {quic: yes}"
    document.complain(
        "unreachable-rule",
        (*written.path, "when"),
        f"no flow can be all that the rule {quoted(rule.name)} asks for: "
        f"{listed(says, 'and')}",
        on_key=True,
        help=help,
    )


def _wants(
    condition: Condition | None, stack: StackModel
) -> Iterator[tuple[str, Transports]]:
    """What each part that must hold takes for granted, by the key it asks for."""
    match condition:
        case AllOf(parts):
            for part in parts:
                yield from _wants(part, stack)
        case AnyOf():
            keys = listed(sorted(fields_of(condition)), "or")
            yield keys, transports_of(condition, stack)
        case Match(field):
            yield field, transports_of(condition, stack)


def _spelled(transports: Transports) -> str:
    names = sorted(PROTOCOL_NAMES.get(number, "others") for number in transports)
    return f"over {listed(names, 'or')}" if names else "in what this box does not read"
