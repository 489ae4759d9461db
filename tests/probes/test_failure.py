"""OONI's strings for errors that no server on loopback can cause."""

from __future__ import annotations

import errno
import ssl

import pytest
from dns.exception import DNSException
from dns.message import from_wire

from filterlab.probes.failure import (
    FAILURES,
    DnsError,
    ProtocolError,
    QuicError,
    failure_of,
    is_of_network,
)


def malformed() -> DNSException:
    """What dnspython raises for a message that is too short."""
    with pytest.raises(DNSException) as caught:
        from_wire(b"short")
    return caught.value


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (OSError(errno.EHOSTUNREACH, ""), "host_unreachable"),
        (OSError(errno.ENETUNREACH, ""), "network_unreachable"),
        (OSError(errno.ENETDOWN, ""), "network_down"),
        (OSError(errno.ETIMEDOUT, ""), "generic_timeout_error"),
        (BrokenPipeError(errno.EPIPE, ""), "connection_reset"),
        (ssl.SSLZeroReturnError(), "eof_error"),
        (DnsError(5), "dns_refused_error"),
        (malformed(), "dns_server_misbehaving"),
        (QuicError(0x11, "no common version"), "quic_incompatible_version"),
        (QuicError(0x2, "busy"), "connection_refused"),
        (QuicError(0x100 + 40, "handshake failure"), "ssl_failed_handshake"),
        (QuicError(0x100 + 48, "unknown ca"), "ssl_unknown_authority"),
        (QuicError(0x1, "Idle timeout"), "generic_timeout_error"),
    ],
)
def test_strings(error: Exception, failure: str) -> None:
    assert failure_of(error, "tls") == failure
    assert failure in FAILURES
    assert is_of_network(error)


@pytest.mark.parametrize(
    "error", [ProtocolError("odd"), OSError(errno.EPERM, "odd"), QuicError(10, "odd")]
)
def test_what_has_no_word_of_its_own(error: Exception) -> None:
    assert failure_of(error, "http").startswith("unknown_failure: ")
    assert "odd" in failure_of(error, "http")


def test_a_record_error_after_the_handshake_is_no_handshake_failure() -> None:
    error = ssl.SSLError(1, "bad record mac")
    assert failure_of(error, "tls") == "ssl_failed_handshake"
    assert failure_of(error, "http").startswith("unknown_failure")


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError(errno.ENOENT, "")])
def test_our_own_faults(error: Exception) -> None:
    assert not is_of_network(error)
