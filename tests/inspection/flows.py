"""Flows as real libraries send them, made in memory: OpenSSL's TLS, aioquic's QUIC."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

NAME = "blocked.example"
NAMES = (NAME, f"*.{NAME}", "other.example")


@cache
def certificate() -> tuple[bytes, bytes]:
    """A self-signed certificate for NAMES, as DER and, with its key, as PEM."""
    key = generate_private_key(SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    start = datetime(2020, 8, 9, tzinfo=UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .add_extension(names, critical=False)
        .sign(key, SHA256())
    )
    pem = made.public_bytes(Encoding.PEM) + key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return made.public_bytes(Encoding.DER), pem


def tls_hello(name: str = NAME) -> bytes:
    """The first flight of an OpenSSL client."""
    return _client(name, ssl.TLSVersion.TLSv1_3)[1].read()


def _client(
    name: str, newest: ssl.TLSVersion
) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = newest
    context.set_alpn_protocols(["h2", "http/1.1"])
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = context.wrap_bio(coming, going, server_hostname=name)
    _step(end)
    return end, going, coming


def _step(end: ssl.SSLObject) -> None:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return


def tls_handshake(newest: ssl.TLSVersion) -> tuple[bytes, bytes]:
    """The first flights of an OpenSSL client and of the server that answers it."""
    hello, answer, _ = tls_second_flight(newest)
    return hello, answer


def tls_second_flight(newest: ssl.TLSVersion) -> tuple[bytes, bytes, bytes]:
    """The same, and what the client says then."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        file = Path(folder, "server.pem")
        file.write_bytes(certificate()[1])
        context.load_cert_chain(file)
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(coming, going, server_side=True)
    client, said, heard = _client(NAME, newest)
    hello = said.read()
    coming.write(hello)
    _step(server)
    answer = going.read()
    heard.write(answer)
    _step(client)
    return hello, answer, said.read()


def quic_datagrams(
    version: int = 1, name: str = NAME, alpn: tuple[str, ...] = ("h3",)
) -> list[bytes]:
    """The first flight of an aioquic client; many ALPN names make it a long one."""
    settings = QuicConfiguration(is_client=True, alpn_protocols=list(alpn))
    settings.server_name = name
    settings.original_version = version
    settings.supported_versions = [version]
    client = QuicConnection(configuration=settings)
    client.connect(("198.18.0.5", 443), now=0.0)
    return [data for data, _ in client.datagrams_to_send(now=0.0)]
