"""Makes the frames of an hour at an exchange: TLS, DNS, HTTP, QUIC and bulk, mixed.

TLS sessions are made by Python's own TLS and QUIC's hellos by aioquic, so that a
recogniser has to read what real libraries send; other bodies are noise of a fitting
size. There are as many flows and frames as asked for: downloads fill up what is left.
Checksums are right. The same seed gives the same traffic, but for the keys in hellos.
"""

from __future__ import annotations

import random
import ssl
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from filterlab.bench.sessions import tls_session
from filterlab.captures.frames import ETHERNET
from filterlab.inspection.checksum import checksum, pseudo_header
from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.packet import ACK, FIN, PSH, SYN

NANOSECOND_PCAP = 0xA1B23C4D  # draft-ietf-opsawg-pcap, 4
_MACS = bytes.fromhex("020000000002 020000000001") + b"\x08\x00"
_SEGMENT = 1460  # of TCP in 1,500 bytes of IPv4
_RATE = 1e6  # frames a second, in the capture's own time
_HELLOS = 64  # different ones; there are more flows than that

Frames = Iterator[bytes]


class Ends:
    """Two ends of a flow, and the packets that they send each other."""

    def __init__(self, client: int, port: int, server: int, server_port: int) -> None:
        self.up = (
            client.to_bytes(4, "big"),
            port,
            server.to_bytes(4, "big"),
            server_port,
        )
        self._seq = [1_000, 5_000]  # of the client, of the server

    def syn(self) -> Frames:
        """A handshake."""
        yield self.tcp(b"", True, SYN)
        yield self.tcp(b"", False, SYN | ACK)
        yield self.tcp(b"", True, ACK)

    def say(self, data: bytes, up: bool) -> Frames:
        """Data in segments, and an acknowledgement of every other."""
        for number, at in enumerate(range(0, len(data), _SEGMENT)):
            yield self.tcp(data[at : at + _SEGMENT], up, PSH | ACK)
            if number % 2:
                yield self.tcp(b"", not up, ACK)

    def tcp(self, data: bytes, up: bool, flags: int) -> bytes:
        """The next segment of one end."""
        mine, other = (0, 1) if up else (1, 0)
        ack = self._seq[other] if flags & ACK else 0
        src, sport, dst, dport = self._direction(up)
        head = struct.pack(
            "!HHIIBBHHH", sport, dport, self._seq[mine], ack, 0x50, flags, 64_240, 0, 0
        )
        self._seq[mine] += len(data) + bool(flags & (SYN | FIN))
        return _frame(src, dst, TCP, head + data, 16)

    def sent(self, up: bool) -> int:
        """The sequence number that one end comes to next."""
        return self._seq[0 if up else 1]

    def tcp_at(self, seq: int, data: bytes, up: bool) -> bytes:
        """A segment of one end out of turn."""
        mine = 0 if up else 1
        kept, self._seq[mine] = self._seq[mine], seq
        frame = self.tcp(data, up, PSH | ACK)
        self._seq[mine] = kept
        return frame

    def udp(self, data: bytes, up: bool) -> bytes:
        """A datagram of one end."""
        src, sport, dst, dport = self._direction(up)
        head = struct.pack("!HHHH", sport, dport, 8 + len(data), 0)
        return _frame(src, dst, UDP, head + data, 6)

    def _direction(self, up: bool) -> tuple[bytes, int, bytes, int]:
        client, port, server, server_port = self.up
        return self.up if up else (server, server_port, client, port)


def _frame(src: bytes, dst: bytes, protocol: int, segment: bytes, at: int) -> bytes:
    """An Ethernet frame with the segment's checksum put in its place."""
    total = checksum(pseudo_header(src, dst, protocol, len(segment)) + segment)
    segment = segment[:at] + total.to_bytes(2, "big") + segment[at + 2 :]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, protocol, 0)
    right = checksum(head + src + dst).to_bytes(2, "big")
    return _MACS + head[:10] + right + src + dst + segment


