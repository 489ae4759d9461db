"""Takes the protection off a client's QUIC Initial packets, as anyone on the path can.

Source: RFC 9000, 16 (variable-length integers), 17.2 (long headers) and 19 (frames);
RFC 9001, 5.2 to 5.4 (Initial keys from the client's first destination connection id,
AES-GCM, header protection by AES-ECB); RFC 9369, 3 (version 2: other salt, labels and
packet types); draft-ietf-quic-tls-22, -23 and -29, 5.2, and -33 (the drafts' salts).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB

LONG_FORM, FIXED_BIT = 0x80, 0x40  # RFC 9000, 17.2
CID_MOST = 20  # RFC 9000, 17.2
_KEYS_KEPT = 4096  # connections whose keys need not be worked out again
_TAG, _SAMPLE, _NUMBER_MOST = 16, 16, 4  # RFC 9001, 5.3 and 5.4.2; RFC 9000, 17.1
_DRAFT = 0xFF000000  # RFC 9000, 15 reserves 0xff0000xx for drafts
_PADDING, _PING, _ACK, _ACK_ECN, _CRYPTO = 0, 1, 2, 3, 6  # RFC 9000, 19


@dataclass(frozen=True, slots=True)
class Version:
    """What one version of QUIC does in its own way."""

    name: str
    salt: bytes
    labels: bytes = b"tls13 quic "
    initial: int = 0  # the long header's type of an Initial


def _drafts(first: int, last: int, salt: str) -> dict[int, Version]:
    known = bytes.fromhex(salt)
    drafts = range(first, last + 1)
    return {_DRAFT | n: Version(f"draft-{n}", known) for n in drafts}


_SALT = "38762cf7f55934b34d179ae6a4c80cadccbb7f0a"  # RFC 9001, 5.2
_SALT_OF_V2 = "0dede3def700a6db819381be6e269dcbf9bd2ed9"  # RFC 9369, 3.3.1
VERSIONS: dict[int, Version] = {
    1: Version("1", bytes.fromhex(_SALT)),
    0x6B3343CF: Version("2", bytes.fromhex(_SALT_OF_V2), b"tls13 quicv2 ", 1),
    **_drafts(22, 22, "7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a"),
    **_drafts(23, 28, "c3eef712c72ebb5a11a7d2432bb46365bef9f502"),
    **_drafts(29, 32, "afbfec289993d24c9e9786f19c6111e04390a899"),
    **_drafts(33, 34, _SALT),
}


@dataclass(frozen=True, slots=True)
class Keys:
    """What protects a client's Initials of one connection."""

    key: bytes
    iv: bytes
    hp: bytes
    aead: AESGCM
    mask: CipherContext


