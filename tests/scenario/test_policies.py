"""What a policy file is read into."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from filterlab.policy.rules import (
    AllOf,
    Allow,
    AnyOf,
    Drop,
    Ends,
    Grade,
    InjectDns,
    InjectHttp,
    Match,
    Names,
    Networks,
    Not,
    Numbers,
    Policy,
    Position,
    Reset,
    Residual,
    Shutdown,
    Source,
    StackModel,
    Texts,
    Throttle,
)
from filterlab.scenario.policies import load_policy, load_policy_file

FILE = Path(__file__).parent / "good" / "policy.yaml"


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(FILE, "policy.yaml")


def test_the_policy_itself(policy: Policy) -> None:
    assert policy.name == "policy"
    assert policy.position is Position.IN_PATH
    assert policy.stack == StackModel(
        grade=Grade.TCP,
        needs_syn=False,
        checks_checksum=False,
        inspect_bytes=4096,
        inspect_packets=8,
        max_flows=1000,
        when_full="closed",
        idle_seconds=120.0,
    )


def test_actions(policy: Policy) -> None:
    injected = InjectDns(
        (ip_address("203.0.113.9"), ip_address("2001:db8::9")),
        ttl_seconds=120,
        ip_ttl=60,
        ip_id=0,
    )
    reset = Reset(Ends.CLIENT, 3, 64, 0, 502, "R", 0.005, then_drop=True)
    assert [rule.then for rule in policy.rules] == [
        Allow(),
        injected,
        InjectDns(rcode="NXDOMAIN"),
        InjectHttp(302, "http://203.0.113.9/", ttl=9, ip_id=1, window=32678),
        InjectHttp(403, None, "No."),
        reset,
        Throttle(150, 300, "subscriber"),
        Drop(),
        Shutdown(),
    ]


def test_conditions(policy: Policy) -> None:
    v4, v6 = ip_address("100.64.0.0"), ip_address("2001:db8:1::")
    networks = {(4, 16): frozenset({int(v4)}), (6, 48): frozenset({int(v6)})}
    one = {(4, 32): frozenset({int(ip_address("198.18.0.5"))})}
    news = Names(frozenset({"news.example"}), frozenset())
    when = [rule.when for rule in policy.rules]
    assert when[0] == AllOf(
        (
            Match("ip.src", Networks(networks)),
            Match("tcp.dstport", Numbers(frozenset({443}), ((8000, 8010),))),
        )
    )
    listed = Names(frozenset({"a.example"}), frozenset({"b.example"}))
    assert when[1] == Match("dns.qry.name", listed)
    below = Names(frozenset(), frozenset({"news.example"}))
    assert when[3] == Match("http.host", below)
    assert when[4] == Match("http.request.uri", Texts(("*forbidden*",)))
    assert when[5] == AnyOf(
        (
            Match("tls.sni", news),
            AllOf(
                (
                    Match("tls.ech", Texts(("yes",))),
                    Not(Match("ip.dst", Networks(one))),
                )
            ),
        )
    )
    assert when[8] is None


def test_rules_know_their_line_and_what_remains(policy: Policy) -> None:
    lines = FILE.read_text().splitlines()
    for rule in policy.rules:
        assert rule.source.file == "policy.yaml"
        assert lines[rule.source.line - 1].startswith("  - ")
    assert policy.rules[6].name == "rule 7"
    assert policy.rules[0].source == Source("policy.yaml", 17)
    assert policy.rules[5].residual == Residual(
        "3-tuple",
        90.0,
        rearm=True,
        to_client=False,
        mechanism="reset",
        onset_seconds=1.0,
        probability=0.5,
    )


def test_the_short_form_of_a_stack_is_its_grade(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("title: Short\nstack: packet\n")
    assert load_policy(tmp_path / "p.yaml").stack == StackModel(grade=Grade.PACKET)


def test_a_policy_says_how_sure_it_is() -> None:
    file = load_policy_file(FILE)
    assert (file.sure, file.assumed) == ("partial", ("the addresses",))


def test_long_lists_are_read_once_and_looked_up_at_once(tmp_path: Path) -> None:
    names = [f"n{i}.example" for i in range(100_000)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    (tmp_path / "p.yaml").write_text(
        "title: Long\nrules:\n  - {when: {tls.sni: {file: names.txt}}, then: reset}\n"
    )
    when = load_policy(tmp_path / "p.yaml").rules[0].when
    assert isinstance(when, Match)
    assert isinstance(when.wanted, Names)
    assert when.wanted.exact == frozenset(names)
