"""Turns what a hello offers into the fingerprints that lists of clients go by.

Source: JA3 and JA3S as their authors publish them (salesforce/ja3, README: decimal
numbers, joined, MD5); JA4 (FoxIO-LLC/ja4, technical_details/JA4.md). The values are
those of Wireshark's `tls.handshake.ja3`, `ja3s` and `ja4`. MD5 is a name here, and
protects nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import md5, sha256

from filterlab.inspection.vectors import without_grease

_KEPT = 4096  # servers' choices; the oldest is worked out again
_SERVER_NAME, _ALPN = 0, 16  # IANA, TLS extensions: not in JA4's list of extensions
_MOST_COUNTED = 99  # JA4.md: two digits
_NOTHING = "000000000000"  # JA4.md: the hash of an empty list
_JA4_VERSIONS = {
    0x0002: "s2",
    0x0300: "s3",
    0x0301: "10",
    0x0302: "11",
    0x0303: "12",
    0x0304: "13",
    0xFEFF: "d1",
    0xFEFD: "d2",
    0xFEFC: "d3",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What fingerprints are made of; every list as sent, GREASE included."""

    version: int  # the legacy field, and JA3's version
    ciphers: tuple[int, ...] = ()
    extensions: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    point_formats: tuple[int, ...] = ()
    signature_algorithms: tuple[int, ...] = ()
    first_alpn: bytes = b""


def ja3(offer: Offer) -> tuple[str, str]:
    """JA3 of a ClientHello: the text, and its MD5."""
    lists = (
        without_grease(offer.ciphers),
        without_grease(offer.extensions),
        without_grease(offer.groups),
        offer.point_formats,
    )
    return _ja3_of(offer.version, *lists)


@lru_cache(_KEPT)
def ja3s(version: int, cipher: int, extensions: tuple[int, ...]) -> tuple[str, str]:
    """JA3S of a ServerHello: the text, and its MD5."""
    return _ja3_of(version, (cipher,), extensions)


def _ja3_of(version: int, *lists: tuple[int, ...]) -> tuple[str, str]:
    text = ",".join([str(version), *("-".join(map(str, one)) for one in lists)])
    return text, md5(text.encode(), usedforsecurity=False).hexdigest()


def ja4(offer: Offer, carrier: str) -> tuple[str, str]:
    """JA4 of a ClientHello in TCP (`t`), QUIC (`q`) or DTLS (`d`): hash, then raw."""
    ciphers = sorted(f"{number:04x}" for number in without_grease(offer.ciphers))
    offered = without_grease(offer.extensions)
    hashed = sorted(f"{e:04x}" for e in offered if e not in (_SERVER_NAME, _ALPN))
    signatures = [f"{s:04x}" for s in without_grease(offer.signature_algorithms)]
    versions = [v for v in offer.versions if v in _JA4_VERSIONS]
    # DTLS counts downwards (RFC 9147, 5.3): the lowest number is the newest.
    best = min if carrier == "d" else max
    version = best(versions) if versions else offer.version
    start = (
        f"{carrier}{_JA4_VERSIONS.get(version, '00')}"
        f"{'d' if _SERVER_NAME in offered else 'i'}"
        f"{min(len(ciphers), _MOST_COUNTED):02}{min(len(offered), _MOST_COUNTED):02}"
        f"{_alpn_ends(offer.first_alpn)}"
    )
    cipher_text = ",".join(ciphers)
    other_text = ",".join(hashed)
    if signatures:
        other_text += "_" + ",".join(signatures)
    short = f"{start}_{_short_hash(cipher_text)}"
    short += f"_{_short_hash(other_text) if hashed else _NOTHING}"
    return short, f"{start}_{cipher_text}_{other_text}"


def _alpn_ends(name: bytes) -> str:
    if not name:
        return "00"
    first, last = name[:1], name[-1:]
    if first.isalnum() and last.isalnum():
        return (first + last).decode("ascii")
    written = name.hex()
    return written[0] + written[-1]


def _short_hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12] if text else _NOTHING
