"""The list of proxies that the messenger sends its clients when they are cut off.

It is a `help.configSimple`: rules for the prefixes of telephone numbers, each with
addresses, ports and secrets. Length and rules, padded to 208 bytes, and the beginning
of their SHA-256 go under AES-256-CBC; the key before them, all of it goes through the
private half of an RSA key of 2048 bits, and 256 bytes come out, in base64. Whoever has
the client has the public half: the list is authentic, but no secret.

Source: telegramdesktop/tdesktop, mtproto/special_config_request.cpp
(decryptSimpleConfig, and the rules of prefixes), and the schema there, with bare
vectors: help.configSimple, accessPointRule, ipPortSecret.
"""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from filterlab.mtproto.message import read_string, string
from filterlab.mtproto.proxy import Address

_CONFIG, _RULE = 0x5A592A6C, 0x4679B65F  # help.configSimple, accessPointRule
_PLAIN, _WITH_SECRET = 0xD433AD73, 0x37982646  # ipPort, ipPortSecret
_BLOCK_BYTES, _EXPONENT = 256, 65_537
_KEY, _VECTOR_AT, _DATA, _DIGEST = 32, 16, 208, 16
_DATA_CENTRE = 2  # any of Telegram's five
_LASTS_SECONDS = 86_400  # the lab's: a list is for today


@dataclass(frozen=True, slots=True)
class Way:
    """Where a proxy is, and its secret as users get it; without one, the service."""

    address: Address
    secret: str = ""

    def __str__(self) -> str:
        host, port = self.address
        return f"{host}:{port}" + (f"={self.secret}" if self.secret else "")


@dataclass(frozen=True, slots=True)
class Rule:
    """Ways for the numbers that these prefixes mean, such as `+375,-37599`."""

    prefixes: str
    ways: tuple[Way, ...]

    def means(self, phone: str) -> bool:
        """Whether a number is meant: a `-` that fits outweighs every `+`.

        An empty prefix means everybody.
        """
        digits = "".join(filter(str.isdecimal, phone))
        fitting = [
            prefix[:1]
            for prefix in self.prefixes.split(",")
            if digits.startswith(prefix[1:])
        ]
        return bool(fitting) and "-" not in fitting


def read_way(text: str) -> Way:
    """ADDRESS:PORT, or ADDRESS:PORT=SECRET; raises ValueError."""
    place, _, secret = text.partition("=")
    host, _, port = place.rpartition(":")
    return Way((str(IPv4Address(host)), int(port)), secret)


def make_keys(private: Path, public: Path) -> None:
    """Write both halves of a new RSA key."""
    key = rsa.generate_private_key(_EXPONENT, 8 * _BLOCK_BYTES)
    private.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


def seal(rules: Iterable[Rule], now: int, private: Path) -> str:
    """The list as it is handed out; raises ValueError if it does not go in."""
    config = _config(list(rules), now)
    plain = struct.pack("<i", 4 + len(config)) + config
    if len(plain) > _DATA:
        raise ValueError(f"a list of {len(plain)} bytes, {_DATA} at most")
    plain = plain.ljust(_DATA, b"\0")
    plain += sha256(plain).digest()[:_DIGEST]
    # The first byte is zero, so that the number is below any modulus.
    key = b"\0" + os.urandom(_KEY - 1)
    encryptor = Cipher(AES(key), CBC(key[_VECTOR_AT:])).encryptor()
    number = int.from_bytes(key + encryptor.update(plain))
    loaded = load_pem_private_key(private.read_bytes(), None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    numbers = loaded.private_numbers()
    sealed = pow(number, numbers.d, numbers.public_numbers.n)
    return base64.b64encode(sealed.to_bytes(_BLOCK_BYTES)).decode()


def unseal(text: str, now: int, public: Path) -> list[Rule]:
    """The rules in a list; raises ValueError for an old one, or somebody else's."""
    block = base64.b64decode(text.strip(), validate=True)
    if len(block) != _BLOCK_BYTES:
        raise ValueError(f"a list of {len(block)} bytes")
    loaded = load_pem_public_key(public.read_bytes())
    assert isinstance(loaded, rsa.RSAPublicKey)
    numbers = loaded.public_numbers()
    opened = pow(int.from_bytes(block), numbers.e, numbers.n).to_bytes(_BLOCK_BYTES)
    key, sealed = opened[:_KEY], opened[_KEY:]
    plain = Cipher(AES(key), CBC(key[_VECTOR_AT:])).decryptor().update(sealed)
    data, digest = plain[:_DATA], plain[_DATA:]
    if sha256(data).digest()[:_DIGEST] != digest:
        raise ValueError("a list of somebody else's, or one that was changed")
    (length,) = struct.unpack_from("<i", data)
    expires, rules = _read_config(data[4:length])
    if expires < now:
        raise ValueError("a list that is no longer valid")
    return rules


def _config(rules: list[Rule], now: int) -> bytes:
    head = struct.pack("<Iiii", _CONFIG, now, now + _LASTS_SECONDS, len(rules))
    return head + b"".join(_rule(rule) for rule in rules)


def _rule(rule: Rule) -> bytes:
    whole = struct.pack("<I", _RULE) + string(rule.prefixes.encode())
    whole += struct.pack("<ii", _DATA_CENTRE, len(rule.ways))
    for way in rule.ways:
        host, port = way.address
        kind = _WITH_SECRET if way.secret else _PLAIN
        whole += struct.pack("<IIi", kind, int(IPv4Address(host)), port)
        whole += string(bytes.fromhex(way.secret)) if way.secret else b""
    return whole


def _read_config(data: bytes) -> tuple[int, list[Rule]]:
    reader = _Reader(data)
    reader.expect(_CONFIG)
    reader.number()  # when it was made
    expires = reader.number()
    return expires, [reader.rule() for _ in range(reader.number())]


class _Reader:
    """Reads one value after the other; the digest has said that they are sound."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self) -> int:
        self._at += 4
        return int.from_bytes(self._data[self._at - 4 : self._at], "little")

    def expect(self, *constructors: int) -> int:
        found = self.number()
        if found not in constructors:
            raise ValueError(f"a list with {found:#010x} in it")
        return found

    def text(self) -> bytes:
        value = read_string(self._data[self._at :])
        self._at += len(string(value))
        return value

    def rule(self) -> Rule:
        self.expect(_RULE)
        prefixes = self.text().decode()
        self.number()  # the data centre: the lab has one
        return Rule(prefixes, tuple(self._way() for _ in range(self.number())))

    def _way(self) -> Way:
        kind = self.expect(_PLAIN, _WITH_SECRET)
        address = str(IPv4Address(self.number())), self.number()
        return Way(address, self.text().hex() if kind == _WITH_SECRET else "")
