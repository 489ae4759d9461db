"""Reads TLS as Kazakhstan's interceptor of 2019 did: a script for mitmproxy.

Run by mitmproxy's own Python (`mitmdump -s`), with `interceptor.json` beside it. A flow
is intercepted if it was led here, if it names a listed host, and if the origin shows a
certificate that is trusted, for whatever name; all others pass unread. The forged leaf
has subject and alternative names of the origin's, a key of its own for each host (RSA,
2048 bits), validity shifted back by six hours, a serial number whose last four bytes
are others, and no further extensions.
Source: Sundara Raman et al., Investigating Large Scale HTTPS Interception in
Kazakhstan (IMC 2020); Censored Planet's report of 23 July 2019.

The exchange that leads a flow here gives it another address. Where it was bound for
stands in the exchange's decisions, as a line of a switch's own protocol would say it.
"""

from __future__ import annotations

import datetime
import json
import secrets
import socket
import ssl
import time
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from mitmproxy import platform
from OpenSSL import SSL, crypto

SHIFT = datetime.timedelta(hours=6)
_LEAF_BITS = 2048
_SERIAL_TAIL_BYTES = 4
_KEYS_AHEAD = 2  # as many hosts as a scenario has in each version of IP
_MAPPED = "::ffff:"  # RFC 4291, 2.5.5.2
# The decision follows its effects within milliseconds; the machine may be busy.
_TOLD_WITHIN_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.005
_ORIGIN_SECONDS = 5.0

Address = tuple[str, int]


class Decisions:
    """Where connections were going, as the exchange's file comes to say it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0
        self._led: dict[Address, Address] = {}

    def led(self, client: Address) -> Address | None:
        """Where this client's connection was going, if it is known by now."""
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            *lines, _ = file.read().split(b"\n")  # the last is half written, or empty
        for line in lines:
            self._read_bytes += len(line) + 1
            if b'"redirect"' in line:
                flow = json.loads(line)["flow"]
                ends = flow["client"], flow["client_port"]
                self._led[ends] = flow["server"], flow["server_port"]
        return self._led.get(client)


class Interceptor:
    """The conditions, and the certificates that have been forged."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._names = frozenset(order["names"])
        self._trusted = order["ca_file"]
        self._decisions = Decisions(Path(order["decisions"]))
        self._issuer = x509.load_pem_x509_certificate(_read(order["issuer"]))
        key = serialization.load_pem_private_key(_read(order["issuer_key"]), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._issuer_key = key
        self._origins: dict[Address, x509.Certificate] = {}
        self._forged: dict[Address, SSL.Context] = {}
        # Made beforehand: a client would have to wait for its host's.
        self._keys = [_new_key() for _ in range(_KEYS_AHEAD)]
        platform.original_addr = self.bound_for

    def bound_for(self, connection: socket.socket) -> Address:
        """Where a connection was going before it was led here."""
        host, port = connection.getpeername()[:2]
        client = (host.removeprefix(_MAPPED), port)
        until = time.monotonic() + _TOLD_WITHIN_SECONDS
        while (found := self._decisions.led(client)) is None:
            if time.monotonic() > until:
                raise ValueError(f"nobody has led {client} here")
            time.sleep(_LOOK_AGAIN_SECONDS)
        return found

    def tls_clienthello(self, data: Any) -> None:
        """Leave a connection alone unless all three conditions hold."""
        address = data.context.server.address
        if not self._is_listed(data.client_hello.sni):
            data.ignore_connection = True
            return
        try:
            self._origins[address] = self._origin(address, data.client_hello.sni)
        except OSError:  # not there, or not trusted: ssl's errors are OSErrors
            data.ignore_connection = True

    def _is_listed(self, sni: str | None) -> bool:
        if sni is None:
            return False
        labels = sni.lower().split(".")
        return any(".".join(labels[n:]) in self._names for n in range(len(labels)))

    def _origin(self, address: Address, sni: str) -> x509.Certificate:
        context = ssl.create_default_context(cafile=self._trusted)
        context.check_hostname = False  # for any name
        with (
            socket.create_connection(address, _ORIGIN_SECONDS) as channel,
            context.wrap_socket(channel, server_hostname=sni) as secure,
        ):
            return x509.load_der_x509_certificate(secure.getpeercert(True) or b"")

    def tls_start_client(self, tls_start: Any) -> None:
        """Show the client a certificate that looks like the origin's."""
        address = tls_start.context.server.address
        if address not in self._forged:
            key = self._keys.pop() if self._keys else _new_key()
            leaf = forged(self._origins[address], key, self._issuer, self._issuer_key)
            context = SSL.Context(SSL.TLS_SERVER_METHOD)
            context.use_certificate(crypto.X509.from_cryptography(leaf))
            context.use_privatekey(crypto.PKey.from_cryptography_key(key))
            issuer = crypto.X509.from_cryptography(self._issuer)
            context.add_extra_chain_cert(issuer)
            self._forged[address] = context
        tls_start.ssl_conn = SSL.Connection(self._forged[address])
        tls_start.ssl_conn.set_accept_state()


def forged(
    origin: x509.Certificate,
    key: rsa.RSAPrivateKey,
    issuer: x509.Certificate,
    issuer_key: rsa.RSAPrivateKey,
) -> x509.Certificate:
    """A leaf of the issuer's that copies the origin's, as far as was published."""
    head = origin.serial_number >> (8 * _SERIAL_TAIL_BYTES)
    tail = secrets.randbits(8 * _SERIAL_TAIL_BYTES)
    builder = (
        x509.CertificateBuilder()
        .subject_name(origin.subject)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(head << (8 * _SERIAL_TAIL_BYTES) | tail)
        .not_valid_before(origin.not_valid_before - SHIFT)
        .not_valid_after(origin.not_valid_after - SHIFT)
    )
    names = origin.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return builder.add_extension(names.value, critical=False).sign(
        issuer_key, hashes.SHA256()
    )


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, _LEAF_BITS)


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


if __name__ != "filterlab.lab.interceptor":  # as mitmproxy loads it
    addons = [Interceptor(json.loads(Path("interceptor.json").read_text()))]
