"""Reads a policy file into the values that the engine works with.

Besides the form, it refuses what cannot work: a rule that no frame can reach, an
action that the box's position cannot carry out (a copy cannot be dropped), and an
answer in a protocol that the rule's condition does not speak of.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from filterlab.inspection.fields import FIELDS
from filterlab.policy.position import inability, unfit
from filterlab.policy.rules import (
    Condition,
    Grade,
    Policy,
    Position,
    Redirect,
    Rule,
)
from filterlab.scenario import source
from filterlab.scenario.conditions import ConditionReader, fields_of
from filterlab.scenario.item import validate
from filterlab.scenario.plugins import plugins
from filterlab.scenario.policyfile import PolicyFile, RuleText
from filterlab.scenario.problem import BadInput, listed, quoted
from filterlab.scenario.reach import check_reach
from filterlab.scenario.source import Document

# What a resolver can do; what the other positions can is for `inability` to say.
_RESOLVER_CAN = frozenset({"allow", "inject_dns", "record"})
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
    stack = file.stack.model()
    if (why := unfit(position, stack)) is not None:
        document.complain(
            "cannot-at-position",
            ("stack", "fragments"),
            why,
            help="position: in_path can",
            other=document.place(("position",)),
            other_says="the position is given here",
        )
    for index, written in enumerate(file.rules):
        when: Condition | None = None
        if "when" in written.model_fields_set:
            when = reader.read((*written.path, "when"))
        name = written.name or f"rule {index + 1}"
        residual = None if written.residual is None else written.residual.residual()
        rule = Rule(
            name,
            written.where,
            when,
            written.then.action(),
            residual,
            None if written.schedule is None else written.schedule.hours(),
            None if written.load is None else written.load.load(),
            written.probability,
            None if written.after_flows is None else written.after_flows.after_flows(),
        )
        _check(document, position, written, rule)
        _check_reading(document, file, written, rule)
        # A condition that could not be read is not one that holds for every frame.
        if when is not None or "when" not in written.model_fields_set:
            check_reach(document, written, rule, rules, stack)
            rules.append(rule)
    return Policy(
        name=path.stem,
        title=file.title,
        source=document.where(()),
        position=position,
        stack=stack,
        rules=tuple(rules),
        recognisers=plugins(file.recognisers, document, path.parent),
        signatures_as_of=file.signatures.as_of if file.signatures else date.max,
        records=None if file.records is None else file.records.records(),
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


def _check_reading(
    document: Document, file: PolicyFile, written: RuleText, rule: Rule
) -> None:
    """What the box, as it reads, can never find, or only when it is too late."""
    fields = fields_of(rule.when)
    if isinstance(rule.then, Redirect):
        late = sorted(key for key in fields if FIELDS[key].recogniser is not None)
        if late:
            document.complain(
                "cannot-follow",
                (*written.path, "then"),
                "a flow is redirected from its first packet on, but the condition "
                f"asks about {listed(late, 'and')}, which is known later",
                expected="addresses, protocols and ports in 'when'",
            )
    grade = Grade(file.stack.grade)
    if "tcp.payload" in fields and grade not in (Grade.PACKET, Grade.SEGMENT):
        document.complain(
            "cannot-follow",
            (*written.path, "when"),
            f"the condition asks about tcp.payload, but a box of grade {grade.value} "
            "puts segments together",
            on_key=True,
            help="stack: segment reads each on its own",
        )
