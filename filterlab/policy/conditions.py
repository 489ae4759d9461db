"""Turns a rule's condition into a question to a flow: true, false, or not known yet.

Packet fields are known from the first packet. A finding is not known (None) while its
recogniser may still speak, and false once it cannot. `all` is false as soon as one
part is, `any` true as soon as one is (Kleene's three-valued logic).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from filterlab.inspection.catalogue import DETAILS, RECOGNISERS
from filterlab.inspection.fields import FIELDS
from filterlab.inspection.flow import PROTOCOL_NAMES, TCP, UDP
from filterlab.inspection.flow_table import Flow
from filterlab.policy.findings import AnyFound, Wish
from filterlab.policy.matching import (
    matches_address,
    matches_name,
    matches_number,
    matches_text,
)
from filterlab.policy.rules import (
    AllOf,
    AnyOf,
    Condition,
    Match,
    Names,
    Networks,
    Not,
    Numbers,
    Texts,
    Wanted,
)

Test = Callable[[Flow], bool | None]
_Value = bytes | int | str


@dataclass(frozen=True, slots=True)
class Question:
    """A condition made ready: its test, and once it is true, what made it so."""

    test: Test
    why: Callable[[Flow], dict[str, str]]


QUIC = "quic"  # the recogniser that opens what carries a ClientHello
ANY_RECOGNISER = ""  # what the field `protocol` names: every recogniser may find it


def _port(flow: Flow, protocols: tuple[int, ...]) -> tuple[int, ...]:
    protocol, _, _, _, port = flow.ends
    return (port,) if port and protocol in protocols else ()


def _client_port(flow: Flow) -> tuple[str, ...]:
    protocol, _, client, _, server = flow.ends
    if protocol not in (TCP, UDP):
        return ()
    return ("same" if client == server else "higher" if client > server else "lower",)


_Read = Callable[[Flow], tuple[_Value, ...]]
_PACKET_FIELDS: dict[str, _Read] = {
    "ip.src": lambda flow: (flow.ends[1],),
    "ip.dst": lambda flow: (flow.ends[3],),
    "ip.addr": lambda flow: (flow.ends[1], flow.ends[3]),
    "ip.version": lambda flow: (4 if len(flow.ends[1]) == 4 else 6,),
    "ip.proto": lambda flow: (PROTOCOL_NAMES.get(flow.ends[0], str(flow.ends[0])),),
    "tcp.dstport": lambda flow: _port(flow, (TCP,)),
    "udp.dstport": lambda flow: _port(flow, (UDP,)),
    "flow.parallel": lambda flow: (flow.parallel,),
    "flow.of_client": lambda flow: (flow.of_client,),
    "client.admitted": lambda flow: ("yes" if flow.admitted else "no",),
    "port": lambda flow: _port(flow, (TCP, UDP)),
    "port.client": _client_port,
}


def compile_condition(condition: Condition | None) -> Question:
    """The question that a condition asks; None is true of everything."""
    match condition:
        case None:
            return Question(lambda flow: True, lambda flow: {})
        case Match():
            return _compile_match(condition)
        case AllOf(parts):
            questions = [compile_condition(part) for part in parts]
            test = all_of(*(question.test for question in questions))
            return Question(test, _all_reasons(questions))
        case AnyOf(parts):
            questions = [compile_condition(part) for part in parts]
            return Question(_any_of(parts, questions), _all_reasons(questions))
        case Not(part):
            return Question(_not(compile_condition(part).test), lambda flow: {})


def has_found(recogniser: str) -> Test:
    """True once this recogniser has a finding."""

    def test(flow: Flow) -> bool | None:
        watch = flow.watch
        if watch is None:
            return False
        if recogniser in watch.found:
            return True
        return None if recogniser in watch.pending else False

    return test


def all_of(*parts: Test) -> Test:
    """True if every part is."""

    def test(flow: Flow) -> bool | None:
        answer: bool | None = True
        for part in parts:
            said = part(flow)
            if said is False:
                return False
            if said is None:
                answer = None
        return answer

    return test


def recognisers_of(
    condition: Condition | None, reads_quic: bool = False
) -> frozenset[str]:
    """The recognisers that a condition waits for; `ANY_RECOGNISER` for all of them."""
    fields = [FIELDS[match.field] for match in matches_of(condition)]
    named = {field.recogniser for field in fields if field.recogniser is not None}
    if reads_quic and any(field.in_quic for field in fields):
        named.add(QUIC)
    return frozenset(named)


def matches_of(condition: Condition | None) -> Iterator[Match]:
    """Every match inside a condition."""
    match condition:
        case Match():
            yield condition
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from matches_of(part)
        case Not(part):
            yield from matches_of(part)


def _any_of(parts: tuple[Condition, ...], questions: list[Question]) -> Test:
    """True if any part is; all that ask for findings are asked by one look at them."""
    tests: list[Test] = []
    found: list[Match] = []
    for part, question in zip(parts, questions, strict=True):
        if isinstance(part, Match) and not _is_in_packet(part):
            found.append(part)
        else:
            tests.append(question.test)
    if found:
        tests.append(_any_found(found))
    return _first_of(tests) if len(tests) != 1 else tests[0]


def _first_of(tests: list[Test]) -> Test:
    def test(flow: Flow) -> bool | None:
        answer: bool | None = False
        for part in tests:
            said = part(flow)
            if said:
                return True
            if said is None:
                answer = None
        return answer

    return test


def _not(part: Test) -> Test:
    def test(flow: Flow) -> bool | None:
        said = part(flow)
        return None if said is None else not said

    return test


def _all_reasons(questions: list[Question]) -> Callable[[Flow], dict[str, str]]:
    def why(flow: Flow) -> dict[str, str]:
        reasons: dict[str, str] = {}
        for question in questions:
            reasons |= question.why(flow)
        return reasons

    return why


def _compile_match(match: Match) -> Question:
    key = FIELDS[match.field].key
    is_wanted = _is_wanted(match.wanted, _is_in_packet(match))
    read = _PACKET_FIELDS.get(key)
    if read is not None:
        return Question(_packet_test(read, is_wanted), _reasons(key, read, is_wanted))
    recogniser = FIELDS[key].recogniser
    if recogniser == ANY_RECOGNISER:
        return Question(_protocol_test(is_wanted), _reasons(key, _protocols, is_wanted))

    def found(flow: Flow) -> tuple[str, ...]:
        watch = flow.watch
        return () if watch is None else watch.values(key) or ()

    test = _finding_test(key, _finders(match), is_wanted)
    return Question(test, _reasons(key, found, is_wanted))


def _is_in_packet(match: Match) -> bool:
    return FIELDS[match.field].key in _PACKET_FIELDS


def _finders(match: Match) -> frozenset[str]:
    """The recognisers that may find a field."""
    field = FIELDS[match.field]
    quic = {QUIC} if field.in_quic else set()
    return frozenset({str(field.recogniser)} | quic)


def _is_wanted(wanted: Wanted, in_packet: bool) -> Callable[[Any], bool]:
    match wanted:
        case Networks():
            has_address = matches_address(wanted)
            if in_packet:
                return has_address
            return lambda text: has_address(ip_address(text).packed)
        case Names():
            return matches_name(wanted)
        case Texts():
            return matches_text(wanted)
        case Numbers():
            has_number = matches_number(wanted)
            # Findings are texts, whatever they mean.
            return has_number if in_packet else lambda text: has_number(int(text))


def _packet_test(read: _Read, is_wanted: Callable[[Any], bool]) -> Test:
    def test(flow: Flow) -> bool | None:
        # A plain loop: this runs for every rule on every first packet.
        for value in read(flow):  # noqa: SIM110
            if is_wanted(value):
                return True
        return False

    return test


def _finding_test(
    key: str, finders: frozenset[str], is_wanted: Callable[[Any], bool]
) -> Test:
    def test(flow: Flow) -> bool | None:
        watch = flow.watch
        if watch is None:
            return False
        values = watch.values(key)
        if values is not None:
            return any(map(is_wanted, values))
        waits = watch.pending & finders
        return None if waits and waits.difference(watch.found) else False

    return test


def _any_found(matches: list[Match]) -> Test:
    """Whether any of these is true of what has been found."""
    wishes: list[Wish] = []
    protocols: list[Callable[[Any], bool]] = []
    for match in matches:
        is_wanted = _is_wanted(match.wanted, in_packet=False)
        field = FIELDS[match.field]
        if field.recogniser == ANY_RECOGNISER:
            protocols.append(is_wanted)
        else:
            wishes.append(Wish(field.key, is_wanted, _finders(match)))
    cannots = [cannot_say(is_wanted) for is_wanted in protocols]
    cannot = cannots[0].intersection(*cannots) if cannots else frozenset[str]()
    return AnyFound(wishes, protocols, cannot)


def _protocols(flow: Flow) -> tuple[str, ...]:
    watch = flow.watch
    if watch is None:
        return ()
    return tuple(f.protocol for f in watch.found.values() if f.protocol)


def cannot_say(is_wanted: Callable[[Any], bool]) -> frozenset[str]:
    """The recognisers of the catalogue that find none of the protocols wanted."""
    return DETAILS | {
        name
        for name, recogniser in RECOGNISERS.items()
        if not any(map(is_wanted, getattr(recogniser, "protocols", (name,))))
    }


def _protocol_test(is_wanted: Callable[[Any], bool]) -> Test:
    cannot = cannot_say(is_wanted)

    def test(flow: Flow) -> bool | None:
        watch = flow.watch
        if watch is None:
            return False
        for finding in watch.found.values():
            if finding.protocol and is_wanted(finding.protocol):
                return True
        return None if watch.pending.difference(watch.found, cannot) else False

    return test


def _reasons(
    key: str, read: _Read, is_wanted: Callable[[Any], bool]
) -> Callable[[Flow], dict[str, str]]:
    def why(flow: Flow) -> dict[str, str]:
        values = [_as_text(value) for value in read(flow) if is_wanted(value)]
        return {key: ",".join(values)} if values else {}

    return why


def _as_text(value: _Value) -> str:
    return str(ip_address(value) if isinstance(value, bytes) else value)
