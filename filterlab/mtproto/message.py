"""Encrypts MTProto 2.0's messages, and writes the few calls that the lab knows.

A message is the id of a key that client and service share, a message key, and the rest
under AES-256 in IGE mode. The key comes of a login long ago; here both are given it.

Source: core.telegram.org/mtproto/description (MTProto 2.0, "Defining AES Key and
Initialization Vector"); mtproto/serialize for strings; mtproto/service_messages for
rpc_result and rpc_error; method/messages.getWebPage.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from hashlib import sha1, sha256, shake_256

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

_GET_WEB_PAGE, _RPC_RESULT, _RPC_ERROR = 0x8D9692A3, 0xF35C6D01, 0x2144CA19
_KEY_BYTES, _BLOCK = 256, 16
_KEY_ID, _MESSAGE_KEY, _ENVELOPE = 8, 16, 24
_LEAST_PADDING = 12
_HEADER = 32  # salt, session, message id, sequence number, length
_SHORT = 254  # from here on a string's length takes three bytes more
_FROM_CLIENT, _FROM_SERVER = 0, 8  # where in the key each side's material begins


@dataclass(frozen=True, slots=True)
class Session:
    """One side of a client's session with the service, under the key they share."""

    auth_key: bytes
    is_client: bool
    session_id: bytes

    def seal(self, body: bytes) -> bytes:
        """A message as it goes into a frame."""
        message_id = int(time.time()) << 32 | int.from_bytes(os.urandom(4)) & ~3
        header = os.urandom(8) + self.session_id + message_id.to_bytes(8, "little")
        plain = header + (1).to_bytes(4, "little") + len(body).to_bytes(4, "little")
        plain += body
        plain += os.urandom(_LEAST_PADDING + -(len(plain) + _LEAST_PADDING) % _BLOCK)
        at = _FROM_CLIENT if self.is_client else _FROM_SERVER
        key = self._message_key(plain, at)
        return key_id(self.auth_key) + key + self._ige(key, at, plain, encrypts=True)

    def open(self, message: bytes) -> tuple[bytes, bytes]:
        """Session id and body of a message of the other side.

        Raises ValueError for a message under another key, or one that was changed.
        """
        at = _FROM_SERVER if self.is_client else _FROM_CLIENT
        sealed = message[_ENVELOPE:]
        if message[:_KEY_ID] != key_id(self.auth_key) or len(sealed) % _BLOCK:
            raise ValueError("a message under another key")
        key = message[_KEY_ID:_ENVELOPE]
        plain = self._ige(key, at, sealed, encrypts=False)
        if len(plain) < _HEADER or key != self._message_key(plain, at):
            raise ValueError("a message that was changed")
        length = int.from_bytes(plain[_HEADER - 4 : _HEADER], "little")
        return plain[8:16], plain[_HEADER : _HEADER + length]

    def _message_key(self, plain: bytes, at: int) -> bytes:
        return sha256(self.auth_key[88 + at : 120 + at] + plain).digest()[8:24]

    def _ige(self, key: bytes, at: int, data: bytes, *, encrypts: bool) -> bytes:
        one = sha256(key + self.auth_key[at : at + 36]).digest()
        two = sha256(self.auth_key[40 + at : 76 + at] + key).digest()
        cipher = Cipher(AES(one[:8] + two[8:24] + one[24:]), ECB())
        vector = two[:8] + one[8:24] + two[24:]
        update = (cipher.encryptor() if encrypts else cipher.decryptor()).update
        # Each block is mixed with the one before it, before it is enciphered in what
        # came out then, and after it in what went in.
        out_before = int.from_bytes(vector[:_BLOCK])
        in_before = int.from_bytes(vector[_BLOCK:])
        if not encrypts:
            out_before, in_before = in_before, out_before
        blocks = []
        for start in range(0, len(data), _BLOCK):
            block = int.from_bytes(data[start : start + _BLOCK])
            mixed = update((block ^ out_before).to_bytes(_BLOCK))
            out_before = int.from_bytes(mixed) ^ in_before
            in_before = block
            blocks.append(out_before.to_bytes(_BLOCK))
        return b"".join(blocks)


def key_of(seed: str) -> bytes:
    """The key of a login, drawn from a seed in hexadecimal."""
    return shake_256(bytes.fromhex(seed)).digest(_KEY_BYTES)


def key_id(auth_key: bytes) -> bytes:
    """What names a key in the clear: the last bytes of its SHA-1."""
    return sha1(auth_key).digest()[-_KEY_ID:]


def web_page_call(url: str) -> bytes:
    """The call that asks the service for a web page (its "instant view")."""
    return _word(_GET_WEB_PAGE) + string(url.encode()) + _word(0)


def read_call(body: bytes) -> str:
    """The URL that a call asks for; raises ValueError for any other call."""
    if body[:4] != _word(_GET_WEB_PAGE):
        raise ValueError("a call that this service does not know")
    return read_string(body[4:]).decode()


def result(page: bytes) -> bytes:
    """The answer to a call."""
    return _word(_RPC_RESULT) + bytes(8) + string(page)


def refusal(code: int, why: str) -> bytes:
    """An error as the answer to a call."""
    error = _word(_RPC_ERROR) + _word(code) + string(why.encode())
    return _word(_RPC_RESULT) + bytes(8) + error


def read_result(body: bytes) -> bytes:
    """The page in an answer; raises ValueError with the service's error."""
    if body[:4] != _word(_RPC_RESULT):
        raise ValueError("an answer that this client does not know")
    if body[12:16] == _word(_RPC_ERROR):
        raise ValueError(read_string(body[20:]).decode(errors="replace"))
    return read_string(body[12:])


def _word(value: int) -> bytes:
    return value.to_bytes(4, "little")


def string(data: bytes) -> bytes:
    if len(data) < _SHORT:
        whole = bytes([len(data)]) + data
    else:
        whole = bytes([_SHORT]) + len(data).to_bytes(3, "little") + data
    return whole + bytes(-len(whole) % 4)


def read_string(data: bytes) -> bytes:
    if data[:1] != bytes([_SHORT]):
        return data[1 : 1 + data[0]] if data else b""
    length = int.from_bytes(data[1:4], "little")
    return data[4 : 4 + length]
