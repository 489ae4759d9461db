"""A handshake that looks like TLS 1.3, and records that look like its data.

The client's hello is a browser's; its random is an HMAC-SHA256 of the whole hello under
the proxy's secret (with the random zero), its last four bytes mixed with the time. The
server answers with a ServerHello, a ChangeCipherSpec and random bytes as data; the
random of that is an HMAC of the client's random and the answer. Then both send records
of data, the client a ChangeCipherSpec first, and neither ever finishes a handshake.

Source: tdlib/td, td/mtproto/TlsInit.cpp and TlsReaderByteFlow.cpp; RFC 8446 and RFC
7685 for what a hello is made of.
"""

from __future__ import annotations

import hmac
import os
import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from filterlab.mtproto.channel import Channel

_HANDSHAKE, _CHANGE, _DATA = 22, 20, 23  # RFC 8446, 5.1
_HELLO_BYTES = 517  # what padding brings hellos to (RFC 7685), header and all
_RANDOM_AT, _RANDOM = 11, 32  # behind two headers and a version
_CHANGED = b"\x14\x03\x03\x00\x01\x01"
_MOST_RECORD = 2_878  # tdlib's own limit
_SKEW_SECONDS = 1_200  # a client's clock may be 20 minutes off
_CERTIFICATE_LEAST, _CERTIFICATE_SPREAD = 1_024, 1_024  # a certificate's usual size


class Records:
    """A connection whose bytes travel as TLS application data."""

    def __init__(self, inner: Channel, first: bytes = b"") -> None:
        self._inner = inner
        self._first = first  # goes out before the first data
        self._buffer = bytearray()

    async def read_exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._buffer += await self._record()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def read_some(self) -> bytes:
        data = bytes(self._buffer) or await self._record()
        self._buffer.clear()
        return data

    async def write(self, data: bytes) -> None:
        pieces = range(0, len(data), _MOST_RECORD)
        records = [_record(_DATA, data[at : at + _MOST_RECORD]) for at in pieces]
        first, self._first = self._first, b""
        await self._inner.write(first + b"".join(records))

    def close(self) -> None:
        self._inner.close()

    async def _record(self) -> bytes:
        while True:
            kind, content = await _read_record(self._inner)
            if kind == _DATA:
                return content
            if kind != _CHANGE:
                raise ValueError(f"a record of type {kind}")


async def connect(inner: Channel, secret: bytes, cover: str) -> Records:
    """Shake hands as the client; raises ValueError if the answer is not the proxy's."""
    hello = client_hello(secret, cover, int(time.time()))
    await inner.write(hello)
    answer = b""
    for expected in (_HANDSHAKE, _CHANGE, _DATA):
        kind, content = await _read_record(inner)
        if kind != expected:
            raise ValueError("TLS handshake failure: the answer is not the proxy's")
        answer += _record(kind, content)
    said = answer[_RANDOM_AT : _RANDOM_AT + _RANDOM]
    known = hello[_RANDOM_AT : _RANDOM_AT + _RANDOM]
    if not hmac.compare_digest(said, _digest(secret, known + _without_random(answer))):
        raise ValueError("TLS handshake failure: the answer is not the proxy's")
    return Records(inner, _CHANGED)


async def accept(inner: Channel, secret: bytes) -> Records:
    """Shake hands as the proxy; raises ValueError for a client without the secret."""
    kind, content = await _read_record(inner)
    hello = _record(kind, content, b"\x03\x01")
    claimed = hello[_RANDOM_AT : _RANDOM_AT + _RANDOM]
    if kind != _HANDSHAKE or len(claimed) < _RANDOM:
        raise ValueError("no ClientHello")
    digest = _digest(secret, _without_random(hello))
    mixed = bytes(a ^ b for a, b in zip(claimed, digest, strict=True))
    when = int.from_bytes(mixed[-4:], "little")
    if any(mixed[:-4]) or abs(when - time.time()) > _SKEW_SECONDS:
        raise ValueError("a ClientHello of somebody without the secret")
    await inner.write(_server_answer(secret, hello, claimed))
    return Records(inner)


