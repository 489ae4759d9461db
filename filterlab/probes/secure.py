"""The TLS step: shakes hands by OpenSSL, trusts only the run's authority, keeps notes.

The certificates are recorded as they came, whether or not they were believed: a forged
one is evidence.
"""

from __future__ import annotations

import hashlib
import ssl
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from filterlab.probes.channel import Channel, seconds_until
from filterlab.probes.failure import PinError
from filterlab.probes.trace import OpenStep

_LONGEST_NAME = 255


def trust(ca_file: str | None) -> ssl.SSLContext:
    """A client context that believes in `ca_file` alone, or in the system's roots."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_file)
    return context


def padded(alpn: Sequence[str], more_bytes: int) -> list[str]:
    """The protocols to offer, and enough that nobody speaks to fill so many bytes.

    OpenSSL's own padding (RFC 7685) ends at 512 bytes; a name has at most 255
    (RFC 7301, 3.1), and one more for its length.
    """
    count = -(-more_bytes // (_LONGEST_NAME + 1))
    nobodys = (
        f"padding-{number}-".ljust(_LONGEST_NAME, "x") for number in range(count)
    )
    return [*alpn, *nobodys]


def shake_hands(
    channel: Channel,
    name: str,
    alpn: Sequence[str],
    ca_file: str | None,
    step: OpenStep,
) -> Channel:
    """TLS over `channel` with the server called `name`, offering `alpn`.

    `step.detail` gets version, cipher, chosen ALPN and the certificates.
    """
    context = trust(ca_file)
    context.set_alpn_protocols(list(alpn))
    channel.sock.settimeout(seconds_until(step.until))
    tls = context.wrap_socket(
        channel.sock, server_hostname=name, do_handshake_on_connect=False
    )
    try:
        tls.settimeout(seconds_until(step.until))
        tls.do_handshake()
    except OSError:
        step.detail["certificates"] = _certificates(tls)
        tls.close()
        raise
    cipher = tls.cipher()
    step.detail.update(
        version=tls.version(),
        cipher=cipher[0] if cipher else None,
        alpn=tls.selected_alpn_protocol(),
        certificates=_certificates(tls),
    )
    return Channel(tls, step.until)


def key_hash(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate's key, which is what clients pin (RFC 7469, 2.4)."""
    key = certificate.public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(info).hexdigest()


def hold_to_pin(channel: Channel, pin: str) -> None:
    """Raise PinError if the server that shook hands has another key than this."""
    assert isinstance(channel.sock, ssl.SSLSocket)
    shown = key_hash(x509.load_der_x509_certificate(_chain(channel.sock)[0]))
    if shown != pin:
        raise PinError(f"the server's key is {shown[:16]}..., not {pin[:16]}...")


def _certificates(tls: ssl.SSLSocket) -> list[dict[str, str]]:
    return [describe(x509.load_der_x509_certificate(der)) for der in _chain(tls)]


def _chain(tls: ssl.SSLSocket) -> list[bytes]:
    # ssl gives the chain as sent from Python 3.13 on; before, the same call is there,
    # but not published, and it is the only one that works on a failed handshake.
    read: Any = getattr(tls, "get_unverified_chain", None)
    if read is None:
        read = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    try:
        chain = (read() if read is not None else None) or ()
    except (ssl.SSLError, ValueError):  # nothing had come yet
        return []
    return [_as_der(certificate) for certificate in chain]


def _as_der(certificate: Any) -> bytes:
    if isinstance(certificate, bytes):
        return certificate
    return ssl.PEM_cert_to_DER_cert(certificate.public_bytes())


def describe(certificate: x509.Certificate) -> dict[str, str]:
    """A certificate's subject, issuer, end of validity and SHA-256, and all of it."""
    der = certificate.public_bytes(Encoding.DER)
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "sha256": hashlib.sha256(der).hexdigest(),
        "der": b64encode(der).decode("ascii"),
    }
