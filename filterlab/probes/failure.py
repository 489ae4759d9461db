"""Turns an exception of a probe's step into OONI's failure string.

The strings, and what each means, are those of OONI's data format df-007-errors
(https://github.com/ooni/spec, data-formats/df-007-errors.md). An exception that is
not a network's doing has no failure string: it is a bug of the probe, and the caller
says so.
"""

from __future__ import annotations

import errno
import ssl
from http.client import HTTPException, RemoteDisconnected

from aioquic.quic.packet import QuicErrorCode
from dns.exception import DNSException
from h2.exceptions import H2Error

CONNECTION_REFUSED = "connection_refused"
CONNECTION_RESET = "connection_reset"
EOF = "eof_error"
TIMEOUT = "generic_timeout_error"
HOST_UNREACHABLE = "host_unreachable"
NETWORK_UNREACHABLE = "network_unreachable"
NXDOMAIN = "dns_nxdomain_error"
SERVFAIL = "dns_servfail_error"
DNS_REFUSED = "dns_refused_error"
DNS_NO_ANSWER = "dns_no_answer"
DNS_MISBEHAVING = "dns_server_misbehaving"
UNKNOWN_AUTHORITY = "ssl_unknown_authority"
INVALID_HOSTNAME = "ssl_invalid_hostname"
INVALID_CERTIFICATE = "ssl_invalid_certificate"
FAILED_HANDSHAKE = "ssl_failed_handshake"
INCOMPATIBLE_QUIC = "quic_incompatible_version"
SOCKS_ERROR = "socks_error"
UNKNOWN = "unknown_failure"

_OF_ERRNO = {
    errno.ECONNREFUSED: CONNECTION_REFUSED,
    errno.ECONNRESET: CONNECTION_RESET,
    # A write after the reset has been read meets EPIPE; the cause is the same reset.
    errno.EPIPE: CONNECTION_RESET,
    errno.ECONNABORTED: "connection_aborted",
    errno.ETIMEDOUT: TIMEOUT,
    errno.EHOSTUNREACH: HOST_UNREACHABLE,
    errno.ENETUNREACH: NETWORK_UNREACHABLE,
    errno.ENETDOWN: "network_down",
    errno.ENETRESET: "network_reset",
}

# RFC 1928, section 6; OONI's names for the replies.
_OF_SOCKS_REPLY = {
    1: "socks_server_failure",
    2: "socks_connection_not_allowed",
    3: "socks_network_unreachable",
    4: "socks_host_unreachable",
    5: "socks_connection_refused",
    6: "socks_ttl_expired",
    7: "socks_command_not_supported",
    8: "socks_address_not_supported",
}

# RFC 1035, section 4.1.1.
_OF_RCODE = {2: SERVFAIL, 3: NXDOMAIN, 5: DNS_REFUSED}

# Verification results of OpenSSL's x509_vfy.h.
_UNKNOWN_AUTHORITY_CODES = frozenset({2, 18, 19, 20, 21})  # no chain to a known CA
_WRONG_NAME_CODES = frozenset({62, 64})  # host name, IP address mismatch

# TLS alerts, RFC 8446, section 6; QUIC carries them as 0x100 + alert (RFC 9001, 4.8).
_CERTIFICATE_ALERTS = frozenset({42, 43, 44, 45, 46})
_ALERT_UNKNOWN_CA = 48

FAILURES: frozenset[str] = frozenset(
    {
        *_OF_ERRNO.values(),
        *_OF_SOCKS_REPLY.values(),
        *_OF_RCODE.values(),
        EOF,
        DNS_NO_ANSWER,
        DNS_MISBEHAVING,
        UNKNOWN_AUTHORITY,
        INVALID_HOSTNAME,
        INVALID_CERTIFICATE,
        FAILED_HANDSHAKE,
        INCOMPATIBLE_QUIC,
        SOCKS_ERROR,
        UNKNOWN,
    }
)


class DnsError(Exception):
    """A resolver answered without an address: its response code, 0 if just empty."""

    def __init__(self, rcode: int) -> None:
        super().__init__(f"DNS response code {rcode}")
        self.rcode = rcode


