"""Reads a DNS answer: what was asked, the response code, addresses and other names.

Source: RFC 1035, 4.1 (message), 4.1.4 (compression) and 4.2.2 (two length bytes over
TCP); RFC 3596, 2.2 (AAAA); RFC 6895, 2.3 (response codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
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
from filterlab.inspection.recognisers.dns import ANSWERS, ASKS, ASKS_OVER_TCP, TYPES

_HEADER = Struct("!HHHHHH")
_RECORD = Struct("!HHIH")  # type, class, TTL, length
_ANSWER, _OPCODE, _RCODE = 0x8000, 0x7800, 0x000F  # RFC 1035, 4.1.1
_LABEL_MOST, _NAME_MOST, _LABELS_MOST = 63, 255, 128  # RFC 1035, 2.3.4
_POINTER = 0xC0  # RFC 1035, 4.1.4
_CNAME, _ADDRESSES = 5, {1: "dns.a", 28: "dns.aaaa"}  # IANA, DNS parameters
_LENGTH_BYTES = 2
_RECORDS_MOST = 256  # more would not fit in a message that is read
RCODES = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
}


class DnsAnswer:
    """Finds the first answer of a flow over TCP, and each over UDP."""

    name: ClassVar[str] = "dns_answer"
    transports: ClassVar[frozenset[int]] = frozenset((TCP, UDP))
    byte_limit: ClassVar[int] = 8192
    each_message: ClassVar[bool] = True
    opening: ClassVar[Mapping[int, Opening]] = {
        TCP: Opening(ASKS_OVER_TCP[:8]),
        UDP: Opening(ASKS[:6], ANSWERS),
    }
    source: ClassVar[str] = "RFC 1035, 4.1; RFC 3596, 2.2; RFC 6895, 2.3"
    false_positives: ClassVar[str] = (
        "mDNS and LLMNR answers have the same form; forged answers look like true ones"
    )

    __slots__ = ("_asked", "_held", "_over_tcp")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._over_tcp = transport == TCP
        self._asked = b""
        self._held = bytearray()

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes; over UDP, one datagram."""
        if direction is Direction.TO_SERVER:
            return self._from_client(data)
        if not self._over_tcp:
            return read_answer(data)
        if not self._asked:
            return NOT_MINE
        self._held += data[: self.byte_limit - len(self._held)]
        held = self._held
        if len(held) < _LENGTH_BYTES:
            return NEED_DATA
        whole = _LENGTH_BYTES + (held[0] << 8 | held[1])
        if len(held) >= min(whole, self.byte_limit):
            return read_answer(bytes(held[_LENGTH_BYTES:whole]))
        if len(held) > 4 and not held[4] & _ANSWER >> 8:
            return NOT_MINE
        return NEED_DATA

    def conclude(self) -> Finding | Answer:
        """An answer that is not whole says nothing."""
        return NOT_MINE

    def _from_client(self, data: bytes) -> Answer:
        """Over TCP, no answer is waited for unless a query has been sent."""
        start = _LENGTH_BYTES if self._over_tcp else 0
        self._asked = (self._asked + data[: start + 6])[: start + 6]
        for value, place in zip(self._asked[start + 2 :], range(4), strict=False):
            if place == 0 and value & (_ANSWER | _OPCODE) >> 8:
                return NOT_MINE
            if (place == 2 and value) or (place == 3 and value != 1):
                return NOT_MINE  # one question
        return NEED_DATA


def read_answer(message: bytes) -> Finding | Answer:
    """The fields of an answer, given its bytes from the header on."""
    if len(message) < _HEADER.size:
        return NOT_MINE
    _, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
    if not flags & _ANSWER or flags & _OPCODE or questions != 1:
        return NOT_MINE
    asked = _name(message, _HEADER.size)
    if asked is None or asked[1] + 4 > len(message):
        return NOT_MINE
    name, at = asked
    number, rcode = message[at] << 8 | message[at + 1], flags & _RCODE
    fields = {
        "dns.qry.name": (name,),
        "dns.qry.type": (TYPES.get(number, f"TYPE{number}"),),
        "dns.flags.rcode": (RCODES.get(rcode, str(rcode)),),
        **_records(message, at + 4, min(answers, _RECORDS_MOST)),
    }
    return Finding("dns", fields)


def _records(message: bytes, at: int, count: int) -> dict[str, tuple[str, ...]]:
    """Addresses and names of the answer section, as far as it is whole."""
    fields: dict[str, tuple[str, ...]] = {}
    for _ in range(count):
        owner = _name(message, at)
        if owner is None or owner[1] + _RECORD.size > len(message):
            break
        kind, _, _, size = _RECORD.unpack_from(message, owner[1])
        start = owner[1] + _RECORD.size
        at = start + size
        if at > len(message):
            break
        key = _ADDRESSES.get(kind)
        if key is not None and size == (4 if kind == 1 else 16):
            found = str(ip_address(message[start:at]))
            fields[key] = (*fields.get(key, ()), found)
        elif kind == _CNAME and (target := _name(message, start)) is not None:
            fields["dns.cname"] = (*fields.get("dns.cname", ()), target[0])
    return fields


def _name(message: bytes, at: int) -> tuple[str, int] | None:
    """A name and where it ends, pointers followed; None if it is broken."""
    labels: list[bytes] = []
    after: int | None = None
    for _ in range(_LABELS_MOST):  # pointers that go round end here
        if at >= len(message):
            return None
        length = message[at]
        if length & _POINTER == _POINTER:
            if at + 1 >= len(message):
                return None
            after = at + 2 if after is None else after
            at = (length & ~_POINTER) << 8 | message[at + 1]
            continue
        if length > _LABEL_MOST or at + 1 + length > len(message):
            return None
        at += 1 + length
        if not length:
            name = b".".join(labels)
            end = at if after is None else after
            return (host_name(name), end) if len(name) <= _NAME_MOST else None
        labels.append(message[at - length : at])
    return None
