"""Recognises BitTorrent: the peers' handshake, uTP below it, and the DHT beside it.

Source: BEP 3 (peer protocol), BEP 29 (uTP, header), BEP 5 (DHT, messages are bencoded
dictionaries). One uTP datagram says little, so that the answer to it is waited for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from struct import Struct
from typing import ClassVar

from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.opening import Opening, spelt
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

_START = b"\x13BitTorrent protocol"  # BEP 3
_HASH_AT, _HASH_BYTES = len(_START) + 8, 20  # eight reserved bytes between
_DHT = re.compile(rb"d1:[adelpqrtuvy]", re.DOTALL)  # a dictionary, first key one letter
_DHT_KIND = re.compile(rb"1:y1:[qre]")  # query, response, error (BEP 5)
_DHT_BODY = re.compile(rb"1:[ar]d2:id20:|1:eli[0-9]{3}e")
_DHT_HASH = re.compile(rb"9:info_hash20:(.{20})", re.DOTALL)
_DHT_QUERY = re.compile(rb"1:q[0-9]{1,2}:([a-z_]{1,20})")
_UTP = Struct("!BBHIIIHH")  # BEP 29: type and version, extension, connection, ...
_SYN, _STATE = 0x41, 0x21  # BEP 29: type 4 and type 2, version 1
_SELECTIVE_ACK = (0, 1, 2)  # extensions in use (BEP 29; 2: libtorrent's close reason)


class BitTorrent:
    """Finds the handshake of a TCP flow; uTP's or a DHT message in a UDP flow."""

    name: ClassVar[str] = "bittorrent"
    protocols: ClassVar[frozenset[str]] = frozenset(("bittorrent", "bt-utp", "bt-dht"))
    transports: ClassVar[frozenset[int]] = frozenset((TCP, UDP))
    byte_limit: ClassVar[int] = 4096
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {
        TCP: Opening(spelt(_START[:4])),
        UDP: Opening((b"dA",), spelt(b"d1:")),
    }
    source: ClassVar[str] = "BEP 3, BEP 5 and BEP 29"
    false_positives: ClassVar[str] = (
        "none known for the handshake and the DHT; uTP needs a datagram that opens and "
        "an answer with its connection number (1 in 10^8 of such pairs)"
    )

    __slots__ = ("_fed", "_held", "_over_tcp", "_syn")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._over_tcp = transport == TCP
        self._held = b""
        self._syn: tuple[int, int] | None = None  # connection and sequence numbers
        self._fed = 0

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes; over UDP, one datagram."""
        if self._over_tcp:
            return self._handshake(direction, data)
        self._fed += len(data)
        if self._fed > self.byte_limit:
            return NOT_MINE
        if _DHT.match(data):
            return _dht(data)
        return self._utp(direction, data)

    def conclude(self) -> Finding | Answer:
        """Half a handshake says nothing."""
        return NOT_MINE

    def _handshake(self, direction: Direction, data: bytes) -> Finding | Answer:
        if direction is Direction.TO_CLIENT:
            return NEED_DATA if self._held else NOT_MINE
        held = self._held = (self._held + data)[: _HASH_AT + _HASH_BYTES]
        if not (held.startswith(_START) or _START.startswith(held)):
            return NOT_MINE
        if len(held) < _HASH_AT + _HASH_BYTES:
            return NEED_DATA
        return Finding("bittorrent", {"bittorrent.info_hash": (held[_HASH_AT:].hex(),)})

    def _utp(self, direction: Direction, data: bytes) -> Finding | Answer:
        if len(data) < _UTP.size:
            return NOT_MINE
        kind, extension, connection, _, _, _, number, ack = _UTP.unpack_from(data)
        if extension not in _SELECTIVE_ACK:
            return NOT_MINE
        if self._syn is None:
            if kind != _SYN or direction is Direction.TO_CLIENT or ack:
                return NOT_MINE
            self._syn = connection, number
            return NEED_DATA
        if direction is Direction.TO_SERVER:
            return NEED_DATA  # sent again
        if kind == _STATE and (connection, ack) == self._syn:
            return Finding("bt-utp", {})
        return NOT_MINE


def _dht(data: bytes) -> Finding | Answer:
    if not (_DHT_KIND.search(data) and _DHT_BODY.search(data) and data[-1:] == b"e"):
        return NOT_MINE
    fields: dict[str, tuple[str, ...]] = {}
    if query := _DHT_QUERY.search(data):
        fields["bt-dht.query"] = (query[1].decode("ascii"),)
    if wanted := _DHT_HASH.search(data):
        fields["bittorrent.info_hash"] = (wanted[1].hex(),)
    return Finding("bt-dht", fields)