def client_hello(secret: bytes, cover: str, now_seconds: int) -> bytes:
    """A browser's hello for a host, whose random proves the secret."""
    body = b"\x03\x03" + bytes(_RANDOM) + b"\x20" + os.urandom(32)
    body += _vector(_GREASE + _SUITES) + b"\x01\x00"
    extensions = b"".join(_extensions(cover.encode("ascii")))
    # Both headers, the body, two lengths, and the padding's own header.
    missing = _HELLO_BYTES - 9 - len(body) - 2 - len(extensions) - 4
    if missing >= 0:
        extensions += _extension(21, bytes(missing))
    hello = _record(_HANDSHAKE, _handshake(1, body + _vector(extensions)), b"\x03\x01")
    digest = bytearray(_digest(secret, hello))
    stamp = now_seconds.to_bytes(4, "little")
    digest[-4:] = bytes(a ^ b for a, b in zip(digest[-4:], stamp, strict=True))
    return hello[:_RANDOM_AT] + digest + hello[_RANDOM_AT + _RANDOM :]


_GREASE = b"\x3a\x3a"  # RFC 8701
# Those of Chrome, by RFC 8446, B.4, 5289 and 7905.
_SUITES = bytes.fromhex("130113021303c02bc02fc02cc030cca9cca8c013c014009c009d002f0035")
_SIGNATURES = bytes.fromhex("04030804040105030805050108060601")


def _extensions(host: bytes) -> list[bytes]:
    """What a browser's hello carries (numbers: IANA, TLS ExtensionType Values)."""
    share = X25519PrivateKey.generate().public_key().public_bytes_raw()
    keys = _GREASE + b"\x00\x01\x00" + b"\x00\x1d" + _vector(share)
    return [
        _extension(0x3A3A, b""),
        _extension(0, _vector(b"\x00" + _vector(host))),
        _extension(23, b""),
        _extension(0xFF01, b"\x00"),
        _extension(10, _vector(_GREASE + b"\x00\x1d\x00\x17\x00\x18")),
        _extension(11, b"\x01\x00"),
        _extension(35, b""),
        _extension(16, _vector(b"\x02h2\x08http/1.1")),
        _extension(5, b"\x01" + bytes(4)),
        _extension(13, _vector(_SIGNATURES)),
        _extension(18, b""),
        _extension(51, _vector(keys)),
        _extension(45, b"\x01\x01"),
        _extension(43, b"\x07" + _GREASE + b"\x03\x04\x03\x03"),
        _extension(27, b"\x02\x00\x02"),
    ]


def _server_answer(secret: bytes, hello: bytes, claimed: bytes) -> bytes:
    session_id = hello[44:76]  # the client's, given back (RFC 8446, 4.1.3)
    share = X25519PrivateKey.generate().public_key().public_bytes_raw()
    body = b"\x03\x03" + bytes(_RANDOM) + b"\x20" + session_id + b"\x13\x01\x00"
    key = _extension(51, b"\x00\x1d" + _vector(share))
    body += _vector(key + _extension(43, b"\x03\x04"))
    size = _CERTIFICATE_LEAST + int.from_bytes(os.urandom(2)) % _CERTIFICATE_SPREAD
    answer = _record(_HANDSHAKE, _handshake(2, body)) + _CHANGED
    answer += _record(_DATA, os.urandom(size))
    digest = _digest(secret, claimed + answer)
    return answer[:_RANDOM_AT] + digest + answer[_RANDOM_AT + _RANDOM :]


def _without_random(records: bytes) -> bytes:
    return records[:_RANDOM_AT] + bytes(_RANDOM) + records[_RANDOM_AT + _RANDOM :]


def _digest(secret: bytes, data: bytes) -> bytes:
    return hmac.digest(secret, data, "sha256")


def _vector(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


def _extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2) + _vector(data)


def _handshake(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3) + body


def _record(kind: int, content: bytes, version: bytes = b"\x03\x03") -> bytes:
    return bytes([kind]) + version + _vector(content)


async def _read_record(inner: Channel) -> tuple[int, bytes]:
    header = await inner.read_exactly(5)
    if header[1] != 3:
        raise ValueError("wrong version number: no TLS record")
    return header[0], await inner.read_exactly(int.from_bytes(header[3:5]))
