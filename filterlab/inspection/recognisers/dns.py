"""Recognises a DNS query and reads the name and type asked for.

Source: RFC 1035, 4.1 (header and question) and 4.2.2 (two length bytes over TCP).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import ClassVar

from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.opening import Opening
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
    host_name,
)

_HEADER = Struct("!HHHHHH")
_HEADER_BYTES = 12
_NOT_A_PLAIN_QUERY = 0xF800  # QR and OPCODE (RFC 1035, 4.1.1)
_NAME_BYTES, _LABEL_BYTES = 255, 63  # RFC 1035, 2.3.4
_LENGTH_BYTES = 2
_SHARED = 8  # several recognisers read the same query, one after the other
# Id; QR and OPCODE are 0; one question, nothing else (RFC 1035, 4.1.1)
_ZERO, _ONE = b"\0", b"\1"
ASKS = (None, None, range(8), None, _ZERO, _ONE, _ZERO, _ZERO, _ZERO, _ZERO)
ASKS_OVER_TCP = (None, None, *ASKS)
ANSWERS = (None, None, range(0x80, 0x88), None, _ZERO, _ONE)
_LEAST = _HEADER_BYTES + 5  # the root, its type and class

TYPES = {  # IANA, DNS parameters
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    12: "PTR",
    15: "MX",
    16: "TXT",
    28: "AAAA",
    33: "SRV",
    35: "NAPTR",
    43: "DS",
    48: "DNSKEY",
    64: "SVCB",
    65: "HTTPS",
    255: "ANY",
}


@lru_cache(_SHARED)
def read_query(message: bytes) -> Finding | Answer:
    """The question of a DNS query, given its bytes from the header on."""
    if len(message) < _HEADER_BYTES:
        return NEED_DATA
    _, flags, questions, answers, authorities, _ = _HEADER.unpack_from(message)
    if flags & _NOT_A_PLAIN_QUERY or questions != 1 or answers or authorities:
        return NOT_MINE
    labels = []
    at = _HEADER_BYTES
    while True:
        if at >= len(message):
            return NEED_DATA
        length = message[at]
        at += 1
        if not length:
            break
        if length > _LABEL_BYTES or at + length - _HEADER_BYTES >= _NAME_BYTES:
            return NOT_MINE  # also a compression pointer, which a question never has
        labels.append(message[at : at + length])
        at += length
    if at + 4 > len(message):
        return NEED_DATA
    number = message[at] << 8 | message[at + 1]
    fields = {
        "dns.qry.name": (host_name(b".".join(labels)),),
        "dns.qry.type": (TYPES.get(number, f"TYPE{number}"),),  # RFC 3597, 5
    }
    return Finding("dns", fields, message[: at + 4])


class Dns:
    """Finds the first question of a flow over TCP, and of each datagram over UDP."""

    name: ClassVar[str] = "dns"
    transports: ClassVar[frozenset[int]] = frozenset((TCP, UDP))
    byte_limit: ClassVar[int] = _LENGTH_BYTES + _HEADER_BYTES + _NAME_BYTES + 4
    each_message: ClassVar[bool] = True
    opening: ClassVar[Mapping[int, Opening]] = {
        TCP: Opening(ASKS_OVER_TCP, whole=_LENGTH_BYTES + _HEADER_BYTES),
        UDP: Opening(ASKS, least=_LEAST),
    }
    source: ClassVar[str] = "RFC 1035, 4.1 and 4.2.2"
    false_positives: ClassVar[str] = (
        "LLMNR and mDNS queries have the same form; any datagram of 17 bytes or more "
        "whose bytes 2-9 happen to read as one plain question (about 1 in 10^15)"
    )

    __slots__ = ("_buffer", "_over_tcp")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._over_tcp = transport == TCP
        self._buffer = bytearray()

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes; over UDP, one datagram."""
        if direction is Direction.TO_CLIENT:
            return NOT_MINE  # an answer without a question
        if not self._over_tcp:
            said = read_query(data)
            return NOT_MINE if said is NEED_DATA else said
        self._buffer += data
        return self._stream()

    def conclude(self) -> Finding | Answer:
        """A question that is not whole says nothing."""
        return NOT_MINE

    def _stream(self) -> Finding | Answer:
        held = self._buffer
        if len(held) < _LENGTH_BYTES:
            return NEED_DATA
        length = held[0] << 8 | held[1]
        message = bytes(held[_LENGTH_BYTES : min(self.byte_limit, 2 + length)])
        said = read_query(message)
        if said is NEED_DATA and len(message) == length:
            return NOT_MINE  # the message ends before its question does
        return said
