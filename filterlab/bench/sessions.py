"""Makes what both ends of a TLS connection say, by OpenSSL, in memory."""

from __future__ import annotations

import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

_MOST_FLIGHTS = 6  # TLS 1.3 needs three

Said = list[tuple[bool, bytes]]
"""Flights in their order; true are the client's."""


class _End:
    """One end, and the two pipes that it hangs on."""

    def __init__(self, context: ssl.SSLContext, name: str | None) -> None:
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.coming, self.going, server_side=name is None, server_hostname=name
        )

    def step(self) -> bytes:
        """Go on with the handshake; what must be sent."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.going.read()

    def say(self, data: bytes) -> bytes:
        """Data, encrypted."""
        self.tls.write(data)
        return self.going.read()


def tls_session(name: str, request: bytes, answer: bytes) -> Said:
    """A handshake, a request and its answer."""
    client, server = _End(_client(), name), _End(_server(), None)
    said: Said = []
    for number in range(_MOST_FLIGHTS):
        up = number % 2 == 0
        mine, other = (client, server) if up else (server, client)
        flight = mine.step()
        if not flight:
            break
        other.coming.write(flight)
        said.append((up, flight))
    up, flight = said.pop() if said[-1][0] else (True, b"")
    said.append((up, flight + client.say(request)))
    said.append((False, server.say(answer)))
    return said


@cache
def _client() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nobody vouches for a server in memory
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@cache
def _server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        pem = Path(folder) / "server.pem"
        pem.write_bytes(_certificate())
        context.load_cert_chain(pem)
    return context


def _certificate() -> bytes:
    key = generate_private_key(SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site.example")])
    start = datetime(2020, 8, 9, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM) + key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
