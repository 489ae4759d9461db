"""Reads a policy file into the values that the engine works with.

Besides the form, it refuses what cannot work: a rule that no frame can reach, an
action that the box's position cannot carry out (a copy cannot be dropped), and an
answer in a protocol that the rule's condition does not speak of.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

from filterlab.inspection.fields import FIELDS
from filterlab.policy.position import inability
from filterlab.policy.rules import (
    Action,
    Allow,
    Condition,
    Drop,
    Ends,
    Grade,
    InjectDns,
    InjectHttp,
    Policy,
    Position,
    Reset,
    Residual,
    Rule,
    Shutdown,
    StackModel,
    Throttle,
)
from filterlab.scenario import source
from filterlab.scenario.conditions import ConditionReader, fields_of
from filterlab.scenario.item import validate
from filterlab.scenario.plugins import plugins
from filterlab.scenario.policyfile import (
    PolicyFile,
    ResidualText,
    RuleText,
    StackText,
    Then,
)
from filterlab.scenario.problem import BadInput, listed, quoted
from filterlab.scenario.source import Document

_Key = Literal["2-tuple", "3-tuple", "4-tuple"]
_Mechanism = Literal["drop", "reset"]
_Per = Literal["flow", "subscriber", "rule"]

# What a resolver can do; what the other positions can is for `inability` to say.
_RESOLVER_CAN = frozenset({"allow", "inject_dns"})
# An answer must be in the protocol of the question that the condition found.
_FOLLOWS = {"inject_dns": "dns", "inject_http": "http"}


def load_policy(path: Path | str, file: str | None = None) -> Policy:
    """Read and check a policy; raises BadInput with every problem there is.

    `file` is how verdicts and messages name it, by default the path as given.
    """
    path = Path(path)
    document = source.read(path, file)
    result = validate(PolicyFile, document)
    if isinstance(result, list):
        _conditions_alone(document, path)
        raise BadInput(document.problems)
    policy = _policy(result, document, path)
    if document.problems:
        raise BadInput(document.problems)
    return policy


def load_policy_file(path: Path | str) -> PolicyFile:
    """What a policy file says of itself: its sources and how sure they are."""
    document = source.read(Path(path))
    result = validate(PolicyFile, document)
    if isinstance(result, list):
        raise BadInput(document.problems)
    return result


def _conditions_alone(document: Document, path: Path) -> None:
    """Note what is wrong in conditions, where the rest cannot be read anyway."""
    rules = document.node(("rules",))
    reader = ConditionReader(document, path.parent)
    for index, rule in enumerate(getattr(rules, "parts", [])):
        if "when" in getattr(rule, "values", {}):
            reader.read(("rules", index, "when"))


def _policy(file: PolicyFile, document: Document, path: Path) -> Policy:
    position = Position(file.position)
    reader = ConditionReader(document, path.parent)
    rules: list[Rule] = []
    for index, written in enumerate(file.rules):
        when: Condition | None = None
        if "when" in written.model_fields_set:
            when = reader.read((*written.path, "when"))
        name = written.name or f"rule {index + 1}"
        residual = None if written.residual is None else _residual(written.residual)
        rule = Rule(name, written.where, when, _action(written.then), residual)
        _check(document, position, written, rule)
        # A condition that could not be read is not one that holds for every frame.
        if when is not None or "when" not in written.model_fields_set:
            _check_reach(document, written, rule, rules)
            rules.append(rule)
    return Policy(
        name=path.stem,
        title=file.title,
        source=document.where(()),
        position=position,
        stack=_stack(file.stack),
        rules=tuple(rules),
        recognisers=plugins(file.recognisers, document, path.parent),
    )


def _check(
    document: Document, position: Position, written: RuleText, rule: Rule
) -> None:
    action = written.then.name
    why = inability(position, rule)
    if position is Position.RESOLVER and action not in _RESOLVER_CAN:
        why = "a resolver can only answer DNS queries"
    if why is not None:
        document.complain(
            "cannot-at-position",
            (*written.path, "then"),
            f"the rule {quoted(rule.name)} cannot be carried out: {why}",
            help="position: in_path can",
            other=document.place(("position",)),
            other_says="the position is given here",
        )
    wanted = _FOLLOWS.get(action)
    if wanted is None or (rule.when is None and "when" in written.model_fields_set):
        return
    fields = fields_of(rule.when)
    spoken = {FIELDS[key].recogniser for key in fields}
    if wanted not in spoken:
        keys = sorted({f.key for f in FIELDS.values() if f.recogniser == wanted})
        document.complain(
            "cannot-follow",
            (*written.path, "then"),
            f"{action} answers {wanted.upper()}, but the condition does not "
            f"ask about {wanted.upper()}",
            expected=f"{listed(keys, 'or')} in 'when'",
        )


def _check_reach(
    document: Document, written: RuleText, rule: Rule, earlier: list[Rule]
) -> None:
    for other in earlier:
        if other.name == rule.name:
            document.complain(
                "rule-twice",
                (*written.path, "name"),
                f"a second rule is called {quoted(rule.name)}",
                help=f"the first one is on line {other.source.line}",
            )
            break
    for other in earlier:
        if other.when is None or other.when == rule.when:
            why = "every frame" if other.when is None else "the same frames"
            document.complain(
                "unreachable-rule",
                written.path,
                f"nothing can reach the rule {quoted(rule.name)}: the rule "
                f"{quoted(other.name)} on line {other.source.line} takes {why} first",
                on_key=True,
            )
            break


def _action(then: Then) -> Action:
    if then.drop is not None:
        return Drop()
    if then.shutdown is not None:
        return Shutdown()
    if (reset := then.reset) is not None:
        return Reset(
            to=Ends(reset.to),
            count=reset.count,
            ttl=reset.ttl,
            ip_id=reset.ip_id,
            window=reset.window,
            flags=reset.flags,
            delay_seconds=reset.delay,
            then_drop=reset.then_drop,
        )
    if (dns := then.inject_dns) is not None:
        return InjectDns(
            addresses=tuple(a for a in (dns.a, dns.aaaa) if a is not None),
            rcode=dns.rcode,
            ttl_seconds=round(dns.ttl),
            ip_ttl=dns.ip_ttl,
            ip_id=dns.ip_id,
        )
    if (http := then.inject_http) is not None:
        return InjectHttp(
            # RFC 9110, 15.4.3 and 15.5.4: a redirect, or a page that refuses.
            status=http.status or (302 if http.location is not None else 403),
            location=http.location,
            body=http.body or "",
            ttl=http.ttl,
            ip_id=http.ip_id,
            window=http.window,
        )
    if (throttle := then.throttle) is not None:
        return Throttle(throttle.rate, throttle.burst, cast(_Per, throttle.per))
    return Allow()


def _residual(written: ResidualText) -> Residual:
    return Residual(
        key=cast(_Key, written.key),
        seconds=written.seconds,
        rearm=written.rearm,
        to_server=written.to_server,
        to_client=written.to_client,
        mechanism=cast(_Mechanism, written.mechanism),
        onset_seconds=written.onset,
        probability=written.probability,
    )


def _stack(written: StackText) -> StackModel:
    """The stack model; what the file leaves out is as the model has it."""
    given = {
        {"idle": "idle_seconds", "quic": "reads_quic"}.get(key, key): value
        for key in written.model_fields_set
        if (value := getattr(written, key)) is not None
    }
    return replace(StackModel(), **(given | {"grade": Grade(written.grade)}))
