"""What programs say when they fail, in their own words, and what it means.

The sentences are those of curl 7.88, dig 9.18, kdig 3.2, curl_cffi 0.16 and Python.
"""

from __future__ import annotations

import pytest

from filterlab.probes.said import addresses_said, failure_said, name_failure_said


@pytest.mark.parametrize(
    ("program", "status", "words", "failure"),
    [
        ("curl", 6, "curl: (6) Could not resolve host: a", "dns_nxdomain_error"),
        (
            "curl",
            28,
            "curl: (28) Resolving timed out after 2 milliseconds",
            "generic_timeout_error",
        ),
        ("curl", 28, "curl: (28) Operation timed out", "generic_timeout_error"),
        (
            "curl",
            7,
            "curl: (7) Failed to connect to a port 443: Couldn't connect to server",
            "connection_refused",
        ),
        (
            "curl",
            35,
            "curl: (35) Recv failure: Connection reset by peer",
            "connection_reset",
        ),
        (
            "curl",
            35,
            "curl: (35) error:0A00010B:SSL routines::wrong version number",
            "ssl_failed_handshake",
        ),
        ("curl", 52, "curl: (52) Empty reply from server", "eof_error"),
        ("curl", 56, "", "connection_reset"),
        (
            "curl",
            60,
            "curl: (60) SSL certificate problem: unable to get local issuer",
            "ssl_unknown_authority",
        ),
        (
            "curl",
            60,
            "curl: (60) SSL: no alternative certificate subject name matches"
            " target host name 'a'",
            "ssl_invalid_hostname",
        ),
        (
            "python3",
            1,
            "curl_cffi.requests.exceptions.Timeout: Failed to perform, curl: (28) .",
            "generic_timeout_error",
        ),
        (
            "python3",
            1,
            "ConnectionResetError: [Errno 104] Connection reset by peer",
            "connection_reset",
        ),
        (
            "ssh",
            255,
            "ssh: connect to host a port 22: No route to host",
            "host_unreachable",
        ),
        ("anything", None, "connection refused", "generic_timeout_error"),
        ("anything", 3, "", "unknown_failure: exit status 3"),
        ("anything", 3, "it is\nWednesday\n", "unknown_failure: Wednesday"),
        # Another program's status 28 means nothing.
        ("anything", 28, "", "unknown_failure: exit status 28"),
    ],
)
def test_words_and_statuses_become_failures(
    program: str, status: int | None, words: str, failure: str
) -> None:
    assert failure_said(program, status, words) == failure


@pytest.mark.parametrize(
    ("status", "output", "complaints", "failure"),
    [
        (
            0,
            ";; ->>HEADER<<- ... status: NXDOMAIN",
            "",
            "dns_nxdomain_error",
        ),
        (0, ";; ->>HEADER<<- ... status: SERVFAIL; id", "", "dns_servfail_error"),
        (0, ";; ->>HEADER<<- ... status: REFUSED", "", "dns_refused_error"),
        (0, "", "", "dns_no_answer"),
        (
            9,
            ";; connection timed out; no servers could be reached",
            "",
            "generic_timeout_error",
        ),
        (
            9,
            ";; communications error to 198.18.0.9#853: connection reset",
            "",
            "connection_reset",
        ),
        (
            1,
            "",
            ";; WARNING: TLS, handshake failed (Error in the certificate.)",
            "ssl_failed_handshake",
        ),
    ],
)
def test_a_resolver_that_names_no_address_says_why(
    status: int, output: str, complaints: str, failure: str
) -> None:
    assert name_failure_said("dig", status, output, complaints) == failure


def test_addresses_are_found_in_what_resolvers_print() -> None:
    printed = """
;; ->>HEADER<<- opcode: QUERY; status: NOERROR; id: 0
;; SERVER: 198.18.0.53#53(198.18.0.53)
;; from 198.18.0.9
www.example.\t5\tIN\tCNAME\tweb.example.
web.example.\t5\tIN\tA\t198.18.0.2
web.example.\t5\tIN\tAAAA\t2001:db8::2
web.example.\t5\tIN\tA\t198.18.0.2
"""
    assert addresses_said(printed) == ("198.18.0.2", "2001:db8::2")
