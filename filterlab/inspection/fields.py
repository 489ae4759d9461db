"""The keys that a rule's `when` may use, each with its kind and its Wireshark name.

Packet fields are known from the first frame of a flow. Findings come from a
recogniser, and are unknown until it has spoken.
"""

from __future__ import annotations

from filterlab.inspection.disguise_fields import DISGUISES
from filterlab.inspection.field import Field, Kind
from filterlab.inspection.found_fields import FOUND

__all__ = ["FIELDS", "Field", "Kind"]

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
        "port.client",
        "tcp.srcport, udp.srcport",
        Kind.TEXT,
        None,
        "the client's port, compared with the server's",
        choices=("higher", "lower", "same"),
    ),
    Field(
        "protocol",
        "_ws.col.protocol",
        Kind.TEXT,
        "",
        "what the flow is, as the recognisers say",
    ),
    Field(
        "client.admitted",
        "none",
        Kind.TEXT,
        None,
        "whether the client had been let in when the flow began",
        choices=("yes", "no"),
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
        "tcp.payload",
        "tcp.payload",
        Kind.TEXT,
        "payload",
        "the bytes of one TCP segment, each as the character of its number",
    ),
)

_EVERY = _ALL + FOUND + DISGUISES
FIELDS: dict[str, Field] = {field.key: field for field in _EVERY} | {
    name: field for field in _EVERY for name in field.other_names
}
