"""What a rule leaves to the ones after it, and what no flow can be."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.recogniser import QuicReading
from filterlab.policy.admission import Admit
from filterlab.policy.coverage import (
    EVERY,
    covers,
    holds_all_of,
    takes_all_of,
    transports_of,
)
from filterlab.policy.matching import (
    ROOT,
    matches_address,
    matches_name,
    matches_number,
    matches_text,
)
from filterlab.policy.rules import (
    AllOf,
    AnyOf,
    Condition,
    Drop,
    InjectDns,
    InjectHttp,
    Match,
    Names,
    Not,
    Numbers,
    Probe,
    Record,
    Reset,
    StackModel,
    Texts,
    Wanted,
)
from tests.policy.boxes import names, networks, ports, rule

STACK = StackModel()
OPENS = StackModel(quic=QuicReading())
A, BELOW_A = names("a.example"), names("*.a.example")
NET, HOST = networks("198.18.0.0/16"), networks("198.18.4.2")
WEB, ALL_WEB = ports(443, field="tcp.dstport"), ports(80, 443)
DNS = names("a.example", field="dns.qry.name")


def _is(protocol: str) -> Match:
    return Match("protocol", Texts((protocol,)))


@pytest.mark.parametrize(
    ("wide", "narrow", "does"),
    [
        (None, A, True),
        (A, None, False),
        (A, AllOf((NET, A)), True),
        (AllOf((NET, A)), A, False),
        (AllOf((NET, WEB)), AllOf((WEB, A, HOST)), True),
        (AnyOf((A, NET)), HOST, True),
        (AnyOf((A, NET)), AnyOf((HOST, A)), True),
        (A, AnyOf((HOST, A)), False),
        (AnyOf((A, NET)), AllOf((HOST, WEB)), True),
        (BELOW_A, names("x.y.a.example", "*.z.a.example"), True),
        (BELOW_A, names("a.example"), False),
        (names("x.a.example"), BELOW_A, False),
        (NET, networks("198.19.0.1"), False),
        (HOST, NET, False),
        (networks("198.18.0.0/16", field="ip.addr"), HOST, True),
        (NET, networks("198.18.4.2", field="ip.addr"), False),
        (ALL_WEB, WEB, True),
        (WEB, ports(443), False),
        (Match("ip.proto", Texts(("tcp", "udp"))), A, True),
        (Match("ip.proto", Texts(("udp",))), A, False),
        (Match("ip.proto", Texts(("tcp",))), WEB, True),
        (Not(NET), Not(networks("198.18.0.0/15")), True),
        (Not(networks("198.18.0.0/15")), Not(NET), False),
        (Not(NET), networks("203.0.113.1"), False),  # it is so, but not seen through
    ],
)
def test_one_covers_the_other(
    wide: Condition | None, narrow: Condition | None, does: bool
) -> None:
    assert covers(wide, narrow, STACK) is does


@pytest.mark.parametrize(
    ("condition", "stack", "where"),
    [
        (None, STACK, EVERY),
        (A, STACK, {TCP}),
        (A, OPENS, {TCP, UDP}),
        (AllOf((_is("quic"), A)), STACK, set()),
        (AllOf((_is("quic"), A)), OPENS, {UDP}),
        (AllOf((ports(443, field="udp.dstport"), A)), STACK, set()),
        (AnyOf((A, DNS)), STACK, {TCP, UDP}),
        (Not(A), STACK, EVERY),
        (_is("openvpn"), STACK, {TCP, UDP}),
        (_is("of-the-users-own"), STACK, EVERY),
        (names("a", field="tls.certificate.cn"), STACK, {TCP}),
        (names("a", field="tls.certificate.cn"), StackModel(reads="client"), set()),
    ],
)
def test_where_a_condition_can_hold(
    condition: Condition | None, stack: StackModel, where: set[int]
) -> None:
    assert transports_of(condition, stack) == where


@pytest.mark.parametrize(
    ("earlier", "later", "takes"),
    [
        (rule(A, Drop()), rule(AllOf((A, NET)), Reset()), True),
        (rule(A, Drop(), probability=0.5), rule(A, Reset()), False),
        (rule(A, Record()), rule(A, Drop()), False),
        (rule(A, Admit(60.0)), rule(A, Drop()), False),
        (rule(A, Probe()), rule(A, Drop()), False),
        # A reset ends TCP alone, and leaves UDP to the next rule.
        (rule(NET, Reset()), rule(HOST, Drop()), False),
        (rule(NET, Reset()), rule(AllOf((HOST, WEB)), Drop()), True),
        # An answer goes to those who ask.
        (rule(None, InjectDns()), rule(HOST, Drop()), False),
        (rule(None, InjectDns()), rule(DNS, InjectDns()), True),
        (rule(None, InjectHttp()), rule(DNS, InjectDns()), False),
    ],
)
def test_what_an_earlier_rule_takes(earlier: Any, later: Any, takes: bool) -> None:
    assert takes_all_of(earlier, later, STACK) is takes


_LABELS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join)
_BELOW = st.frozensets(_LABELS | st.just(ROOT))
_NAME = st.builds(Names, st.frozensets(_LABELS), _BELOW)
_PORT = st.integers(0, 20)
_SPAN = st.tuples(_PORT, _PORT).map(lambda two: (min(two), max(two)))
_NUMBER = st.builds(Numbers, st.frozensets(_PORT), st.lists(_SPAN).map(tuple))
_CORE = st.text("ab", max_size=2)
_PATTERN = st.tuples(st.sampled_from(["", "*"]), _CORE, st.sampled_from(["", "*"]))
_TEXT = st.lists(_PATTERN.map("".join), min_size=1, max_size=3).map(
    lambda patterns: Texts(tuple(patterns))
)


@given(
    st.one_of(
        st.tuples(_NAME, _NAME, _LABELS.map(str), st.just(matches_name)),
        st.tuples(_NUMBER, _NUMBER, _PORT, st.just(matches_number)),
        st.tuples(_TEXT, _TEXT, st.text("ab", max_size=4), st.just(matches_text)),
    )
)
def test_what_is_covered_is_covered_value_by_value(
    case: tuple[Wanted, Wanted, Any, Callable[[Any], Callable[[Any], bool]]],
) -> None:
    wide, narrow, value, matcher = case
    if holds_all_of(wide, narrow) and matcher(narrow)(value):
        assert matcher(wide)(value)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), min_size=2))
def test_networks_that_are_covered_hold_every_address(
    listed: list[tuple[int, int]],
) -> None:
    texts = [f"10.0.0.{at >> (32 - n) << (32 - n)}/{n}" for at, n in listed]
    wide, narrow = networks(*texts[:-1]).wanted, networks(texts[-1]).wanted
    at = ip_address(f"10.0.0.{listed[-1][0]}").packed
    if holds_all_of(wide, narrow):
        assert matches_address(wide)(at)  # type: ignore[arg-type]
