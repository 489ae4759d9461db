"""Connections become rows with both addresses, and sessions with the right sums."""

from __future__ import annotations

from typing import Any

import pytest

from filterlab.records.entries import Flow, Session
from filterlab.records.keeping import Keeper, Passed
from filterlab.records.reading import read
from filterlab.records.translation import External, Translations

LOG = (
    "[1795333477.117906]\t    [NEW] tcp      6 120 SYN_SENT src=100.64.1.2"
    " dst=198.18.1.2 sport=34056 dport=443 [UNREPLIED] src=198.18.1.2"
    " dst=198.51.100.1 sport=443 dport={port}"
)
PING = (
    "[1795333477.2]\t    [NEW] icmp     1 30 src=100.64.1.2 dst=198.18.1.2 type=8"
    " code=0 id=7 [UNREPLIED] src=198.18.1.2 dst=198.51.100.1 type=0 code=0 id=7"
)


def passed(start: float = 10.0, end: float = 11.0, **more: Any) -> Passed:
    facts: dict[str, Any] = {
        "protocol": "tcp",
        "inside": "100.64.1.2",
        "inside_port": 34056,
        "outside": "198.18.1.2",
        "outside_port": 443,
        "bytes_up": 100,
        "bytes_down": 1000,
        "finding": {"tls.sni": "news.example", "protocol": "tls"},
    }
    return Passed(start=start, end=end, **{**facts, **more})


def kept(
    *connections: Passed, translations: Translations | None = None
) -> list[Flow | Session]:
    rows: list[Any] = []
    keeper = Keeper({"100.64.1.2": "alice"}, rows.extend, 60, translations)
    for connection in connections:
        keeper.passed(connection)
    keeper.close()
    return rows


def test_a_connection_is_written_with_its_line_site_and_times() -> None:
    flow, session = kept(passed())
    assert isinstance(flow, Flow) and isinstance(session, Session)
    assert (flow.line, flow.site_name, flow.site_port) == ("alice", "news.example", 443)
    assert (flow.start_ms, flow.end_ms) == (10_000, 11_000)
    assert (flow.external_ip, flow.external_port) == ("100.64.1.2", 34056)
    assert (session.bytes_up, session.bytes_down) == (100, 1000)


def test_the_log_of_the_translation_gives_the_external_port() -> None:
    log = Translations()
    assert log.line(LOG.format(port=40123))
    assert not log.line("conntrack v1.4.7 (conntrack-tools): flow events")
    [flow, _] = kept(passed(), translations=log)
    assert isinstance(flow, Flow)
    assert (flow.external_ip, flow.external_port) == ("198.51.100.1", 40123)


def test_connections_of_the_same_ends_are_told_apart_by_their_order() -> None:
    log = Translations()
    log.line(LOG.format(port=1))
    log.line(LOG.format(port=2))
    first, second, _ = kept(passed(), passed(20, 21), translations=log)
    assert isinstance(first, Flow) and isinstance(second, Flow)
    assert (first.external_port, second.external_port) == (1, 2)


def test_a_log_without_ports_keeps_the_shared_address_alone() -> None:
    log = Translations(keeps_ports=False)
    log.line(LOG.format(port=1))
    ends = ("tcp", "100.64.1.2", 34056, "198.18.1.2", 443)
    assert log.of(*ends) == External("198.51.100.1", None)


def test_a_ping_has_an_external_address_and_no_port() -> None:
    log = Translations()
    assert log.line(PING)
    ends = ("icmp", "100.64.1.2", 0, "198.18.1.2", 0)
    assert log.of(*ends) == External("198.51.100.1", None)


def test_what_the_log_does_not_hold_is_not_invented() -> None:
    flow, _ = kept(passed(), translations=Translations())
    assert isinstance(flow, Flow)
    assert flow.external_ip is None and flow.external_port is None


def test_a_connection_led_elsewhere_was_translated_on_its_way_there() -> None:
    log = Translations()
    log.line(LOG.format(port=40123))
    led = passed(outside="203.0.113.7", led_to="198.18.1.2", led_to_port=443)
    [flow, _] = kept(led, translations=log)
    assert isinstance(flow, Flow)
    assert (flow.site_ip, flow.external_port) == ("203.0.113.7", 40123)


def test_a_hundred_thousand_sessions_have_the_right_totals() -> None:
    # One that overlaps the one before, and one after a long silence, by turns; the
    # clock jumps back with every hundredth.
    starts = [600 * (n // 2) + 3 * (n % 2) for n in range(200_000)]
    moved = [start - (10**6 if n % 100 == 99 else 0) for n, start in enumerate(starts)]
    rows = kept(*(passed(start, start + 5) for start in moved))
    sessions = [row for row in rows if isinstance(row, Session)]
    assert sum(one.bytes_up for one in sessions) == 100 * 200_000
    assert sum(one.bytes_down for one in sessions) == 1000 * 200_000
    assert len(sessions) >= 100_000
    assert all(one.end_ms >= one.start_ms for one in sessions)


def test_a_stranger_has_no_line() -> None:
    flow, session = kept(passed(inside="100.64.9.9"))
    assert flow.line is None and session.line is None


def test_connections_close_together_are_one_session() -> None:
    rows = kept(passed(10, 20), passed(15, 50), passed(100, 101), passed(500, 501))
    sessions = [row for row in rows if isinstance(row, Session)]
    assert [(s.start_ms, s.end_ms) for s in sessions] == [
        (10_000, 101_000),
        (500_000, 501_000),
    ]
    assert [s.bytes_up for s in sessions] == [300, 100]


def test_a_clock_that_jumps_back_keeps_the_sums() -> None:
    rows = kept(passed(1000, 1001), passed(10, 11), passed(1002, 1003))
    sessions = [row for row in rows if isinstance(row, Session)]
    assert sum(s.bytes_down for s in sessions) == 3000
    assert all(s.end_ms >= s.start_ms for s in sessions)


@pytest.mark.parametrize(
    ("finding", "name", "protocol", "hidden"),
    [
        ({"tls.sni": "a.example", "protocol": "tls"}, "a.example", "tls", None),
        ({"http.host": "a.example", "protocol": "http"}, "a.example", "http", None),
        (
            {"tls.sni": "cover.example", "tls.ech": "yes", "protocol": "tls"},
            "cover.example",
            "tls",
            "ech",
        ),
        ({"protocol": "tls"}, None, "tls", "no name"),
        ({"protocol": "openvpn"}, None, "openvpn", "tunnel"),
        ({"protocol": "tls,tor", "tls.sni": "x.example"}, "x.example", "tor", "tunnel"),
        ({"protocol": "fully_encrypted"}, None, "fully_encrypted", "encrypted"),
        ({"protocol": "ntp"}, None, "ntp", None),
        ({}, None, None, None),
    ],
)
def test_a_finding_is_read(
    finding: dict[str, str], name: str | None, protocol: str | None, hidden: str | None
) -> None:
    reading = read(finding)
    assert (reading.site_name, reading.protocol, reading.hidden) == (
        name,
        protocol,
        hidden,
    )
