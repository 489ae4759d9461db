"""Requests: what can be asked, and that it survives the way to another process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from filterlab.probes.request import Device, HttpProxy, ProbeRequest, Socks, Timeouts


@pytest.mark.parametrize(
    ("kind", "target", "parts"),
    [
        ("fetch", "http://a.example/x?y", ("http", "a.example", 80, "/x?y")),
        ("fetch", "https://[2001:db8::1]:8443", ("https", "2001:db8::1", 8443, "/")),
        ("connect", "a.example:53", ("tcp", "a.example", 53, "/")),
        ("connect", "tls://a.example:853", ("tls", "a.example", 853, "/")),
    ],
)
def test_targets(kind: Any, target: str, parts: tuple[Any, ...]) -> None:
    request = ProbeRequest(kind, target)
    got = (request.scheme, request.host, request.port)
    assert got == parts[:3]
    assert kind == "connect" or request.path == parts[3]


@pytest.mark.parametrize(
    ("kind", "target", "options"),
    [
        ("fetch", "ftp://a.example/", {}),
        ("fetch", "a.example", {}),
        ("fetch", "http:///x", {}),
        ("fetch", "http://a.example:99999/", {}),
        ("connect", "a.example", {}),
        ("resolve", "http://a.example/", {}),
        ("resolve", "", {}),
        ("resolve", "a.example", {"resolver": "198.18.0.53"}),
        ("resolve", "a.example", {"resolver": "quic://198.18.0.53"}),
        ("fetch", "http://a.example/", {"http": "3"}),
        ("fetch", "https://a.example/", {"http": "3", "via": Socks("127.0.0.1", 1)}),
    ],
)
def test_nonsense(kind: Any, target: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        ProbeRequest(kind, target, **options)


@pytest.mark.parametrize(
    "via", [None, Socks("127.0.0.1", 1080), HttpProxy("::1", 8080), Device("tun0")]
)
def test_json(via: Any) -> None:
    request = ProbeRequest("fetch", "https://a.example/", via=via, family="6")
    assert ProbeRequest.from_json(json.loads(json.dumps(request.as_json()))) == request


def test_timeouts_outlast_one_lost_syn_and_stay_short() -> None:
    timeouts = Timeouts.for_round_trip(0.05)
    assert timeouts.tcp > 1.0 + 2 * 0.05  # RFC 6298's first timer, and the answer
    assert max(timeouts.dns, timeouts.socks, timeouts.tls, timeouts.http) <= 2.5
    assert Timeouts.for_round_trip(0.5).tls > timeouts.tls
    assert timeouts.whole > timeouts.tcp + timeouts.tls
