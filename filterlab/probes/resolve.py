"""The DNS step: asks for A and AAAA at once, and believes the first answer to each.

That is what a stub resolver does, and why an injected answer that wins the race is
believed. Over UDP (RFC 1035), TCP (RFC 7766), TLS (RFC 7858) or HTTPS (RFC 8484).
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import dns.message
import dns.rdatatype

# dnspython imports these when it meets the first record of the kind. Named here, they
# are ready before probes are forked, and no probe's clock runs meanwhile.
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.OPT
import dns.rdtypes.ANY.SOA
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
from dns.exception import DNSException

from filterlab.probes.channel import Channel, seconds_until
from filterlab.probes.connect import (
    is_address,
    new_socket,
    open_by_proxy,
    open_tcp,
)
from filterlab.probes.failure import DnsError, ProtocolError
from filterlab.probes.fetch import Ask, Body
from filterlab.probes.http2 import Http2
from filterlab.probes.request import Family, HttpProxy, ProbeRequest, Socks
from filterlab.probes.secure import shake_hands
from filterlab.probes.trace import OpenStep, Trace

_RESOLV_CONF = Path("/etc/resolv.conf")
_PORTS = {"udp": 53, "tcp": 53, "tls": 853, "https": 443}
_MOST_MESSAGE_BYTES = 65_535
# RFC 8305, section 3: how long one family's answer waits for the other's.
_RESOLUTION_DELAY_SECONDS = 0.05
_DNS_MESSAGE = "application/dns-message"


class NoResolverError(LookupError):
    """The client has no resolver: a fault of the lab, not of the network."""


@dataclass(frozen=True, slots=True)
class Server:
    """A resolver: how it is spoken to, where, and the name that it must prove."""

    scheme: str  # udp, tcp, tls, https
    host: str
    port: int
    name: str
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Server:
        """The resolver that a text like `tls://198.18.0.53#dns.example` names."""
        parts = urlsplit(text)
        host = parts.hostname or ""
        port = parts.port or _PORTS[parts.scheme]
        return cls(parts.scheme, host, port, parts.fragment or host, parts.path or "/")


def resolve(
    name: str, request: ProbeRequest, step: OpenStep, trace: Trace
) -> list[str]:
    """The addresses of `name`, IPv4 first; raises what failed.

    `step.detail` gets the resolver, and what each record type was answered.
    """
    server = Server.parse(request.resolver or f"udp://{_first_nameserver()}")
    step.detail["resolver"] = f"{server.scheme}://{server.host}:{server.port}"
    queries = _queries(name, request.family)
    answers = _Answers(queries, step)
    if server.scheme == "udp" and not isinstance(request.via, Socks | HttpProxy):
        _ask_by_udp(server, request, answers, trace)
    else:
        _ask_by_stream(server, request, answers, trace)
    return answers.addresses()


def _first_nameserver() -> str:
    for line in _RESOLV_CONF.read_text().splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            address = words[1]
            return f"[{address}]" if ":" in address else address
    raise NoResolverError(f"{_RESOLV_CONF} names no server")


def _queries(name: str, family: Family) -> list[dns.message.QueryMessage]:
    kinds = {"4": ["A"], "6": ["AAAA"], "any": ["A", "AAAA"]}[family]
    return [dns.message.make_query(name, kind) for kind in kinds]


class _Answers:
    """What has been answered so far, the first answer to each query counting."""

    def __init__(
        self, queries: Sequence[dns.message.QueryMessage], step: OpenStep
    ) -> None:
        self.open = list(queries)
        self.step = step
        self._found: list[str] = []
        self._rcodes: list[int] = []

    def take(self, wire: bytes) -> None:
        """Take a message; one that answers no open query is passed over."""
        message = dns.message.from_wire(wire)
        for query in self.open:
            if query.is_response(message):
                self.open.remove(query)
                self._note(query, message)
                return

    def _note(self, query: dns.message.Message, message: dns.message.Message) -> None:
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        found = [
            item.address
            for rrset in message.answer
            if rrset.rdtype == query.question[0].rdtype
            for item in rrset
        ]
        self.step.detail[kind] = found or f"rcode {message.rcode()}"
        self._found += found
        self._rcodes.append(int(message.rcode()))

    @property
    def until(self) -> float:
        """When to stop waiting: soon, once there are addresses."""
        if not self._found:
            return self.step.until
        return min(self.step.until, time.monotonic() + _RESOLUTION_DELAY_SECONDS)

    def addresses(self) -> list[str]:
        """All addresses; if there is none, the reason is raised."""
        if self._found:
            return self._found
        if self.open:
            raise TimeoutError("no answer from the resolver")
        raise DnsError(max(self._rcodes))


def _ask_by_udp(
    server: Server, request: ProbeRequest, answers: _Answers, trace: Trace
) -> None:
    with new_socket(server.host, socket.SOCK_DGRAM, request.via) as sock:
        sock.connect((server.host, server.port))
        source = sock.getsockname()
        trace.note("udp", source[0], source[1], server.host, server.port)
        # A stub asks again when a datagram may have been lost; half of the step's
        # time leaves room for the second answer.
        again = time.monotonic() + seconds_until(answers.step.until) / 2
        for query in answers.open:
            sock.send(query.to_wire())
        while answers.open:
            until = min(answers.until, again)
            if select.select([sock], [], [], max(0.0, until - time.monotonic()))[0]:
                _take_datagram(sock.recv(_MOST_MESSAGE_BYTES), answers)
            elif until == again:
                again = answers.step.until + 1.0  # once is enough
                for query in answers.open:
                    sock.send(query.to_wire())
            else:
                return


def _take_datagram(wire: bytes, answers: _Answers) -> None:
    try:
        answers.take(wire)
    except DNSException as error:
        # A stub keeps listening after a datagram that makes no sense.
        answers.step.detail["malformed"] = str(error)


def _ask_by_stream(
    server: Server, request: ProbeRequest, answers: _Answers, trace: Trace
) -> None:
    channel = _connect(server, request, answers.step, trace)
    try:
        if server.scheme in ("tls", "https"):
            answers.step.detail["stage"] = "tls"
            alpn = "dot" if server.scheme == "tls" else "h2"  # IANA's ALPN registry
            channel = shake_hands(
                channel, server.name, (alpn,), request.ca_file, answers.step
            )
        answers.step.detail["stage"] = "query"
        if server.scheme == "https":
            _ask_by_https(channel, server, answers)
        else:
            _ask_by_lengths(channel, answers)
    finally:
        channel.close()


def _connect(
    server: Server, request: ProbeRequest, step: OpenStep, trace: Trace
) -> Channel:
    step.detail["stage"] = "tcp"
    via = request.via
    if isinstance(via, Socks | HttpProxy):
        return open_by_proxy(via, server.host, server.port, step, trace)
    addresses = [server.host]
    if not is_address(server.host):
        addresses = _bootstrap(server.host, request, step, trace)
    return open_tcp(addresses, server.port, via, step, trace)


def _bootstrap(
    name: str, request: ProbeRequest, step: OpenStep, trace: Trace
) -> list[str]:
    """The addresses of the resolver itself, by the client's ordinary resolver."""
    step.detail["stage"] = "bootstrap"
    first = Server.parse(f"udp://{_first_nameserver()}")
    inner = OpenStep(step.until)
    answers = _Answers(_queries(name, request.family), inner)
    _ask_by_udp(first, request, answers, trace)
    step.detail["stage"] = "tcp"
    return answers.addresses()


def _ask_by_lengths(channel: Channel, answers: _Answers) -> None:
    # In one segment: the second of two small writes would wait for the server's
    # delayed acknowledgement of the first.
    wires = [query.to_wire() for query in answers.open]
    channel.send(b"".join(len(wire).to_bytes(2, "big") + wire for wire in wires))
    while answers.open:
        length = int.from_bytes(channel.receive_exactly(2), "big")
        answers.take(channel.receive_exactly(length))


def _ask_by_https(channel: Channel, server: Server, answers: _Answers) -> None:
    if answers.step.detail["alpn"] != "h2":
        raise ProtocolError("the DoH server does not speak HTTP/2 (RFC 8484, 5.2)")
    authority = server.name if server.port == 443 else f"{server.name}:{server.port}"
    exchange = Http2(channel)
    for query in list(answers.open):
        ask = Ask("https", authority, server.path, query.to_wire(), _DNS_MESSAGE)
        head = exchange.ask(ask)
        if head.status != 200:
            raise ProtocolError(f"the DoH server answered {head.status}")
        body = Body(_MOST_MESSAGE_BYTES)
        exchange.read_into(body)
        answers.take(body.start)