def tls_hello(name: str) -> bytes:
    """The ClientHello that Python's TLS says."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake that is done before it has begun")


def quic_hello(name: str) -> list[bytes]:
    """The datagrams with which aioquic opens a connection."""
    setting = QuicConfiguration(alpn_protocols=["h3"], server_name=name)
    client = QuicConnection(configuration=setting)
    client.connect(("198.18.0.5", 443), now=0.0)
    return [data for data, _ in client.datagrams_to_send(now=0.0)]


def dns_query(name: str, number: int) -> bytes:
    """A query for an A record (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split("."))
    head = struct.pack("!HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0)
    return head + labels + b"\0\0\1\0\1"


class Traffic:
    """Flows of all kinds, by their share."""

    def __init__(self, flows: int, frames: int, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._count = flows
        self._frames = frames
        names = [f"www{number}.site.example" for number in range(_HELLOS)]
        self._names = names
        self._tls_hellos = [tls_hello(name) for name in names]
        self._sessions = [
            tls_session(name, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(6_000))
            for name in names
        ]
        self._quic_hellos = [quic_hello(name) for name in names]

    def mixed(self) -> list[bytes]:
        """All frames, those of different flows shuffled into each other."""
        kinds = [self._tls] * 40 + [self._dns] * 28 + [self._http] * 14
        kinds += [self._quic] * 14 + [self._download] * 4
        chosen = [kinds[n % len(kinds)] for n in range(self._count)]
        said = {
            number: list(self._flow(kind, number))
            for number, kind in enumerate(chosen)
            if kind != self._download
        }
        left = self._frames - sum(map(len, said.values()))
        bulk = [number for number in range(self._count) if number not in said]
        for nth, number in enumerate(bulk):
            size = max(0, left) // len(bulk) + (nth < max(0, left) % len(bulk))
            said[number] = list(islice(self._flow(self._download, number), size))
        return self._shuffled([iter(said[number]) for number in range(self._count)])

    def bulk(self) -> list[bytes]:
        """Downloads alone: each says who it is, and then goes on."""
        each = self._frames // self._count
        running: list[Frames] = [
            islice(self._flow(self._download, n), each) for n in range(self._count)
        ]
        return self._shuffled(running)

    def _flow(self, kind: Callable[[Ends, int], Frames], number: int) -> Frames:
        client = 0x64400000 + number % 60_000  # 100.64.0.0/10
        server = 0xC6120000 + number * 7 % 4_000  # 198.18.0.0/15
        port = 10_000 + number % 50_000
        ports: dict[Callable[[Ends, int], Frames], int]
        ports = {self._tls: 443, self._dns: 53, self._http: 80, self._quic: 443}
        return kind(Ends(client, port, server, ports.get(kind, 8443)), number)

    def _shuffled(self, running: Sequence[Frames]) -> list[bytes]:
        """Some flows at a time, a few frames each, until there are enough."""
        found: list[bytes] = []
        waiting = list(running[::-1])
        at_once: list[Frames] = []
        while (waiting or at_once) and len(found) < self._frames:
            while waiting and len(at_once) < 200:
                at_once.append(waiting.pop())
            chosen = self._random.randrange(len(at_once))
            some = list(islice(at_once[chosen], 4))
            found += some
            if len(some) < 4:
                at_once[chosen] = at_once[-1]
                at_once.pop()
        return found[: self._frames]

    def _noise(self, size: int) -> bytes:
        return self._random.randbytes(size)

    def _tls(self, ends: Ends, number: int) -> Frames:
        said = self._sessions[number % len(self._sessions)]
        return chain(ends.syn(), *(ends.say(data, up) for up, data in said))

    def _dns(self, ends: Ends, number: int) -> Frames:
        query = dns_query(self._names[number % _HELLOS], number)
        answer = query[:2] + b"\x81\x80\0\1\0\1" + query[8:]
        answer += bytes.fromhex("c00c00010001 0000003c0004 c6120005")
        return iter((ends.udp(query, True), ends.udp(answer, False)))

    def _http(self, ends: Ends, number: int) -> Frames:
        name = self._names[number % _HELLOS]
        said = f"GET /{number} HTTP/1.1\r\nHost: {name}\r\nAccept: */*\r\n\r\n".encode()
        body = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + self._noise(9_000)
        return chain(ends.syn(), ends.say(said, True), ends.say(body, False))

    def _quic(self, ends: Ends, number: int) -> Frames:
        for datagram in self._quic_hellos[number % len(self._quic_hellos)]:
            yield ends.udp(datagram, True)
        for _ in range(24):
            up = self._random.random() < 0.2
            yield ends.udp(b"\x40" + self._noise(60 if up else 1_200), up)

    def _download(self, ends: Ends, number: int) -> Frames:
        """As long as somebody asks."""
        yield from ends.syn()
        yield from ends.say(self._tls_hellos[number % len(self._tls_hellos)], True)
        piece = b"\x17\x03\x03\x40\x00" + self._noise(_SEGMENT * 2 - 5)
        while True:
            yield from ends.say(piece, False)


def write_pcap(path: Path, frames: Sequence[bytes]) -> None:
    """The frames as a capture with times of nanoseconds."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHIIII", NANOSECOND_PCAP, 2, 4, 0, 0, 0, ETHERNET))
        for number, frame in enumerate(frames):
            seconds, rest = divmod(int(number / _RATE * 1e9), 1_000_000_000)
            size = len(frame)
            file.write(struct.pack("<IIII", 1_700_000_000 + seconds, rest, size, size))
            file.write(frame)
