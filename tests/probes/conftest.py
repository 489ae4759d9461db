"""Servers on loopback for the probes to meet: honest, broken, silent and hostile."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[[socket.socket], None]
PAGE = b"<html><title>The  News</title>\n" + b"x" * 2000 + b"</html>"


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def ca_file(self) -> str:
        return str(self.folder / "ca.pem")

    def issue(self, *names: str, days: int = 1) -> tuple[str, str]:
        """Paths of a certificate for `names` and its key; expired if `days` < 0."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        signed = (
            _builder(names[0], self.certificate.subject, key, days)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        stem = self.folder / f"{names[0]}{days}"
        certificate, private = stem.with_suffix(".crt"), stem.with_suffix(".key")
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(_pem(key))
        return str(certificate), str(private)

    def context(self, *names: str, days: int = 1, alpn: str = "") -> ssl.SSLContext:
        """A server's TLS context with a certificate for `names`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(*names, days=days))
        if alpn:
            context.set_alpn_protocols([alpn])
        return context


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _builder(
    name: str, issuer: x509.Name | None, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def make_authority(folder: Path) -> Authority:
    """A new authority whose certificate is `ca.pem` in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(f"Authority {folder.name}", None, key, 9)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    return Authority(folder, key, certificate)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that probes trust."""
    return make_authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that they do not."""
    return make_authority(tmp_path_factory.mktemp("stranger"))


class Servers:
    """Threads that serve at one address until the test is over."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.over = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def tcp(self, handler: Handler, backlog: int = 16) -> int:
        """Serve each connection by `handler` in a thread; the port."""
        listener = socket.create_server((self.address, 0), backlog=backlog)
        self._sockets.append(listener)
        self._start(lambda: self._accept(listener, handler))
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket, handler: Handler) -> None:
        while not self.over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._start(lambda c=connection: self._serve(c, handler))  # type: ignore[misc]

    def _serve(self, connection: socket.socket, handler: Handler) -> None:
        connection.settimeout(10)
        with connection, suppress(OSError):
            handler(connection)

    def tls(self, context: ssl.SSLContext, handler: Handler) -> int:
        """The same behind TLS."""

        def secure(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as tls:
                handler(tls)

        return self.tcp(secure)

    def udp(self, answer: Callable[[bytes], list[bytes]], port: int = 0) -> int:
        """Answer each datagram; the port."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((self.address, port))
        self._sockets.append(sock)
        self._start(lambda: self._answer(sock, answer))
        return int(sock.getsockname()[1])

    def _answer(
        self, sock: socket.socket, answer: Callable[[bytes], list[bytes]]
    ) -> None:
        while not self.over.is_set():
            data, peer = sock.recvfrom(65_535)
            if self.over.is_set():
                return
            for reply in answer(data):
                sock.sendto(reply, peer)

    def full(self) -> int:
        """A port whose queue is full: it answers no SYN."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._sockets.append(listener)
        port = int(listener.getsockname()[1])
        for _ in range(2):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            self._sockets.append(client)
        return port

    def silent(self, connection: socket.socket) -> None:
        """A handler that never says anything."""
        self.over.wait(10)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        self.over.set()
        for sock in self._sockets:
            if sock.type == socket.SOCK_DGRAM:
                sock.sendto(b"", sock.getsockname())
            else:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for sock in self._sockets:
            sock.close()


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Where a test starts its servers."""
    servers = Servers()
    yield servers
    servers.close()


def reset(connection: socket.socket) -> None:
    """Answer the first bytes with a reset."""
    connection.recv(1)
    now = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)


def hang_up(connection: socket.socket) -> None:
    """Read what is there, then close in order."""
    connection.recv(65_535)


def web(response: bytes) -> Handler:
    """Answer one HTTP/1.1 request with these bytes."""

    def answer(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65_535)
            if not data:
                return
            head += data
        connection.sendall(response)

    return answer


def response(body: bytes = PAGE, status: str = "200 OK", extra: str = "") -> bytes:
    """An HTTP/1.1 response."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def answer_dns(addresses: list[str], rcode: str = "NOERROR") -> Callable[..., bytes]:
    """Answers A and AAAA from a list."""

    def answer(wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.from_text(rcode))
        question = query.question[0]
        version = 4 if question.rdtype == dns.rdatatype.A else 6
        fitting = [a for a in addresses if ipaddress.ip_address(a).version == version]
        if fitting:
            kind = "A" if version == 4 else "AAAA"
            reply.answer.append(
                dns.rrset.from_text(question.name, 60, "IN", kind, *fitting)
            )
        return reply.to_wire()

    return answer


@dataclass(frozen=True)
class Kit:
    """The pieces above, for tests to take from one fixture."""

    reset: Handler
    hang_up: Handler
    web: Callable[[bytes], Handler]
    response: Callable[..., bytes]
    answer_dns: Callable[..., Callable[..., bytes]]
    page: bytes


@pytest.fixture(scope="session")
def kit() -> Kit:
    """What servers do."""
    return Kit(reset, hang_up, web, response, answer_dns, PAGE)
