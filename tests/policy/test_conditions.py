"""Conditions over packet fields and findings, and the values they compare with."""

from __future__ import annotations

from filterlab.inspection.flow import TCP
from filterlab.inspection.flow_table import Flow
from filterlab.inspection.plan import Plan
from filterlab.inspection.recogniser import Finding
from filterlab.inspection.recognisers.http import Http
from filterlab.inspection.recognisers.tls import Tls
from filterlab.inspection.watch import Watch
from filterlab.policy.conditions import (
    all_of,
    compile_condition,
    has_found,
    recognisers_of,
)
from filterlab.policy.matching import (
    matches_address,
    matches_name,
    matches_number,
    matches_text,
)
from filterlab.policy.rules import AllOf, AnyOf, Match, Names, Not, Numbers, Texts
from tests.policy.boxes import names, networks, ports

_CLIENT, _SERVER = bytes((100, 64, 0, 2)), bytes((198, 18, 0, 5))
_TRUE, _FALSE, _OPEN = ports(443), ports(80), names("a.example")


def _flow(watched: bool = True, port: int = 443) -> Flow:
    flow = Flow((TCP, _CLIENT, 1, _SERVER, port), 0.0, True)
    if watched:
        flow.watch = Watch(Plan(TCP, (Http, Tls)))
    return flow


def _found(**fields: tuple[str, ...]) -> Flow:
    flow = _flow()
    assert flow.watch is not None
    renamed = {key.replace("_", "."): value for key, value in fields.items()}
    flow.watch.found = {"tls": Finding("tls", renamed)}
    flow.watch.pending = frozenset({"http"})
    return flow


def test_names() -> None:
    wanted = matches_name(Names(frozenset({"a.b"}), frozenset({"x.y"})))
    cases = {"a.b": True, "c.a.b": False, "x.y": False, "p.q.x.y": True, "xx.y": False}
    assert {name: wanted(name) for name in cases} == cases
    assert matches_name(Names(frozenset({"a"}), frozenset()))("a")


def test_addresses() -> None:
    wanted = matches_address(networks("198.18.0.0/15", "10.0.0.1/32").wanted)  # type: ignore[arg-type]
    assert wanted(_SERVER) and not wanted(_CLIENT) and not wanted(bytes(16))
    assert matches_address(networks("::/0").wanted)(bytes(16))  # type: ignore[arg-type]


def test_numbers() -> None:
    wanted = matches_number(Numbers(frozenset({5}), ((10, 20), (15, 30), (40, 41))))
    yes = {number for number in range(50) if wanted(number)}
    assert yes == {5, *range(10, 31), 40, 41}


def test_texts() -> None:
    wanted = matches_text(Texts(("exact", "start*", "*end", "*mid*")))
    cases = {"exact": True, "started": True, "end": True, "amid": True, "no": False}
    assert {text: wanted(text) for text in cases} == cases
    assert matches_text(Texts(("*",)))("")


def test_three_values() -> None:
    flow = _flow()
    answers = [
        (AllOf((_TRUE, _OPEN)), None),
        (AllOf((_OPEN, _FALSE)), False),
        (AllOf((_TRUE, _TRUE)), True),
        (AnyOf((_FALSE, _OPEN)), None),
        (AnyOf((_OPEN, _TRUE)), True),
        (AnyOf((_FALSE,)), False),
        (Not(_OPEN), None),
        (Not(_TRUE), False),
        (Match("protocol", Texts(("tls",))), None),
        (None, True),
    ]
    for condition, answer in answers:
        assert compile_condition(condition).test(flow) is answer, condition


def test_packet_fields() -> None:
    flow = _flow()
    for condition in (
        networks("198.18.0.5"),
        networks("100.64.0.2", field="ip.src"),
        networks("100.64.0.2", field="ip.addr"),
        ports(4, field="ip.version"),
        ports(443, field="tcp.dstport"),
        Match("ip.proto", Texts(("tcp",))),
    ):
        question = compile_condition(condition)
        assert question.test(flow) is True
        assert list(question.why(flow)) == [condition.field]
    assert compile_condition(ports(443, field="udp.dstport")).test(flow) is False
    assert compile_condition(ports(0)).test(_flow(port=0)) is False


def test_findings() -> None:
    flow = _found(tls_sni=("a.example",), tls_alpn=("h2", "http/1.1"))
    both = AnyOf((_OPEN, Match("tls.alpn", Texts(("h2",))), Not(_FALSE)))
    question = compile_condition(both)
    assert question.test(flow) is True
    assert question.why(flow) == {"tls.sni": "a.example", "tls.alpn": "h2"}
    assert compile_condition(names("b.example")).test(flow) is False
    assert compile_condition(Match("tls.ech", Texts(("yes",)))).test(flow) is False
    assert compile_condition(names("a", field="http.host")).test(flow) is None
    as_number = compile_condition(Match("tls.sni", Numbers(frozenset({7}))))
    assert as_number.test(_found(tls_sni=("7",))) is True


def test_protocols() -> None:
    question = compile_condition(Match("protocol", Texts(("tls",))))
    flow = _found()
    assert question.test(flow) is True and question.why(flow) == {"protocol": "tls"}
    never = compile_condition(Match("protocol", Texts(("openvpn",))))
    assert never.test(flow) is False
    other = compile_condition(Match("protocol", Texts(("http",))))
    assert other.test(flow) is None
    assert flow.watch is not None
    flow.watch.conclude()
    assert other.test(flow) is False and other.why(flow) == {}
    assert has_found("tls")(flow) is True and has_found("http")(flow) is False
    assert has_found("http")(_flow()) is None


def test_a_flow_that_is_not_watched_has_no_findings() -> None:
    flow = _flow(watched=False)
    for condition in (_OPEN, Match("protocol", Texts(("tls",)))):
        question = compile_condition(condition)
        assert question.test(flow) is False and question.why(flow) == {}
    assert has_found("tls")(flow) is False
    assert compile_condition(None).why(flow) == {} and all_of()(flow) is True


def test_says_which_recognisers_it_waits_for() -> None:
    nested = AllOf((_TRUE, AnyOf((_OPEN, Not(names("a", field="http.host"))))))
    assert recognisers_of(nested) == {"tls", "http"}
    assert recognisers_of(Match("protocol", Texts(("x",)))) == {""}
    assert recognisers_of(None) == set()
