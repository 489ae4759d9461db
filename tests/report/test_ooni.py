"""Attempts in OONI's data format, held field by field to its pages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filterlab.probes.failure import FAILURES
from filterlab.probes.result import Endpoint, ProbeResult, Step
from filterlab.report.cell import Attempt
from filterlab.report.ooni import measurements, write_measurements
from tests.report import ooni_format
from tests.report.evening import OK, RESET, UNKNOWN, cell, result
from tests.report.ooni_format import faults

DNS = Step("dns", None, 0.01, 0.02, {"resolver": "udp://203.0.113.10:53"})
FOUND = {"A": ["198.18.0.80"], "AAAA": ["2001:db8::80"]}
TCP = Endpoint("tcp", "100.64.0.2", 40_000, "198.18.0.80", 443)
TCP6 = Endpoint("tcp", "2001:db8:1::2", 40_001, "2001:db8::80", 443)
UDP = Endpoint("udp", "100.64.0.2", 40_002, "198.18.0.80", 443)
ASKED = Endpoint("udp", "100.64.0.2", 40_003, "203.0.113.10", 53)
DER = "MAA="


def step(name: str, failure: str | None = None, **detail: Any) -> Step:
    return Step(name, failure, 0.1, 0.2, detail)


def line_of(
    *steps: Step, outcome: Any = OK, target: str = "https://news.example/", **more: Any
) -> dict[str, Any]:
    """The one measurement of an attempt that made these steps."""
    failure = steps[-1].failure
    found = ProbeResult(
        steps, failure, failure is None, seconds=0.4, began=1.6e9, **more
    )
    made = cell(Attempt(found, outcome), target=target)
    lines = list(measurements(result(Path(), cells=(made,))))
    assert [line["annotations"]["phase"] for line in lines] == [
        "control (no policy)",
        "open",
    ]
    assert not faults(lines[0])
    return json.loads(json.dumps(lines[1]))


def whole(**detail: Any) -> Step:
    return replace(DNS, detail={**DNS.detail, **FOUND, **detail})


def test_a_page_that_came() -> None:
    line = line_of(
        whole(),
        step("tcp", address="198.18.0.80"),
        step(
            "tls",
            version="TLSv1.3",
            cipher="TLS_AES_128_GCM_SHA256",
            alpn="h2",
            certificates=[{"subject": "CN=news.example", "der": DER}],
        ),
        step("http", status=302),
        endpoints=(ASKED, TCP),
        status=302,
        location="http://block.example/",
        body_bytes=10,
    )
    assert not faults(line)
    keys = line["test_keys"]
    first, second = keys["queries"]
    assert first["answers"] == [
        {"answer_type": "A", "ipv4": "198.18.0.80", "ttl": None}
    ]
    assert second["answers"][0]["ipv6"] == "2001:db8::80"
    assert (first["engine"], first["resolver_address"]) == ("udp", "203.0.113.10:53")
    assert keys["tcp_connect"][0]["status"] == {"failure": None, "success": True}
    (handshake,) = keys["tls_handshakes"]
    assert handshake["address"] == "198.18.0.80:443"
    assert handshake["peer_certificates"] == [{"format": "base64", "data": DER}]
    (request,) = keys["requests"]
    assert request["alpn"] == "h2"
    assert request["response"]["headers"] == {"Location": "http://block.example/"}
    assert request["response"]["body_is_truncated"] is True
    assert (line["test_name"], keys["blocking"]) == ("web_connectivity", False)


def test_a_handshake_that_was_reset() -> None:
    line = line_of(
        whole(),
        step("tcp", address="198.18.0.80"),
        step("tls", "connection_reset", certificates=[]),
        outcome=RESET,
        endpoints=(ASKED, TCP),
    )
    assert not faults(line)
    keys = line["test_keys"]
    assert keys["tls_handshakes"][0]["failure"] == "connection_reset"
    assert not keys["requests"]
    assert (keys["blocking"], keys["accessible"]) == ("http-failure", False)
    assert line["annotations"]["rule"] == 'a/by-2020.yaml:14 "None"'


def test_each_address_has_its_own_failure() -> None:
    line = line_of(
        whole(),
        step(
            "tcp",
            "host_unreachable",
            attempts={
                "198.18.0.80": "[Errno 113] No route to host",
                "2001:db8::80": "[Errno 101] Network is unreachable",
            },
        ),
        outcome=RESET,
        endpoints=(ASKED, TCP, TCP6),
    )
    assert not faults(line)
    told = {
        one["ip"]: one["status"]["failure"] for one in line["test_keys"]["tcp_connect"]
    }
    assert told == {
        "198.18.0.80": "host_unreachable",
        "2001:db8::80": "network_unreachable",
    }


@pytest.mark.parametrize(
    ("rcode", "failure"), [(3, "dns_nxdomain_error"), (5, "dns_refused_error")]
)
def test_a_name_that_was_refused(rcode: int, failure: str) -> None:
    refused = replace(
        DNS, failure=failure, detail={**DNS.detail, "A": f"rcode {rcode}"}
    )
    line = line_of(refused, outcome=RESET, endpoints=(ASKED,))
    assert not faults(line)
    (query,) = line["test_keys"]["queries"]
    assert (query["failure"], query["rcode"]) == (failure, rcode)
    assert line["test_keys"]["dns_experiment_failure"] == failure


def test_a_resolver_that_is_silent() -> None:
    silent = replace(DNS, failure="generic_timeout_error")
    (query,) = line_of(silent, outcome=RESET)["test_keys"]["queries"]
    assert (query["failure"], query["answers"]) == ("generic_timeout_error", [])


def test_quic_is_told_by_its_network() -> None:
    line = line_of(
        whole(),
        step("quic", address="198.18.0.80", alpn="h3"),
        step("http", status=200),
        endpoints=(ASKED, UDP),
        status=200,
    )
    assert not faults(line)
    (handshake,) = line["test_keys"]["tls_handshakes"]
    assert handshake["network"] == "udp"
    assert line["test_keys"]["requests"][0]["alpn"] == "h3"


def test_a_tool_is_named_as_a_proxy() -> None:
    proxy = Endpoint("tcp", "127.0.0.1", 40_000, "127.0.0.1", 1080)
    line = line_of(
        step("socks", address="127.0.0.1", connected=True),
        step("http", status=200),
        endpoints=(proxy,),
        target="http://news.example/",
        status=200,
    )
    assert not faults(line)
    assert line["test_keys"]["socksproxy"] == "127.0.0.1:1080"


def test_what_could_not_be_told_is_no_blocking() -> None:
    line = line_of(step("tcp", "generic_timeout_error"), outcome=UNKNOWN)
    assert not faults(line)
    assert line["test_keys"]["blocking"] is None
    assert line["test_keys"]["accessible"] is None


def test_it_claims_no_place_on_the_internet() -> None:
    line = line_of(step("tcp", address="198.18.0.80"), endpoints=(TCP,))
    assert (line["probe_asn"], line["probe_cc"]) == ("AS0", "ZZ")
    assert line["software_name"] == "filterlab"
    assert "no real network" in line["annotations"]["laboratory"]


def test_every_failure_of_a_probe_is_one_of_oonis() -> None:
    assert FAILURES - {"unknown_failure"} <= ooni_format.FAILURES


def test_the_file_has_one_object_a_line(tmp_path: Path) -> None:
    write_measurements(result(tmp_path), tmp_path)
    lines = (tmp_path / "ooni.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert [json.loads(line)["annotations"]["attempt"] for line in lines] == ["1", "1"]


def test_the_check_itself_finds_what_is_wrong() -> None:
    line = line_of(whole(), step("tcp", address="198.18.0.80"), endpoints=(TCP,))
    line["probe_asn"] = None
    line["extra"] = 1
    line["test_keys"]["queries"][0]["t"] = "soon"
    del line["test_keys"]["tcp_connect"][0]["status"]["success"]
    with pytest.raises(TypeError):
        faults(line)
    line["probe_asn"] = "13285"
    line["test_keys"]["queries"][0]["t"] = 0.0
    with pytest.raises(KeyError):
        faults(line)
    line["test_keys"]["tcp_connect"] = []
    assert faults(line) == [
        "measurement has extra, which no format knows",
        "probe_asn",
        "query ends before it begins",
    ]
