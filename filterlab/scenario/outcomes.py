"""The words an expectation may use for what comes of a probe.

OONI's failure strings (https://github.com/ooni/spec, df-007-errors), its blocking
types (ts-017-web-connectivity), and words of the lab: `ok`, `throttled`, `blocked`,
and `down` (the control failed as well, so nothing is proved). They stand here as
words, and not as the probes' own table, because a scenario is read without loading
the programs that carry it out; a test keeps the two alike.
"""

from __future__ import annotations

FAILURES: tuple[str, ...] = (
    "connection_aborted",
    "connection_refused",
    "connection_reset",
    "dns_no_answer",
    "dns_nxdomain_error",
    "dns_refused_error",
    "dns_servfail_error",
    "dns_server_misbehaving",
    "eof_error",
    "generic_timeout_error",
    "host_unreachable",
    "network_down",
    "network_reset",
    "network_unreachable",
    "quic_incompatible_version",
    "socks_address_not_supported",
    "socks_command_not_supported",
    "socks_connection_not_allowed",
    "socks_connection_refused",
    "socks_error",
    "socks_host_unreachable",
    "socks_network_unreachable",
    "socks_server_failure",
    "socks_ttl_expired",
    "ssl_failed_handshake",
    "ssl_invalid_certificate",
    "ssl_invalid_hostname",
    "ssl_unknown_authority",
    "unknown_failure",
)
BLOCKING: tuple[str, ...] = ("dns", "tcp_ip", "tls", "http-diff", "http-failure")
REACHED: tuple[str, ...] = ("ok", "throttled")
# `blocked` is any blocking type, throttling among them.
OUTCOMES: tuple[str, ...] = (*REACHED, "blocked", "down", *BLOCKING, *FAILURES)


def reaches(outcome: str) -> bool | None:
    """Whether a probe with this outcome got what it asked for; None: it may have."""
    return None if outcome in ("throttled", "blocked") else outcome == "ok"


def agree(one: str, other: str) -> bool:
    """Whether a probe can have both outcomes: a kind of blocking, and a failure."""
    if one == other:
        return True
    pair = {one, other}
    if pair & {"ok", "down"}:
        return False
    if "blocked" in pair:
        return True
    kinds = pair & {*BLOCKING, "throttled"}
    return len(kinds) == 1 and len(pair & set(FAILURES)) == 1