@lru_cache(_KEYS_KEPT)
def client_keys(version: int, dcid: bytes) -> Keys:
    """The keys of RFC 9001, 5.2 for a version of VERSIONS."""
    how = VERSIONS[version]
    initial = hmac.digest(how.salt, dcid, "sha256")
    secret = _expand(initial, b"tls13 client in", 32)
    key = _expand(secret, how.labels + b"key", 16)
    hp = _expand(secret, how.labels + b"hp", 16)
    iv = _expand(secret, how.labels + b"iv", 12)
    # In ECB, as header protection uses it, one context serves every sample.
    return Keys(key, iv, hp, AESGCM(key), Cipher(AES(hp), ECB()).encryptor())


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446, 7.1) of at most one block."""
    info = size.to_bytes(2, "big") + bytes((len(label),)) + label + b"\0\1"
    return hmac.digest(secret, info, "sha256")[:size]


@dataclass(frozen=True, slots=True)
class LongHeader:
    """The invariant part of a long header (RFC 8999, 5.1), and where it ends."""

    first: int
    version: int
    dcid: bytes
    scid: bytes
    end: int


def long_header(data: bytes, at: int = 0) -> LongHeader | None:
    """The long header that begins here; None if there is none."""
    if at + 7 > len(data) or not data[at] & LONG_FORM:
        return None
    dcid_at = at + 6
    dcid_end = dcid_at + data[at + 5]
    if dcid_end >= len(data):
        return None
    scid_end = dcid_end + 1 + data[dcid_end]
    if scid_end > len(data):
        return None
    return LongHeader(
        data[at],
        int.from_bytes(data[at + 1 : at + 5], "big"),
        data[dcid_at:dcid_end],
        data[dcid_end + 1 : scid_end],
        scid_end,
    )


@dataclass(frozen=True, slots=True)
class Initial:
    """A protected Initial within a datagram."""

    header: LongHeader
    start: int
    number_at: int
    end: int


def initials(datagram: bytes, cut: bool = False) -> Iterator[Initial]:
    """Every Initial of a datagram, which may hold several packets (RFC 9000, 12.2).

    With `cut` the last one may end later than the datagram does.
    """
    at = 0
    while (header := long_header(datagram, at)) is not None:
        how = VERSIONS.get(header.version)
        if how is None or not header.first & FIXED_BIT:
            return
        if max(len(header.dcid), len(header.scid)) > CID_MOST:
            return
        kind = header.first >> 4 & 3
        number_at = header.end
        if kind == (how.initial + 3) % 4:
            return  # a Retry has no length (RFC 9000, 17.2.5); it stands alone
        if kind == how.initial:
            token, number_at = _varint(datagram, number_at)
            number_at += token
        length, number_at = _varint(datagram, number_at)
        end = number_at + length
        if end > len(datagram) and not cut:
            return
        if kind == how.initial:
            yield Initial(header, at, number_at, end)
        at = end


def unprotect(
    datagram: bytes, initial: Initial, keys: Keys, checks_tag: bool = True
) -> bytes | None:
    """The frames of an Initial; None if these keys are not its own.

    Without looking at the tag there is no telling: wrong keys make something of it too.
    """
    at, sample_at = initial.number_at, initial.number_at + _NUMBER_MOST
    sample = datagram[sample_at : sample_at + _SAMPLE]
    if sample_at + _SAMPLE > min(initial.end, len(datagram)):
        return None
    mask = keys.mask.update(sample)
    first = datagram[initial.start] ^ (mask[0] & 0x0F)
    size = (first & 3) + 1
    masked = int.from_bytes(datagram[at : at + size], "big")
    number = masked ^ int.from_bytes(mask[1 : 1 + size], "big")
    header = bytearray(datagram[initial.start : at + size])
    header[0] = first
    header[-size:] = number.to_bytes(size, "big")
    # The first packets of a connection have numbers that are not cut (RFC 9000, A.3).
    nonce = (int.from_bytes(keys.iv, "big") ^ number).to_bytes(len(keys.iv), "big")
    sealed = datagram[at + size : initial.end]
    if not checks_tag:
        text = sealed[: initial.end - at - size - _TAG]
        # AES-GCM's first block of text has the counter 2 (NIST SP 800-38D, 7.1).
        return Cipher(AES(keys.key), CTR(nonce + b"\0\0\0\2")).encryptor().update(text)
    try:
        return keys.aead.decrypt(nonce, sealed, bytes(header))
    except InvalidTag:
        return None


def crypto_frames(
    frames: bytes, fills_empty: bool = False
) -> Iterator[tuple[int, bytes]]:
    """Offset and content of every CRYPTO frame, up to the first broken frame.

    With `fills_empty` one that says it is empty holds all the rest.
    """
    at, size = 0, len(frames)
    while at < size:
        kind = frames[at]
        at += 1
        if kind == _PADDING:
            at = size - len(frames[at:].lstrip(b"\0"))
        elif kind in (_ACK, _ACK_ECN):
            at = _after_ack(frames, at, kind)
        elif kind == _CRYPTO:
            offset, at = _varint(frames, at)
            length, at = _varint(frames, at)
            if at + length > size:
                return
            if fills_empty and not length:
                length = size - at
            yield offset, frames[at : at + length]
            at += length
        elif kind != _PING:
            return  # CONNECTION_CLOSE, or what an Initial never holds (12.4)


def _after_ack(frames: bytes, at: int, kind: int) -> int:
    _, at = _varint(frames, at)  # largest acknowledged
    _, at = _varint(frames, at)  # delay
    ranges, at = _varint(frames, at)
    numbers = 1 + 2 * ranges + (3 if kind == _ACK_ECN else 0)
    while numbers and at < len(frames):
        _, at = _varint(frames, at)
        numbers -= 1
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of RFC 9000, 16, and where it ends; past the end of data if cut."""
    if at >= len(data):
        return 0, at + 1
    size = 1 << (data[at] >> 6)
    number = int.from_bytes(data[at : at + size], "big")
    return number & (1 << size * 8 - 2) - 1, at + size