class ProxyError(Exception):
    """A proxy would not connect: its SOCKS reply, 0 for another reason."""

    def __init__(self, reply: int, text: str) -> None:
        super().__init__(text)
        self.reply = reply


class QuicError(Exception):
    """A QUIC connection ended before its work was done."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"QUIC error {code:#x}: {reason}")
        self.code = code
        self.reason = reason


class ProtocolError(Exception):
    """The other side answered in something else than the protocol asked for."""


class PinError(ssl.SSLError):
    """The server's key is none that the client has been given beforehand."""


_NETWORK_ERRORS = (
    OSError,  # ssl.SSLError and TimeoutError are kinds of it
    EOFError,
    DNSException,
    HTTPException,
    H2Error,
    DnsError,
    ProxyError,
    QuicError,
    ProtocolError,
)


# A missing file or interface: the client was set up wrongly, no packet was sent.
_LAB_ERRNOS = frozenset({errno.ENOENT, errno.ENODEV})


def is_of_network(error: BaseException) -> bool:
    """Whether the network, or who is in it, caused `error`; else it is our fault."""
    if isinstance(error, OSError) and error.errno in _LAB_ERRNOS:
        return isinstance(error, ssl.SSLError)
    return isinstance(error, _NETWORK_ERRORS)


def failure_of(error: BaseException, step: str) -> str:
    """The OONI string for what went wrong in `step` ("dns", "tcp", "tls", ...)."""
    match error:
        case RemoteDisconnected() | EOFError() | ssl.SSLEOFError():
            return EOF
        case ssl.SSLZeroReturnError():
            return EOF
        case DnsError():
            default = DNS_NO_ANSWER if error.rcode == 0 else DNS_MISBEHAVING
            return _OF_RCODE.get(error.rcode, default)
        case ProxyError():
            return _OF_SOCKS_REPLY.get(error.reply, SOCKS_ERROR)
        case QuicError():
            return _of_quic(error)
        case TimeoutError():
            return TIMEOUT
        case DNSException():
            return DNS_MISBEHAVING
        case ssl.SSLError():
            return _of_tls(error, step)
        case OSError():
            known = _OF_ERRNO.get(error.errno or 0)
            return known or _unknown(error)
        case _:
            return _unknown(error)


def _unknown(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return f"{UNKNOWN}: {text}"


def _of_tls(error: ssl.SSLError, step: str) -> str:
    if isinstance(error, PinError):
        return INVALID_CERTIFICATE
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _WRONG_NAME_CODES:
            return INVALID_HOSTNAME
        if error.verify_code in _UNKNOWN_AUTHORITY_CODES:
            return UNKNOWN_AUTHORITY
        return INVALID_CERTIFICATE
    # A broken record after the handshake is no handshake failure, and OONI has no
    # word for it.
    return FAILED_HANDSHAKE if step in ("tls", "quic", "dns") else _unknown(error)


def _of_quic(error: QuicError) -> str:
    if error.reason == "Idle timeout":  # aioquic's words when its own timer expires
        return TIMEOUT
    if error.code == QuicErrorCode.VERSION_NEGOTIATION_ERROR:
        return INCOMPATIBLE_QUIC
    if error.code == QuicErrorCode.CONNECTION_REFUSED:
        return CONNECTION_REFUSED
    if not QuicErrorCode.CRYPTO_ERROR <= error.code <= QuicErrorCode.CRYPTO_ERROR + 255:
        return _unknown(error)
    alert = error.code - QuicErrorCode.CRYPTO_ERROR
    reason = error.reason.lower()
    if alert == _ALERT_UNKNOWN_CA or "issuer" in reason or "self-signed" in reason:
        return UNKNOWN_AUTHORITY
    if "hostname" in reason or "match" in reason:
        return INVALID_HOSTNAME
    return INVALID_CERTIFICATE if alert in _CERTIFICATE_ALERTS else FAILED_HANDSHAKE
