"""Says which flows a condition can hold of at all, and whether one covers another.

Both go by what is certain: a condition that is not known to be impossible may come
true, and one covers another only where every flow of the other is shown to be its own.
Several conditions that cover another only together are not seen through.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from filterlab.inspection.catalogue import DETAILS, RECOGNISERS
from filterlab.inspection.fields import FIELDS
from filterlab.inspection.flow import PROTOCOL_NAMES, TCP, UDP
from filterlab.policy.admission import Admit
from filterlab.policy.conditions import ANY_RECOGNISER, QUIC, cannot_say
from filterlab.policy.matching import ROOT, matches_name, matches_text
from filterlab.policy.rules import (
    AllOf,
    AnyOf,
    Condition,
    InjectDns,
    InjectHttp,
    Match,
    Names,
    Networks,
    Not,
    Numbers,
    Record,
    Reset,
    Rule,
    StackModel,
    Texts,
    Wanted,
)
from filterlab.policy.rules import Probe as HandOver

Transports = frozenset[int]

_OTHER = -1  # every protocol above IP that has no name here
EVERY: Transports = frozenset((*PROTOCOL_NAMES, _OTHER))
_OF_PORTS: dict[str, Transports] = {
    "tcp.dstport": frozenset((TCP,)),
    "udp.dstport": frozenset((UDP,)),
    "port": frozenset((TCP, UDP)),
    "port.client": frozenset((TCP, UDP)),
}
# The field beside it holds whatever one of these does.
_WIDER = {
    "tcp.dstport": "port",
    "udp.dstport": "port",
    "ip.src": "ip.addr",
    "ip.dst": "ip.addr",
}


def transports_of(condition: Condition | None, stack: StackModel) -> Transports:
    """The protocols above IP of the flows that a condition can hold of.

    Empty if the box can never find what it asks for. What the user's own recognisers
    find is not known here, and taken for possible.
    """
    match condition:
        case Match():
            return _of_match(condition, stack)
        case AllOf(parts):
            return EVERY.intersection(*(transports_of(part, stack) for part in parts))
        case AnyOf(parts):
            return frozenset().union(*(transports_of(part, stack) for part in parts))
    return EVERY


def transports_of_action(rule: Rule) -> Transports:
    """The protocols above IP that an action can be carried out on."""
    return frozenset((TCP,)) if isinstance(rule.then, Reset) else EVERY


def takes_all_of(earlier: Rule, later: Rule, stack: StackModel) -> bool:
    """Whether nothing is left for a rule because an earlier one takes it first."""
    # Rules that let others go on, or are in force at times, take nothing away.
    if not earlier.always or isinstance(earlier.then, Record | HandOver | Admit):
        return False
    flows = transports_of(later.when, stack) & transports_of_action(later)
    if not flows <= transports_of_action(earlier):
        return False
    if isinstance(earlier.then, InjectDns | InjectHttp) and (
        type(earlier.then) is not type(later.then)  # each asks for its own protocol
    ):
        return False
    return covers(earlier.when, later.when, stack)


def covers(wide: Condition | None, narrow: Condition | None, stack: StackModel) -> bool:
    """Whether the first condition holds whenever the second one does."""
    if wide is None or wide == narrow:
        return True
    if isinstance(narrow, AnyOf):
        return all(covers(wide, part, stack) for part in narrow.parts)
    if isinstance(wide, AllOf):
        return all(covers(part, narrow, stack) for part in wide.parts)
    if isinstance(wide, AnyOf):
        by_one = any(covers(part, narrow, stack) for part in wide.parts)
    else:
        by_one = _covers_alone(wide, narrow, stack)
    if isinstance(narrow, AllOf):
        return by_one or any(covers(wide, part, stack) for part in narrow.parts)
    return by_one


def are_apart(one: Condition | None, other: Condition | None) -> bool:
    """Whether no flow at all can be what both conditions ask for, by their values."""
    for either, further in ((one, other), (other, one)):
        if isinstance(either, AnyOf):
            return all(are_apart(part, further) for part in either.parts)
        if isinstance(either, AllOf):
            return any(are_apart(part, further) for part in either.parts)
    if not isinstance(one, Match) or not isinstance(other, Match):
        return False
    fields = one.field, other.field
    alike = {
        _WIDER[field] if field in _OF_PORTS and field in _WIDER else field
        for field in fields
    }
    return len(alike) == 1 and not _share(one.wanted, other.wanted)


def _share(one: Wanted, other: Wanted) -> bool:
    """Whether a value may be one that both name."""
    match one, other:
        case Numbers(), Numbers():
            spans = [
                [*wanted.ranges, *((n, n) for n in wanted.single)]
                for wanted in (one, other)
            ]
            return any(
                low <= high_too and low_too <= high
                for low, high in spans[0]
                for low_too, high_too in spans[1]
            )
        case Networks(), Networks():
            return any(
                _holds_networks(wide, _alone(narrow, key, network))
                for wide, narrow in ((one, other), (other, one))
                for key, networks in narrow.by_length.items()
                for network in networks
            )
        case Texts(), Texts():
            return any(
                _holds_pattern(wide, narrow)
                for first in one.patterns
                for second in other.patterns
                for wide, narrow in ((first, second), (second, first))
            )
    return True


def _alone(networks: Networks, key: tuple[int, int], network: int) -> Networks:
    return Networks({key: frozenset((network,))})


def _covers_alone(
    wide: Match | Not, narrow: Condition | None, stack: StackModel
) -> bool:
    match wide, narrow:
        case Not(), Not():
            return covers(narrow.part, wide.part, stack)
        case Match("ip.proto", Texts() as listed), _:
            names = {PROTOCOL_NAMES.get(n, "") for n in transports_of(narrow, stack)}
            return all(map(matches_text(listed), names))
        case Match(), Match():
            is_wider = _WIDER.get(narrow.field) == wide.field
            same = wide.field == narrow.field or is_wider
            return same and holds_all_of(wide.wanted, narrow.wanted)
    return False


def holds_all_of(wide: Wanted, narrow: Wanted) -> bool:
    """Whether every value that the second names is one that the first names."""
    match wide, narrow:
        case Names(), Names():
            return _holds_names(wide, narrow)
        case Networks(), Networks():
            return _holds_networks(wide, narrow)
        case Numbers(), Numbers():
            return _holds_numbers(wide, narrow)
        case Texts(), Texts():
            return all(
                any(_holds_pattern(one, other) for one in wide.patterns)
                for other in narrow.patterns
            )
    return False


def _of_match(match: Match, stack: StackModel) -> Transports:
    field = FIELDS[match.field]
    if match.field in _OF_PORTS:
        return _OF_PORTS[match.field]
    if match.field == "ip.proto" and isinstance(match.wanted, Texts):
        is_wanted = matches_text(match.wanted)
        return frozenset(n for n, name in PROTOCOL_NAMES.items() if is_wanted(name))
    if field.recogniser is None:
        return EVERY
    if field.recogniser != ANY_RECOGNISER:
        found = _of_recognisers((field.recogniser,), stack)
        opens = field.in_quic and stack.quic.opens
        return found | _of_recognisers((QUIC,), stack) if opens else found
    if not isinstance(match.wanted, Texts):
        return EVERY
    cannot = cannot_say(matches_text(match.wanted))
    able = RECOGNISERS.keys() - cannot
    return _of_recognisers(able, stack) if able else EVERY


def _of_recognisers(names: Iterable[str], stack: StackModel) -> Transports:
    """Where they find something; what servers say is not found where none is read."""
    found: set[int] = set()
    for name in names:
        if not (name in DETAILS and stack.reads == "client"):
            found |= RECOGNISERS[name].transports
    return frozenset(found)


def _holds_names(wide: Names, narrow: Names) -> bool:
    has = matches_name(wide)
    if not all(map(has, narrow.exact)):
        return False
    # What is below a name is covered by what is below it, or below one above it.
    return all(name in wide.below or _is_below(name, wide) for name in narrow.below)


def _is_below(name: str, names: Names) -> bool:
    at = name.find(".") + 1
    while at:
        if name[at:] in names.below:
            return True
        at = name.find(".", at) + 1
    return ROOT in names.below


def _holds_networks(wide: Networks, narrow: Networks) -> bool:
    for (version, length), networks in narrow.by_length.items():
        bits = 32 if version == 4 else 128
        for network in networks:
            if not any(
                network >> (bits - shorter) << (bits - shorter) in listed
                for (other, shorter), listed in wide.by_length.items()
                if other == version and shorter <= length
            ):
                return False
    return True


def _holds_numbers(wide: Numbers, narrow: Numbers) -> bool:
    spans = sorted([*wide.ranges, *((number, number) for number in wide.single)])
    joined: list[tuple[int, int]] = []
    for low, high in spans:
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], high)
        else:
            joined.append((low, high))
    starts = [low for low, _ in joined]

    def is_within(low: int, high: int) -> bool:
        at = bisect_right(starts, low) - 1
        return at >= 0 and high <= joined[at][1]

    wanted = [*narrow.ranges, *((number, number) for number in narrow.single)]
    return all(is_within(low, high) for low, high in wanted)


def _holds_pattern(wide: str, narrow: str) -> bool:
    """Whether every text of one pattern is one of the other; `*` at an end is any."""
    if wide == narrow:
        return True
    core, inner = wide.strip("*"), narrow.strip("*")
    opens, closes = narrow.startswith("*"), narrow.endswith("*")
    if wide.startswith("*") and wide.endswith("*"):
        return core in inner
    if wide.startswith("*"):
        return not closes and inner.endswith(core)
    return wide.endswith("*") and not opens and inner.startswith(core)
