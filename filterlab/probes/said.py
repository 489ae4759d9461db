"""Turns what a program said when it failed into OONI's failure strings.

Programs tell of the network in few words: those of the C library (strerror(3)), of
OpenSSL, GnuTLS and BoringSSL, of DNS (RFC 1035, 4.1.1), and curl has an exit status
for each failure (curl(1), "EXIT CODES"). What is not known stays unknown: a guess
would be taken for a finding.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from filterlab.probes.failure import (
    CONNECTION_REFUSED,
    CONNECTION_RESET,
    DNS_MISBEHAVING,
    DNS_NO_ANSWER,
    DNS_REFUSED,
    EOF,
    FAILED_HANDSHAKE,
    HOST_UNREACHABLE,
    INVALID_CERTIFICATE,
    INVALID_HOSTNAME,
    NETWORK_UNREACHABLE,
    NXDOMAIN,
    SERVFAIL,
    SOCKS_ERROR,
    TIMEOUT,
    UNKNOWN,
    UNKNOWN_AUTHORITY,
)

# The most telling words first: a reset in a handshake is a reset.
_WORDS = [
    (re.compile(pattern, re.IGNORECASE), failure)
    for pattern, failure in (
        (r"reset by peer|connection (was )?reset|ECONNRESET", CONNECTION_RESET),
        (r"connection refused|ECONNREFUSED", CONNECTION_REFUSED),
        (r"no route to host|host (is )?unreachable|EHOSTUNREACH", HOST_UNREACHABLE),
        (r"network (is )?unreachable|ENETUNREACH", NETWORK_UNREACHABLE),
        (r"\bSERVFAIL\b|server failure", SERVFAIL),
        (r"status: REFUSED|rcode REFUSED", DNS_REFUSED),
        (r"temporary failure in name resolution|EAI_AGAIN", DNS_MISBEHAVING),
        (r"resolving timed out|no servers could be reached", TIMEOUT),
        (
            r"\bNXDOMAIN\b|name or service not known|no such host"
            r"|could(n't| not) resolve host",
            NXDOMAIN,
        ),
        (r"certificate has expired|certificate is not yet valid", INVALID_CERTIFICATE),
        (
            r"(host ?name|subject name|alternative name).*match"
            r"|certificate is (not )?valid for",
            INVALID_HOSTNAME,
        ),
        (
            r"self.signed|unable to get (local )?issuer|unknown (ca\b|authority)"
            r"|issuer is unknown|certificate verif",
            UNKNOWN_AUTHORITY,
        ),
        (r"timed? ?out|timeout|deadline exceeded", TIMEOUT),
        (
            r"unexpected eof|empty reply|end of file|\bEOF\b"
            r"|(connection|server) (was |has )?closed|broken pipe",
            EOF,
        ),
        (
            r"handshake fail|wrong version number|\balert\b|tls handshake"
            r"|ssl_connect|ssl connect error",
            FAILED_HANDSHAKE,
        ),
    )
]
_OF_CURL = {
    6: NXDOMAIN,
    7: CONNECTION_REFUSED,
    18: EOF,
    28: TIMEOUT,
    35: FAILED_HANDSHAKE,
    52: EOF,
    55: CONNECTION_RESET,
    56: CONNECTION_RESET,
    58: INVALID_CERTIFICATE,
    60: UNKNOWN_AUTHORITY,
    97: SOCKS_ERROR,
}
# curl's library puts it into its message, whoever uses it: "curl: (28) ..."
_CURL_CODE = re.compile(r"curl: \((\d+)\)")
_LAST_CHARACTERS = 200  # of an unknown complaint: enough to recognise it by


def failure_said(program: str, status: int | None, complaints: str) -> str:
    """The OONI string for a program that failed; status None is out of time."""
    if status is None:
        return TIMEOUT
    for words, failure in _WORDS:
        if words.search(complaints):
            return failure
    found = _CURL_CODE.search(complaints)
    code = int(found[1]) if found else status if program == "curl" else 0
    if code in _OF_CURL:
        return _OF_CURL[code]
    lines = complaints.split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{UNKNOWN}: {last[:_LAST_CHARACTERS] or f'exit status {status}'}"


def addresses_said(output: str) -> tuple[str, ...]:
    """The addresses in a resolver client's output; its comments begin with `;`."""
    found = []
    for line in output.splitlines():
        if line.startswith(";"):
            continue
        for word in line.split():
            try:
                found.append(str(ip_address(word)))
            except ValueError:
                continue
    return tuple(dict.fromkeys(found))


def name_failure_said(
    program: str, status: int | None, output: str, complaints: str
) -> str:
    """The OONI string for a resolver client that named no address."""
    failure = failure_said(program, status, f"{complaints}\n{output}")
    silent = status == 0 and failure.startswith(UNKNOWN)
    return DNS_NO_ANSWER if silent else failure
