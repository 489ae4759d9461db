"""The keys that a rule's `when` may use, each with its kind and its Wireshark name.

Packet fields are known from the first frame of a flow. Findings come from a
recogniser, and are unknown until it has spoken.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a field's values are written and compared."""

    NAME = "host name"
    NETWORK = "address or network"
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Field:
    """One key of `when`: what it means, how it compares, and who finds it."""

    key: str
    wireshark: str
    kind: Kind
    recogniser: str | None  # None: read from the packet's own headers
    meaning: str
    choices: tuple[str, ...] = ()
    most: int | None = None  # the largest number that makes sense
    other_names: tuple[str, ...] = ()


_ALL = (
    Field("ip.version", "ip.version", Kind.NUMBER, None, "4 or 6", most=6),
    Field("ip.src", "ip.src, ipv6.src", Kind.NETWORK, None, "the client's address"),
    Field("ip.dst", "ip.dst, ipv6.dst", Kind.NETWORK, None, "the server's address"),
    Field("ip.addr", "ip.addr, ipv6.addr", Kind.NETWORK, None, "either address"),
    Field(
        "ip.proto",
        "ip.proto, ipv6.nxt",
        Kind.TEXT,
        None,
        "the protocol above IP",
        choices=("tcp", "udp", "icmp", "icmpv6", "esp", "gre"),
    ),
    Field("tcp.dstport", "tcp.dstport", Kind.NUMBER, None, "server port", most=65535),
    Field("udp.dstport", "udp.dstport", Kind.NUMBER, None, "server port", most=65535),
    Field(
        "port",
        "tcp.dstport, udp.dstport",
        Kind.NUMBER,
        None,
        "server port, TCP or UDP",
        most=65535,
    ),
    Field(
        "protocol",
        "_ws.col.protocol",
        Kind.TEXT,
        "",
        "what the flow is, as the recognisers say",
    ),
    Field("dns.qry.name", "dns.qry.name", Kind.NAME, "dns", "the name asked for"),
    Field("dns.qry.type", "dns.qry.type", Kind.TEXT, "dns", "A, AAAA, HTTPS, ..."),
    Field("http.host", "http.host", Kind.NAME, "http", "the Host header, without port"),
    Field(
        "http.request.method",
        "http.request.method",
        Kind.TEXT,
        "http",
        "GET, POST, CONNECT, ...",
    ),
    Field(
        "http.request.uri",
        "http.request.uri",
        Kind.TEXT,
        "http",
        "the request's target",
    ),
    Field(
        "tls.sni",
        "tls.handshake.extensions_server_name",
        Kind.NAME,
        "tls",
        "the server name in the ClientHello",
        other_names=("tls.handshake.extensions_server_name",),
    ),
    Field(
        "tls.alpn",
        "tls.handshake.extensions_alpn_str",
        Kind.TEXT,
        "tls",
        "an offered application protocol",
        other_names=("tls.handshake.extensions_alpn_str",),
    ),
    Field(
        "tls.version",
        "tls.handshake.version",
        Kind.TEXT,
        "tls",
        "the highest version offered: 1.0 to 1.3",
    ),
    Field(
        "tls.ech",
        "tls.handshake.extension.type == 65037",
        Kind.TEXT,
        "tls",
        "yes if Encrypted ClientHello is offered",
        choices=("yes", "no"),
    ),
)

FIELDS: dict[str, Field] = {field.key: field for field in _ALL} | {
    name: field for field in _ALL for name in field.other_names
}
