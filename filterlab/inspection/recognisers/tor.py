"""Recognises Tor's TLS by its made-up server name and by what it does not offer.

Tor's client asks for www.<4 to 25 characters of base 32>.com and offers no ALPN, which
every browser does. Whether the middle is made up is weighed letter by letter: how
likely is it in random base 32, how likely in a host name. (Relays answer with a
certificate for www.<8 to 20 characters>.net, which TLS 1.3 hides.)

Source: Tor, src/lib/tls/tortls_openssl.c (tor_tls_new) and tortls.c
(tor_tls_context_init), `crypto_random_hostname`; base 32 of RFC 4648, 6. The share of
vowels in English, 38 %, is Lewand's (Cryptological Mathematics, 2000); that of digits
in host names, 2 %, is an estimate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import log
from typing import ClassVar

from filterlab.inspection.flow import TCP
from filterlab.inspection.opening import Opening
from filterlab.inspection.recogniser import (
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.recognisers.tls import HELLO, Tls

_NAME = re.compile(r"www\.([a-z2-7]{4,25})\.com")
_DIGITS, _VOWELS = frozenset("234567"), frozenset("aeiou")
# How much likelier in random base 32 (32 characters) than in a host name.
_DIGIT = log(6 / 32 / 0.02)
_VOWEL = log(5 / 32 / (0.98 * 0.38))
_CONSONANT = log(21 / 32 / (0.98 * 0.62))
_SURE = log(20)  # twenty to one


def looks_made_up(label: str) -> bool:
    """Whether a label is much likelier to be random base 32 than somebody's name."""
    weight = sum(
        _DIGIT if c in _DIGITS else _VOWEL if c in _VOWELS else _CONSONANT
        for c in label
    )
    return weight >= _SURE


class Tor:
    """Finds the ClientHello of a Tor client that uses no pluggable transport."""

    name: ClassVar[str] = "tor"
    protocols: ClassVar[frozenset[str]] = frozenset(("tor",))
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = Tls.byte_limit
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {TCP: Opening(HELLO)}
    source: ClassVar[str] = "Tor, tortls.c: crypto_random_hostname(4, 25, www., .com)"
    false_positives: ClassVar[str] = (
        "programs without ALPN that ask for www.<digits and consonants>.com; of Tor's "
        "own names it misses four in ten: short ones, and those that read like words"
    )

    __slots__ = ("_tls",)

    def __init__(self, transport: int, reading: Reading) -> None:
        self._tls = Tls(transport, reading)

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        return _judge(self._tls.feed(direction, data))

    def conclude(self) -> Finding | Answer:
        """What a hello that is not whole says."""
        return _judge(self._tls.conclude())


def _judge(said: Finding | Answer) -> Finding | Answer:
    if not isinstance(said, Finding):
        return said
    names = said.fields.get("tls.sni", ())
    found = _NAME.fullmatch(names[0]) if names else None
    # Without the version the hello was cut off, and an ALPN may have followed.
    if found is None or said.fields.get("tls.alpn") or "tls.version" not in said.fields:
        return NOT_MINE
    return Finding("tor", {}) if looks_made_up(found[1]) else NOT_MINE
