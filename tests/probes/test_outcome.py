"""The judgement as a table: a result, its control and the decisions give an outcome."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from filterlab.probes.outcome import judge
from filterlab.probes.result import Endpoint, ProbeResult, Step, broken

FLOW = Endpoint("tcp", "100.64.0.2", 40_000, "198.18.0.80", 443)
GOOD = ProbeResult(
    steps=(Step("http", None, 0.0, 0.1),),
    reached=True,
    answers=("198.18.0.80",),
    endpoints=(FLOW,),
    status=200,
    body_bytes=4,
    body_sha256="aa",
)


def failed(step: str, failure: str, **changes: Any) -> ProbeResult:
    result = replace(GOOD, status=None, body_sha256=None, body_bytes=0, **changes)
    steps = (Step(step, failure, 0.0, 0.1),)
    return replace(result, steps=steps, failure=failure, reached=False)


def decision(action: str = "reset", **changes: Any) -> dict[str, Any]:
    line: dict[str, Any] = {
        "verdict": "block",
        "rule": "list",
        "source": "by.yaml:14",
        "action": action,
        "finding": {"tls.sni": "news.example"},
        "flow": {
            "protocol": "tcp",
            "client": "100.64.0.2",
            "client_port": 40_000,
            "server": "198.18.0.80",
            "server_port": 443,
        },
    }
    return {**line, **changes}


def about(
    protocol: str, client: str, port: int, server: str, at: int
) -> dict[str, Any]:
    return {
        "protocol": protocol,
        "client": client,
        "client_port": port,
        "server": server,
        "server_port": at,
    }


BY_DNS = failed("dns", "dns_nxdomain_error", answers=())
WRONG = ("203.0.113.9",)
SLOW, FAST = replace(GOOD, kbit_s=142.4), replace(GOOD, kbit_s=9300.0)
UNTRUSTED = "ssl_unknown_authority"
TIMEOUT = "generic_timeout_error"


@pytest.mark.parametrize(
    ("result", "line", "outcome", "label"),
    [
        (GOOD, decision(), "ok", "ok"),
        (failed("tls", "connection_reset"), decision(), "tls", "reset after hello"),
        (failed("tls", "eof_error"), decision(), "tls", "closed after hello"),
        (failed("tls", TIMEOUT), decision("drop"), "tls", "no answer after hello"),
        (
            failed("tls", "ssl_unknown_authority"),
            decision(),
            "tls",
            "wrong certificate",
        ),
        (failed("tcp", TIMEOUT), decision("drop"), "tcp_ip", "no answer"),
        (failed("tcp", "connection_refused"), decision(), "tcp_ip", "refused"),
        (failed("tcp", "network_unreachable"), decision(), "tcp_ip", "no route"),
        (failed("tcp", TIMEOUT), decision("shutdown"), "tcp_ip", "no route"),
        (failed("quic", TIMEOUT), decision("drop"), "tls", "no answer after hello"),
        (failed("quic", TIMEOUT), decision("drop", finding={}), "tcp_ip", None),
        (failed("socks", TIMEOUT), decision("drop"), "tls", "no answer"),
        (
            failed("http", "connection_reset"),
            decision(),
            "http-failure",
            "reset after request",
        ),
        (failed("http", TIMEOUT), decision("throttle"), "throttled", "too slow"),
        (BY_DNS, decision("inject_dns"), "dns", "no such name"),
        (failed("dns", TIMEOUT), decision("drop"), "dns", "no answer"),
        (failed("tcp", TIMEOUT, answers=WRONG), decision(), "dns", "wrong address"),
        (replace(GOOD, answers=WRONG, status=403), decision(), "dns", "wrong address"),
        (replace(GOOD, answers=WRONG, status=None), decision(), "dns", "wrong address"),
        (replace(GOOD, answers=WRONG), decision(), "ok", "ok"),
        (replace(GOOD, answers=("198.18.0.81",)), decision(), "ok", "ok"),
        (
            replace(GOOD, status=302, location="http://b/"),
            decision("inject_http"),
            "http-diff",
            "redirected",
        ),
        (replace(GOOD, body_sha256="bb"), decision(), "http-diff", "another page"),
        (SLOW, decision("throttle"), "throttled", "142 of 9,300 kbit/s"),
        (replace(GOOD, kbit_s=8000.0), decision("throttle"), "ok", "ok"),
    ],
)
def test_the_table(
    result: ProbeResult, line: dict[str, Any], outcome: str, label: str | None
) -> None:
    control = FAST if result.kbit_s else GOOD
    addresses = ("198.18.0.81",)
    got = judge(result, control, {7: line}, service_addresses=addresses)
    assert (got.outcome, got.label) == (outcome, label or got.label)
    assert got.decisions == (7,)
    if outcome != "ok":
        assert (got.rule, got.blocking) == ("by.yaml:14", outcome)
        assert got.matches("blocked")
        assert got.matches(outcome)
        assert got.matches(result.failure or "blocked")
        assert not got.matches("ok")
        assert 'rule "list" (by.yaml:14)' in got.why
    else:
        assert got.matches("ok")
        assert not got.matches("blocked")


RESET = failed("tls", "connection_reset")


@pytest.mark.parametrize(
    ("result", "control", "alive", "outcome", "why"),
    [
        (RESET, failed("tcp", TIMEOUT), None, "down", "the control failed"),
        (RESET, failed("tcp", TIMEOUT), True, "unknown", "the server lives"),
        (RESET, GOOD, False, "down", "the server has died"),
        (broken("Oh: no"), GOOD, None, "unknown", "the probe broke"),
        (RESET, broken("Oh: no"), None, "unknown", "the control failed"),
        (RESET, None, None, "down", "the control failed"),
    ],
)
def test_what_cannot_be_told(
    result: ProbeResult, control: ProbeResult, alive: bool, outcome: str, why: str
) -> None:
    got = judge(result, control, {0: decision()}, alive)
    assert (got.outcome, got.could_not_tell) == (outcome, True)
    assert why in got.why
    # Were it asked for by its failure, the lab's fault would pass for blocking.
    assert not got.matches(result.failure or "")
    assert not got.matches("blocked")
    assert got.matches(outcome)


def test_a_control_by_itself() -> None:
    assert judge(GOOD, None, {}).outcome == "ok"


@pytest.mark.parametrize(
    ("line", "explains"),
    [
        (decision(verdict="allow"), False),
        (decision(flow=about("tcp", "100.64.0.9", 1, "198.18.0.80", 443)), False),
        (decision(flow=about("tcp", "100.64.0.2", 1, "198.18.0.80", 443)), True),
        (decision(flow=about("udp", "100.64.0.2", 1, "198.18.0.80", 443)), True),
        (
            decision(
                "inject_dns", flow=about("tcp", "100.64.0.2", 1, "198.18.0.80", 443)
            ),
            False,
        ),
        (decision(flow=about("tcp", "198.18.0.80", 443, "100.64.0.2", 40_000)), True),
        (decision(flow=None), True),
        (
            decision(
                finding={"dns.qry.name": "News.Example."},
                flow=about("udp", "100.64.9.53", 1, "198.18.0.53", 53),
            ),
            True,
        ),
    ],
    ids=[
        "allow",
        "other client",
        "port",
        "hosts",
        "one flow",
        "turned",
        "standing",
        "name",
    ],
)
def test_what_explains(line: dict[str, Any], explains: bool) -> None:
    got = judge(RESET, GOOD, {3: line}, target="news.example")
    assert got.outcome == ("tls" if explains else "unknown")
    assert explains or "nothing the exchange did explains it" in got.why


def test_the_best_decision_comes_first() -> None:
    lines = {
        0: decision(flow=None, source="by.yaml:1"),
        1: decision(
            flow=about("tcp", "100.64.0.2", 1, "198.18.0.80", 443), source="by.yaml:2"
        ),
        2: decision(),
    }
    got = judge(RESET, GOOD, lines)
    assert (got.decisions, got.rule) == ((2, 1, 0), "by.yaml:14")


def test_a_tool_s_flows_are_its_client_s() -> None:
    line = decision(flow=about("udp", "100.64.0.2", 5, "198.18.0.99", 1194))
    result = failed("socks", TIMEOUT, endpoints=())
    assert judge(result, GOOD, {0: line}).outcome == "unknown"
    got = judge(result, GOOD, {0: line}, client_addresses=["100.64.0.2"])
    assert got.blocking == "tls"


def test_an_application_that_writes_nothing_down() -> None:
    got = judge(RESET, GOOD, None)
    assert (got.outcome, got.rule, got.decisions) == ("tls", None, ())


def test_a_redirect_of_the_servers_own_is_told_as_one() -> None:
    moved = replace(GOOD, status=302, location="http://b.example/")
    outcome = judge(moved, moved, {})
    assert (outcome.outcome, outcome.label) == ("ok", "ok")
    assert "the server itself redirects to http://b.example/" in outcome.why
    assert judge(moved, GOOD, {}).outcome == "unknown"  # nobody here sent it


@pytest.mark.parametrize("decided", [True, False])
def test_a_client_that_leaves_is_told_and_is_no_censorship_by_itself(
    decided: bool,
) -> None:
    happened = "the client left with status 7 before it was ready"
    step = Step("tunnel", TIMEOUT, 0.0, 1.0, {"happened": happened, "left": True})
    result = ProbeResult(steps=(step,), failure=TIMEOUT, seconds=1.0)
    lines = {0: decision()} if decided else {}
    outcome = judge(result, GOOD, lines, client_addresses=["100.64.0.2"])
    assert outcome.why.startswith(happened)
    if decided:
        assert (outcome.blocking, outcome.label) == ("tls", "client left")
    else:
        assert outcome.could_not_tell
