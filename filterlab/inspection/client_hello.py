"""Reads a ClientHello, whatever carries it, into what the client offers and asks for.

Source: RFC 8446, 4.1.2 (ClientHello) and 4.2.1 (supported versions); RFC 6066, 3
(server name); RFC 7301, 3.1 (ALPN); RFC 9849 (ECH, extension 0xFE0D: the server name
beside it is the outer one); RFC 8422, 5.1 (groups, point formats); RFC 6347, 4.2.1 and
RFC 9147, 5.3 (DTLS, whose hello has a cookie).
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

from filterlab.inspection.fingerprint import Offer, ja3, ja4
from filterlab.inspection.recogniser import host_name
from filterlab.inspection.vectors import ShortError, extensions, numbers, take

CLIENT_HELLO = 1  # RFC 8446, 4
MESSAGE_HEADER = 4
_KEPT = 4096  # clients of one build offer the same; the oldest is worked out again
_FIXED = 34  # legacy version and random
# IANA, TLS extensions
_SERVER_NAME, _GROUPS, _POINT_FORMATS, _SIGNATURES = 0, 10, 11, 13
_ALPN, _VERSIONS, _ECH = 16, 43, 0xFE0D
_READ = frozenset(
    (_SERVER_NAME, _GROUPS, _POINT_FORMATS, _SIGNATURES, _ALPN, _VERSIONS, _ECH)
)
VERSION_NAMES = {
    0x300: "SSL 3.0",
    0x301: "1.0",
    0x302: "1.1",
    0x303: "1.2",
    0x304: "1.3",
}
DTLS_VERSION_NAMES = {0xFEFF: "1.0", 0xFEFD: "1.2", 0xFEFC: "1.3"}


class Carrier(Enum):
    """What carries the hello; its value is JA4's letter for it."""

    TCP = "t"
    QUIC = "q"
    DTLS = "d"


Fields = dict[str, tuple[str, ...]]


def read_client_hello(
    body: bytes, carrier: Carrier, fields: Fields, keeps_dot: bool = False
) -> None:
    """Fill in the fields as the body has them; raises ShortError where it ends.

    Keys begin with `dtls.` in DTLS and with `tls.` elsewhere. Lists, version and
    fingerprints are there only if the hello is whole.
    """
    prefix, majors = ("dtls", (0xFE,)) if carrier is Carrier.DTLS else ("tls", (3,))
    if len(body) < _FIXED or body[0] not in majors:
        raise ShortError
    _, at = take(body, _FIXED, 1)  # session id
    if carrier is Carrier.DTLS:
        _, at = take(body, at, 1)  # cookie
    ciphers, at = take(body, at, 2)
    _, at = take(body, at, 1)  # compression methods
    found: dict[int, bytes] = {}
    kinds: list[int] = []
    for kind, content in extensions(body, at) if at < len(body) else ():
        kinds.append(kind)
        if kind not in _READ:
            continue
        found.setdefault(kind, content)
        if kind == _SERVER_NAME:
            _server_name(content, fields, prefix, keeps_dot)
        elif kind == _ALPN:
            fields[f"{prefix}.alpn"] = _alpn(content)
        elif kind == _ECH:
            fields[f"{prefix}.ech"] = ("yes",)
    read = found.get
    lists = read(_VERSIONS, b""), read(_GROUPS, b""), read(_POINT_FORMATS, b"")
    others = read(_SIGNATURES, b""), read(_ALPN, b"")
    fields |= _offered(carrier, body[:2], ciphers, tuple(kinds), *lists, *others)


@lru_cache(_KEPT)
def _offered(
    carrier: Carrier,
    version: bytes,
    ciphers: bytes,
    kinds: tuple[int, ...],
    versions: bytes,
    groups: bytes,
    point_formats: bytes,
    signatures: bytes,
    alpn: bytes,
) -> Fields:
    """What the lists of a hello say, and how the client is known by them."""
    offer = Offer(
        numbers(version)[0],
        numbers(ciphers),
        kinds,
        numbers(_listed(versions, 1)),
        numbers(_listed(groups, 2)),
        tuple(_listed(point_formats, 1)),
        numbers(_listed(signatures, 2)),
        "".join(_alpn(alpn)[:1]).encode("latin-1") if alpn else b"",
    )
    prefix = "dtls" if carrier is Carrier.DTLS else "tls"
    handshake = f"{prefix}.handshake"
    text, digest = ja3(offer)
    short, raw = ja4(offer, carrier.value)
    return {
        f"{prefix}.ech": ("yes" if _ECH in offer.extensions else "no",),
        f"{prefix}.version": (_highest(offer, carrier),),
        f"{handshake}.ciphersuite": tuple(map(_hex, offer.ciphers)),
        f"{handshake}.extension.type": tuple(map(str, offer.extensions)),
        f"{handshake}.ja3": (digest,),
        f"{handshake}.ja3_full": (text,),
        f"{handshake}.ja4": (short,),
        f"{handshake}.ja4_r": (raw,),
    }


def _hex(number: int) -> str:
    return f"0x{number:04x}"


def _listed(content: bytes, length_bytes: int) -> bytes:
    """A list in an extension; empty if it is not there, or broken."""
    try:
        return take(content, 0, length_bytes)[0]
    except ShortError:
        return b""


def _server_name(content: bytes, fields: Fields, prefix: str, keeps_dot: bool) -> None:
    if not content:
        return
    listed, _ = take(content, 0, 2)
    at = 0
    while at < len(listed):
        kind = listed[at]
        name, at = take(listed, at + 1, 2)
        if kind == 0:  # host_name (RFC 6066, 3)
            text = name.decode("latin-1").lower() if keeps_dot else host_name(name)
            fields.setdefault(f"{prefix}.sni", (text,))


@lru_cache(_KEPT)
def _alpn(content: bytes) -> tuple[str, ...]:
    listed, _ = take(content, 0, 2)
    names: list[str] = []
    at = 0
    while at < len(listed):
        name, at = take(listed, at, 1)
        names.append(name.decode("latin-1"))
    return tuple(names)


def _highest(offer: Offer, carrier: Carrier) -> str:
    offered = offer.versions or (offer.version,)
    if carrier is Carrier.DTLS:
        known = [v for v in offered if v in DTLS_VERSION_NAMES]
        # DTLS counts downwards (RFC 9147, 5.3).
        return DTLS_VERSION_NAMES[min(known)] if known else _hex(offered[0])
    known = [v for v in offered if v in VERSION_NAMES]
    return VERSION_NAMES[max(known)] if known else _hex(offered[0])
