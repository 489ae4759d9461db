"""Recognises Telegram's MTProto over TCP: plain transports and the obfuscated one.

A plain transport begins with a tag (0xef abridged, 0xeeeeeeee intermediate, 0xdddddddd
padded intermediate), and goes on with lengths and messages. A message begins with the
8 bytes of an authorisation key's id: zero before there is a key (then it must be a
request for one, with the length that it says), otherwise the same in both directions.

The obfuscated transport begins with 64 bytes of which 8-39 are an AES-256-CTR key and
40-55 its counter; decrypted with that, bytes 56-59 are one of the tags. A proxy with a
secret mixes the secret into the key: that cannot be told from random bytes.

Source: core.telegram.org/mtproto/mtproto-transports (abridged, intermediate, padded
intermediate, transport obfuscation); mtproto/auth_key (req_pq_multi).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from filterlab.inspection.flow import TCP
from filterlab.inspection.opening import Opening
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

_ABRIDGED, _INTERMEDIATE, _PADDED = b"\xef", b"\xee" * 4, b"\xdd" * 4
_TAGS = {b"\xef" * 4: "abridged", _INTERMEDIATE: "intermediate", _PADDED: "padded"}
# What the obfuscated transport never begins with (transport obfuscation)
_NEVER = (b"HEAD", b"POST", b"GET ", b"OPTI", b"\x16\x03\x01\x02")
_INIT, _KEY_AT, _COUNTER_AT, _TAG_AT, _TAG_END = 64, 8, 40, 56, 60
_LONG = 0x7F  # abridged: three bytes of length follow
_KEY_ID = 8
# Key id, message id and length, then req_pq or req_pq_multi, little-endian.
_BODY_AT = 20
_KEY_REQUESTS = (bytes.fromhex("78974660"), bytes.fromhex("f18e7ebe"))
_MOST_MESSAGE = 1 << 24  # no message has 16 MiB
_NEEDED = 32


def obfuscated_tag(init: bytes) -> str | None:
    """The transport that 64 bytes name once they are decrypted with themselves."""
    if init.startswith(_NEVER):
        return None
    key, counter = init[_KEY_AT:_COUNTER_AT], init[_COUNTER_AT:_TAG_AT]
    decryptor = Cipher(AES(key), CTR(counter)).decryptor()
    clear = decryptor.update(init[:_INIT])
    return _TAGS.get(clear[_TAG_AT:_TAG_END])


class Mtproto:
    """Finds the client's first bytes, and for a plain transport what they carry."""

    name: ClassVar[str] = "mtproto"
    protocols: ClassVar[frozenset[str]] = frozenset(("mtproto",))
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = 2 * _INIT
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {TCP: Opening()}
    source: ClassVar[str] = "core.telegram.org/mtproto/mtproto-transports"
    false_positives: ClassVar[str] = (
        "3 in 2^32 random flows as obfuscated, 1 in 2^64 as plain; misses proxies with "
        "a secret and the full transport"
    )

    __slots__ = ("_client", "_plain", "_server")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._client = bytearray()
        self._server = bytearray()
        self._plain = True

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        if direction is Direction.TO_CLIENT:
            if not self._client:
                return NOT_MINE
            self._server += data[: _NEEDED - len(self._server)]
        else:
            self._client += data[: _INIT - len(self._client)]
        if self._plain and isinstance(said := self._read_plain(), Finding):
            return said
        if len(self._client) == _INIT:
            tag = obfuscated_tag(bytes(self._client))
            if tag is not None:
                return _found("obfuscated", tag)
            if not self._plain:
                return NOT_MINE
        elif self._server and not self._plain:
            return NOT_MINE  # answered before the 64 bytes were there
        return NEED_DATA

    def conclude(self) -> Finding | Answer:
        """What has not been said by now is not there."""
        return NOT_MINE

    def _read_plain(self) -> Finding | Answer:
        opened = _open(bytes(self._client))
        if opened is NEED_DATA:
            return NEED_DATA
        if not isinstance(opened, tuple):
            self._plain = False
            return NOT_MINE
        transport, at, length = opened
        message = self._client[at:]
        if len(message) < _KEY_ID:
            return NEED_DATA
        key_id = message[:_KEY_ID]
        if key_id == bytes(_KEY_ID):
            return self._key_request(transport, message, length)
        return self._same_key(transport, bytes(key_id))

    def _key_request(
        self, transport: str, message: bytearray, length: int
    ) -> Finding | Answer:
        if len(message) < _BODY_AT + 4:
            return NEED_DATA
        body = int.from_bytes(message[_BODY_AT - 4 : _BODY_AT], "little")
        padding = length - _BODY_AT - body
        asks = bytes(message[_BODY_AT : _BODY_AT + 4]) in _KEY_REQUESTS
        if asks and 0 <= padding < 16:
            return _found(transport, transport)
        self._plain = False
        return NOT_MINE

    def _same_key(self, transport: str, key_id: bytes) -> Finding | Answer:
        """Whether the server's first message has the client's key id."""
        length_bytes = 4 if transport != "abridged" else 1
        if self._server and transport == "abridged" and self._server[0] == _LONG:
            length_bytes = 4
        answer = self._server[length_bytes : length_bytes + _KEY_ID]
        if len(answer) < _KEY_ID:
            return NEED_DATA
        if bytes(answer) == key_id:
            return _found(transport, transport)
        self._plain = False
        return NOT_MINE


def _found(transport: str, inner: str) -> Finding:
    fields = {"mtproto.transport": (transport,), "mtproto.framing": (inner,)}
    return Finding("mtproto", fields)


def _open(client: bytes) -> tuple[str, int, int] | Answer:
    """Transport, where the first message begins, and its length."""
    if client[:1] == _ABRIDGED:
        if len(client) < 2 or (client[1] == _LONG and len(client) < 5):
            return NEED_DATA
        if client[1] == _LONG:
            return "abridged", 5, 4 * int.from_bytes(client[2:5], "little")
        return ("abridged", 2, 4 * client[1]) if client[1] < _LONG else NOT_MINE
    for tag, name in ((_INTERMEDIATE, "intermediate"), (_PADDED, "padded")):
        if not tag.startswith(client[:4]) and client[:4] != tag:
            continue
        if len(client) < 8:
            return NEED_DATA
        length = int.from_bytes(client[4:8], "little")
        return (name, 8, length) if _KEY_ID <= length < _MOST_MESSAGE else NOT_MINE
    return NOT_MINE
