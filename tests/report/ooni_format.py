"""OONI's data formats as far as the lab writes them: names, types, null or not.

From github.com/ooni/spec, data-formats: df-000-base, df-001-httpt, df-002-dnst,
df-005-tcpconnect, df-006-tlshandshake, df-007-errors, df-008-netevents; and
nettests/ts-017-web-connectivity. A key stands in REQUIRED where its page does not call
it optional.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

NULL = type(None)
Kind = type | tuple[type, ...]
TIME = "%Y-%m-%d %H:%M:%S"

# df-000-base
BASE: dict[str, Kind] = {
    "data_format_version": str,
    "input": (str, NULL),
    "measurement_start_time": str,
    "probe_asn": str,
    "probe_cc": str,
    "probe_ip": str,
    "report_id": str,
    "software_name": str,
    "software_version": str,
    "test_keys": dict,
    "test_name": str,
    "test_runtime": float,
    "test_start_time": str,
    "test_version": str,
}
BASE_OPTIONAL: dict[str, Kind] = {
    "annotations": dict,
    "extensions": dict,
    "options": list,
    "probe_network_name": str,
    "resolver_asn": str,
    "resolver_ip": str,
    "resolver_network_name": str,
    "test_helpers": dict,
}
# df-002-dnst
QUERY: dict[str, Kind] = {
    "answers": list,
    "failure": (str, NULL),
    "hostname": str,
    "query_type": str,
    "resolver_address": str,
    "t0": float,
    "t": float,
}
QUERY_OPTIONAL: dict[str, Kind] = {
    "engine": str,
    "rcode": int,
    "resolver_hostname": NULL,
    "resolver_port": NULL,
}
ENGINES = ("unknown", "udp", "tcp", "dot", "doh")
ANSWER: dict[str, Kind] = {"answer_type": str, "ttl": (int, NULL)}
ANSWER_OPTIONAL: dict[str, Kind] = {"ipv4": str, "ipv6": str}
# df-005-tcpconnect
CONNECT: dict[str, Kind] = {
    "ip": str,
    "port": int,
    "status": dict,
    "t0": float,
    "t": float,
}
STATUS: dict[str, Kind] = {"failure": (str, NULL), "success": bool}
# df-006-tlshandshake
HANDSHAKE: dict[str, Kind] = {
    "address": str,
    "cipher_suite": str,
    "failure": (str, NULL),
    "negotiated_protocol": str,
    "no_tls_verify": bool,
    "peer_certificates": list,
    "t0": float,
    "t": float,
    "tls_version": str,
}
HANDSHAKE_OPTIONAL: dict[str, Kind] = {
    "network": str,
    "server_name": str,
    "tags": list,
}
BINARY: dict[str, Kind] = {"format": str, "data": str}
# df-001-httpt
TRANSACTION: dict[str, Kind] = {
    "failure": (str, NULL),
    "request": dict,
    "response": dict,
    "t0": float,
    "t": float,
}
TRANSACTION_OPTIONAL: dict[str, Kind] = {"network": str, "address": str, "alpn": str}
REQUEST: dict[str, Kind] = {
    "url": str,
    "body": str,
    "headers": dict,
    "headers_list": list,
    "method": str,
    "tor": dict,
}
REQUEST_OPTIONAL: dict[str, Kind] = {"body_is_truncated": bool, "x_transport": str}
TOR: dict[str, Kind] = {
    "exit_ip": (str, NULL),
    "exit_name": (str, NULL),
    "is_tor": bool,
}
RESPONSE: dict[str, Kind] = {
    "body": str,
    "code": int,
    "headers": dict,
    "headers_list": list,
}
RESPONSE_OPTIONAL: dict[str, Kind] = {"body_is_truncated": bool}
# df-008-netevents
EVENT: dict[str, Kind] = {
    "failure": (str, NULL),
    "operation": str,
    "t0": float,
    "t": float,
    "tags": list,
}
EVENT_OPTIONAL: dict[str, Kind] = {"address": str, "proto": str, "num_bytes": int}
# ts-017, and the keys of the formats above
TEST_KEYS: dict[str, Kind] = {
    "agent": str,
    "client_resolver": str,
    "queries": list,
    "tcp_connect": list,
    "tls_handshakes": list,
    "requests": list,
    "network_events": list,
    "dns_consistency": (str, NULL),
    "body_proportion": (float, NULL),
    "body_length_match": (bool, NULL),
    "headers_match": (bool, NULL),
    "status_code_match": (bool, NULL),
    "title_match": (bool, NULL),
    "accessible": (bool, NULL),
    "blocking": (str, bool, NULL),
    "control_failure": (str, NULL),
    "dns_experiment_failure": (str, NULL),
    "http_experiment_failure": (str, NULL),
}
TEST_KEYS_OPTIONAL: dict[str, Kind] = {"socksproxy": (str, NULL), "x_filterlab": dict}
BLOCKINGS = (None, False, "dns", "tcp_ip", "http-diff", "http-failure")
# df-007-errors: those of OONI's present engine, and of SOCKS from its first.
FAILURES = frozenset(
    [
        "connection_aborted",
        "connection_already_closed",
        "connection_refused",
        "connection_reset",
        "dns_bogon_error",
        "dns_no_answer",
        "dns_non_recoverable_failure",
        "dns_nxdomain_error",
        "dns_refused_error",
        "dns_reply_with_wrong_query_id",
        "dns_server_misbehaving",
        "dns_servfail_error",
        "dns_temporary_failure",
        "eof_error",
        "http_request_failed",
        "host_unreachable",
        "generic_timeout_error",
        "http_unexpected_redirect_url",
        "http_unexpected_status_code",
        "interrupted",
        "json_parse_error",
        "network_down",
        "network_reset",
        "network_unreachable",
        "quic_incompatible_version",
        "ssl_failed_handshake",
        "ssl_invalid_hostname",
        "ssl_unknown_authority",
        "ssl_invalid_certificate",
        "socks_error",
        "socks_address_not_supported",
        "socks_command_not_supported",
        "socks_connection_not_allowed",
        "socks_connection_refused",
        "socks_host_unreachable",
        "socks_network_unreachable",
        "socks_server_failure",
        "socks_ttl_expired",
    ]
)
ENDPOINT = re.compile(r"(?:[\d.]+|\[[0-9a-f:]+\]):\d+")


def faults(line: Mapping[str, Any]) -> list[str]:
    """Everything in a measurement that is not as the formats say."""
    return list(_measurement(line))


def _measurement(line: Mapping[str, Any]) -> Iterator[str]:
    yield from _keys("measurement", line, BASE, BASE_OPTIONAL)
    for key in ("measurement_start_time", "test_start_time"):
        datetime.strptime(line[key], TIME)
    if line["data_format_version"] != "0.2.0":
        yield "data_format_version"
    if not re.fullmatch(r"AS\d+", line["probe_asn"]):
        yield "probe_asn"
    if not re.fullmatch(r"[A-Z]{2}", line["probe_cc"]):
        yield "probe_cc"
    for key, value in line["annotations"].items():
        if not isinstance(value, str):
            yield f"annotations.{key} is no string"
    yield from _test_keys(line["test_keys"])


def _test_keys(keys: Mapping[str, Any]) -> Iterator[str]:
    yield from _keys("test_keys", keys, TEST_KEYS, TEST_KEYS_OPTIONAL)
    yield from _failure("control", keys["control_failure"])
    yield from _failure("http_experiment", keys["http_experiment_failure"])
    if keys["agent"] not in ("agent", "redirect"):
        yield "agent"
    if keys["blocking"] not in BLOCKINGS:
        yield "blocking"
    if keys["dns_consistency"] not in (None, "consistent", "inconsistent"):
        yield "dns_consistency"
    for key, check in _LISTS.items():
        for entry in keys[key]:
            yield from check(entry)


def _query(entry: Mapping[str, Any]) -> Iterator[str]:
    yield from _keys("query", entry, QUERY, QUERY_OPTIONAL)
    yield from _failure("query", entry["failure"])
    yield from _times("query", entry)
    if entry["engine"] not in ENGINES:
        yield f"engine {entry['engine']}"
    for answer in entry["answers"]:
        yield from _keys("answer", answer, ANSWER, ANSWER_OPTIONAL)
        if ("ipv4" in answer) != (answer["answer_type"] == "A"):
            yield "an answer's family"


def _connect(entry: Mapping[str, Any]) -> Iterator[str]:
    yield from _keys("tcp_connect", entry, CONNECT, {})
    yield from _keys("status", entry["status"], STATUS, {})
    yield from _failure("status", entry["status"]["failure"])
    yield from _times("tcp_connect", entry)
    if entry["status"]["success"] != (entry["status"]["failure"] is None):
        yield "success contradicts failure"


def _handshake(entry: Mapping[str, Any]) -> Iterator[str]:
    yield from _keys("tls_handshake", entry, HANDSHAKE, HANDSHAKE_OPTIONAL)
    yield from _failure("tls_handshake", entry["failure"])
    yield from _times("tls_handshake", entry)
    if entry["network"] not in ("tcp", "udp"):
        yield "a handshake's network"
    if not ENDPOINT.fullmatch(entry["address"]):
        yield f"a handshake's address {entry['address']!r}"
    for one in entry["peer_certificates"]:
        yield from _keys("certificate", one, BINARY, {})
        if one["format"] != "base64" or b64decode(one["data"])[:1] != b"\x30":
            yield "a certificate that is no DER"


def _transaction(entry: Mapping[str, Any]) -> Iterator[str]:
    yield from _keys("request", entry, TRANSACTION, TRANSACTION_OPTIONAL)
    yield from _failure("request", entry["failure"])
    yield from _times("request", entry)
    yield from _keys("request.request", entry["request"], REQUEST, REQUEST_OPTIONAL)
    yield from _keys("tor", entry["request"]["tor"], TOR, {})
    response = entry["response"]
    yield from _keys("request.response", response, RESPONSE, RESPONSE_OPTIONAL)
    for part in (entry["request"], response):
        if any(len(pair) != 2 for pair in part["headers_list"]):
            yield "headers_list is no list of pairs"


def _event(entry: Mapping[str, Any]) -> Iterator[str]:
    yield from _keys("network_event", entry, EVENT, EVENT_OPTIONAL)
    yield from _failure("network_event", entry["failure"])
    yield from _times("network_event", entry)
    if entry["operation"] not in ("connect", "read", "write"):
        yield f"operation {entry['operation']}"
    if not ENDPOINT.fullmatch(entry["address"]):
        yield f"an event's address {entry['address']!r}"


_LISTS = {
    "queries": _query,
    "tcp_connect": _connect,
    "tls_handshakes": _handshake,
    "requests": _transaction,
    "network_events": _event,
}


def _keys(
    what: str,
    value: Mapping[str, Any],
    required: Mapping[str, Kind],
    optional: Mapping[str, Kind],
) -> Iterator[str]:
    for key in required.keys() - value.keys():
        yield f"{what} lacks {key}"
    for key, found in value.items():
        kind = required.get(key) or optional.get(key)
        if kind is None:
            yield f"{what} has {key}, which no format knows"
            continue
        kinds = kind if isinstance(kind, tuple) else (kind,)
        # True is an int to Python, and to no reader of JSON.
        if not isinstance(found, kinds) or (isinstance(found, bool) > (bool in kinds)):
            yield f"{what}.{key} is {found!r}"


def _failure(what: str, failure: str | None) -> Iterator[str]:
    known = failure is None or failure in FAILURES
    if not known and not str(failure).startswith("unknown_failure"):
        yield f"{what} has the failure {failure}"


def _times(what: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if not 0 <= entry["t0"] <= entry["t"]:
        yield f"{what} ends before it begins"
