"""Bytes as they stand on the wire, for tests: made without the code under test."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # scapy asks cryptography for retired ciphers
    from scapy.layers.dns import DNS, DNSQR
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
    from scapy.layers.l2 import Dot1Q, Ether

__all__ = [
    "DNS",
    "DNSQR",
    "ICMP",
    "IP",
    "TCP",
    "UDP",
    "Dot1Q",
    "Ether",
    "IPv6",
    "IPv6ExtHdrFragment",
]

INSIDE_MAC, OUTSIDE_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
# Without its addresses scapy would ask the machine's own network for them, by ARP.
ETHER = Ether(src=INSIDE_MAC, dst=OUTSIDE_MAC)
CLIENT, SERVER = "100.64.0.2", "198.18.0.5"
CLIENT6, SERVER6 = "2001:db8:100::2", "2001:db8:200::5"


def sized(length_bytes: int, content: bytes) -> bytes:
    """A vector with its length before it (RFC 8446, 3.4)."""
    return len(content).to_bytes(length_bytes, "big") + content


def extension(kind: int, content: bytes) -> bytes:
    """One TLS extension."""
    return kind.to_bytes(2, "big") + sized(2, content)


def server_name(name: bytes) -> bytes:
    """The server_name extension (RFC 6066, 3)."""
    return extension(0, sized(2, b"\0" + sized(2, name)))


def hello_message(*extensions: bytes, version: bytes = b"\x03\x03") -> bytes:
    """A ClientHello handshake message."""
    body = version + bytes(range(32)) + sized(1, b"") + sized(2, b"\x13\x01")
    body += sized(1, b"\0")
    if extensions:
        body += sized(2, b"".join(extensions))
    return b"\x01" + sized(3, body)


def record(content: bytes) -> bytes:
    """A TLS handshake record."""
    return b"\x16\x03\x01" + sized(2, content)


def hello(name: bytes = b"blocked.example") -> bytes:
    """A ClientHello in one record, as a TLS 1.3 client sends it."""
    alpn = extension(16, sized(2, sized(1, b"h2") + sized(1, b"http/1.1")))
    versions = extension(43, sized(1, b"\x3a\x3a\x03\x04\x03\x03"))
    return record(hello_message(server_name(name), alpn, versions))


def hello_in_records(size: int, name: bytes = b"blocked.example") -> bytes:
    """The same ClientHello spread over records of `size` bytes."""
    message = hello(name)[5:]
    pieces = (message[i : i + size] for i in range(0, len(message), size))
    return b"".join(record(piece) for piece in pieces)


def query(name: str = "blocked.example", kind: int = 1) -> bytes:
    """A DNS query with an EDNS record, as stub resolvers send it."""
    labels = b"".join(sized(1, part.encode()) for part in name.split("."))
    question = labels + b"\0" + kind.to_bytes(2, "big") + b"\0\1"
    edns = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
    return b"\x12\x34\x01\x20\0\1\0\0\0\0\0\1" + question + edns


def request(host: str = "blocked.example", path: str = "/") -> bytes:
    """An HTTP/1.1 request."""
    lines = f"GET {path} HTTP/1.1\r\nUser-Agent: test\r\nHost: {host}\r\n\r\n"
    return lines.encode()


class Talk:
    """Frames of one connection, from either end, with sequence numbers kept."""

    def __init__(
        self, port: int = 40_000, server_port: int = 443, six: bool = False
    ) -> None:
        self.port, self.server_port, self.six = port, server_port, six
        self.seq, self.ack = 1000, 5000

    def syn(self) -> bytes:
        """The client's SYN."""
        return self.tcp(b"", "S", self.seq - 1, 0)

    def syn_ack(self) -> bytes:
        """The server's SYN+ACK."""
        return self.tcp(b"", "SA", self.ack - 1, self.seq, up=False)

    def send(self, data: bytes) -> bytes:
        """The client's next data."""
        frame = self.tcp(data, "PA", self.seq, self.ack)
        self.seq += len(data)
        return frame

    def reply(self, data: bytes) -> bytes:
        """The server's next data."""
        frame = self.tcp(data, "PA", self.ack, self.seq, up=False)
        self.ack += len(data)
        return frame

    def tcp(
        self, data: bytes, flags: str, seq: int, ack: int, up: bool = True, **more: int
    ) -> bytes:
        """Any segment."""
        ports = (self.port, self.server_port) if up else (self.server_port, self.port)
        layer = TCP(
            sport=ports[0],
            dport=ports[1],
            flags=flags,
            seq=seq % 2**32,
            ack=ack % 2**32,
            **more,
        )
        return framed(layer / data, up, self.six)

    def udp(self, data: bytes, up: bool = True) -> bytes:
        """Any datagram."""
        ports = (self.port, self.server_port) if up else (self.server_port, self.port)
        return framed(UDP(sport=ports[0], dport=ports[1]) / data, up, self.six)


def framed(layer: object, up: bool = True, six: bool = False) -> bytes:
    """An Ethernet frame with this above IP."""
    macs = (INSIDE_MAC, OUTSIDE_MAC) if up else (OUTSIDE_MAC, INSIDE_MAC)
    ends = (CLIENT6, SERVER6) if six else (CLIENT, SERVER)
    src, dst = ends if up else ends[::-1]
    ip = IPv6(src=src, dst=dst) if six else IP(src=src, dst=dst)
    return bytes(Ether(src=macs[0], dst=macs[1]) / ip / layer)
