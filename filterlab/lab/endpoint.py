"""Where a service listens, and whether it answers there: asked from its own host.

The question goes from the service's own network namespace to the service's own
address, so it crosses no link and no exchange: a dead server is told from a blocked
one. It speaks each protocol's first words, because a stopped server's sockets still
accept connections.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filterlab.lab.namespace import enter_network

# On its own host a server answers in milliseconds; longer only on a machine that is
# so busy that the run means nothing either.
ANSWER_SECONDS = 2.0

_QUESTION = struct.pack("!6H", 0x4C42, 0, 1, 0, 0, 0) + b"\0" + struct.pack("!2H", 1, 1)
# A version that nobody speaks (RFC 9000 section 15: 0x?a?a?a?a) makes every QUIC
# server answer with the versions that it does speak (section 6); the datagram must be
# as long as a client's first (section 14.1).
_QUIC_HELLO = (
    b"\xc0\x1a\x2a\x3a\x4a" + b"\x08" + b"filterla" + b"\x08" + b"bfilterl"
).ljust(1200, b"\0")


@dataclass(frozen=True, slots=True)
class Socket:
    """A port of a service: what is spoken there, over "tcp" or "udp"."""

    speaks: str
    transport: str
    port: int


def answers(
    node_pid: int, sockets: list[tuple[Socket, str]], name: str, ca_file: Path
) -> bool:
    """Whether every socket (with its address) of a node answers, asked in that node."""
    verdict: list[bool] = []

    def ask() -> None:
        enter_network(node_pid)
        verdict.append(
            all(_answers(one, address, name, ca_file) for one, address in sockets)
        )

    # Namespaces belong to threads: this one moves, and ends there.
    thread = threading.Thread(target=ask, name=f"health of {name}")
    thread.start()
    thread.join()
    return verdict == [True]


def _answers(one: Socket, address: str, name: str, ca_file: Path) -> bool:
    try:
        return _QUESTIONS[one.speaks, one.transport](address, one.port, name, ca_file)
    except OSError:  # refused, timed out, reset, or TLS that fails
        return False


def _http(address: str, port: int, name: str, _: Path) -> bool:
    with socket.create_connection((address, port), ANSWER_SECONDS) as channel:
        channel.sendall(f"HEAD / HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
        return channel.recv(64).startswith(b"HTTP/")


def _tls(address: str, port: int, name: str, ca_file: Path) -> bool:
    context = ssl.create_default_context(cafile=str(ca_file))
    with (
        socket.create_connection((address, port), ANSWER_SECONDS) as channel,
        context.wrap_socket(channel, server_hostname=name),
    ):
        return True


def _datagram(address: str, port: int, data: bytes) -> bytes:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as channel:
        channel.settimeout(ANSWER_SECONDS)
        channel.connect((address, port))
        channel.send(data)
        return channel.recv(2048)


def _dns_udp(address: str, port: int, _: str, __: Path) -> bool:
    return _datagram(address, port, _QUESTION)[:2] == _QUESTION[:2]


def _dns_tcp(address: str, port: int, _: str, __: Path) -> bool:
    with socket.create_connection((address, port), ANSWER_SECONDS) as channel:
        channel.sendall(struct.pack("!H", len(_QUESTION)) + _QUESTION)
        return len(channel.recv(64)) > 0


def _quic(address: str, port: int, _: str, __: Path) -> bool:
    return _datagram(address, port, _QUIC_HELLO)[1:5] == bytes(4)


def _accepts(address: str, port: int, _: str, __: Path) -> bool:
    with socket.create_connection((address, port), ANSWER_SECONDS):
        return True


def _smtp(address: str, port: int, _: str, __: Path) -> bool:
    with socket.create_connection((address, port), ANSWER_SECONDS) as channel:
        return channel.recv(64).startswith(b"220 ")


_QUESTIONS: dict[tuple[str, str], Callable[[str, int, str, Path], bool]] = {
    ("http", "tcp"): _http,
    ("https", "tcp"): _tls,
    ("h3", "udp"): _quic,
    ("dns", "udp"): _dns_udp,
    ("dns", "tcp"): _dns_tcp,
    ("dot", "tcp"): _tls,
    ("doh", "tcp"): _tls,
    ("iperf", "tcp"): _accepts,
    ("interceptor", "tcp"): _accepts,
    ("smtp", "tcp"): _smtp,
    ("smtps", "tcp"): _tls,
}
