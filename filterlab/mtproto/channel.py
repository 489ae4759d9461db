"""Connections as MTProto dresses them: bare, obfuscated, and both within TLS records.

Obfuscation: the first 64 bytes are random but for a tag at 56 to 59 and the number of a
data centre behind it; bytes 8 to 55 are the key and counter of one direction (AES-256
in counter mode), the same bytes backwards those of the other. A proxy's secret is
hashed into the key. From byte 56 on everything is encrypted.

Source: core.telegram.org/mtproto/mtproto-transports, "Transport obfuscation".
"""

from __future__ import annotations

import asyncio
import os
from hashlib import sha256
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from filterlab.mtproto.framing import TAGS

INIT_BYTES = 64
_KEY_AT, _COUNTER_AT, _TAG_AT, _CENTRE_AT, _END = 8, 40, 56, 60, 62
_DATA_CENTRE = 2  # any of Telegram's five
# Openings that a middlebox or a server would take for another protocol.
_TAKEN = (b"HEAD", b"POST", b"GET ", b"OPTI", b"\x16\x03\x01\x02", *TAGS)
_CHUNK = 16_384


class Channel(Protocol):
    """Bytes both ways."""

    async def read_exactly(self, size: int) -> bytes:
        """Exactly so many bytes; raises asyncio.IncompleteReadError at the end."""

    async def read_some(self) -> bytes:
        """What has come, at least a byte; nothing at the end."""

    async def write(self, data: bytes) -> None:
        """Send bytes, waiting while the other side is slow."""

    def close(self) -> None:
        """Hang up."""


class Bare:
    """A TCP connection as it is."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader, self._writer = reader, writer

    async def read_exactly(self, size: int) -> bytes:
        return await self._reader.readexactly(size)

    async def read_some(self) -> bytes:
        return await self._reader.read(_CHUNK)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


class Obfuscated:
    """A connection whose bytes look random."""

    def __init__(
        self, inner: Channel, sending: CipherContext, receiving: CipherContext
    ) -> None:
        self._inner, self._sending, self._receiving = inner, sending, receiving

    async def read_exactly(self, size: int) -> bytes:
        return self._receiving.update(await self._inner.read_exactly(size))

    async def read_some(self) -> bytes:
        return self._receiving.update(await self._inner.read_some())

    async def write(self, data: bytes) -> None:
        await self._inner.write(self._sending.update(data))

    def close(self) -> None:
        self._inner.close()


async def obfuscate(inner: Channel, tag: bytes, secret: bytes) -> Obfuscated:
    """Open an obfuscated connection as its client."""
    init = _new_init(tag)
    sending, receiving = _ciphers(init, secret)
    await inner.write(init[:_TAG_AT] + sending.update(init)[_TAG_AT:])
    return Obfuscated(inner, sending, receiving)


async def accept(
    inner: Channel, secret: bytes, begun: bytes = b""
) -> tuple[bytes, Obfuscated]:
    """Take an obfuscated connection as its server: its tag, and the connection.

    `begun` is what has been read of it. Raises ValueError for another secret.
    """
    init = begun + await inner.read_exactly(INIT_BYTES - len(begun))
    receiving, sending = _ciphers(init, secret)
    tag = receiving.update(init)[_TAG_AT:_CENTRE_AT]
    if tag not in TAGS:
        raise ValueError("no tag: a stranger, or another secret")
    return tag, Obfuscated(inner, sending, receiving)


def _new_init(tag: bytes) -> bytes:
    while True:
        init = bytearray(os.urandom(INIT_BYTES))
        init[_TAG_AT:_CENTRE_AT] = tag
        init[_CENTRE_AT:_END] = _DATA_CENTRE.to_bytes(2, "little")
        taken = init.startswith((b"\xef", *_TAKEN)) or init[4:8] == bytes(4)
        if not taken:
            return bytes(init)


def _ciphers(init: bytes, secret: bytes) -> tuple[CipherContext, CipherContext]:
    """The client's cipher and the server's."""
    client = init[_KEY_AT:_TAG_AT]
    return _cipher(client, secret), _cipher(client[::-1], secret)


def _cipher(material: bytes, secret: bytes) -> CipherContext:
    size = _COUNTER_AT - _KEY_AT
    key, counter = material[:size], material[size:]
    if secret:
        key = sha256(key + secret).digest()
    return Cipher(AES(key), CTR(counter)).encryptor()


async def join(one: Channel, other: Channel) -> None:
    """Pass on what either sends until one hangs up."""
    ways = [_pass_on(one, other), _pass_on(other, one)]
    tasks = [asyncio.create_task(way) for way in ways]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    one.close()
    other.close()


async def _pass_on(source: Channel, target: Channel) -> None:
    while data := await source.read_some():
        await target.write(data)
