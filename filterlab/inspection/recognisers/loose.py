"""Says by the loosest of marks whether a client speaks DNS, HTTP or TLS.

A filter that lets only certain protocols pass must decide quickly, and so takes little
for proof. Each of the client's first two payloads is looked at on its own:

- dns: 12 bytes or more, the header of a query over UDP (even over TCP): QR is 0, fewer
  than 15 questions, no answers;
- http: 8 bytes or more, GET, POST, HEAD, CONNECT, OPTIONS, DELETE or PUT and one space;
- tls: 41 bytes or more, a handshake record of version 3.1 to 3.3 whose length fits.

Source: Bock et al., "Detecting and Evading Censorship-in-Depth: A Case Study of Iran's
Protocol Filter" (FOCI 2020), section 4.3.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import ClassVar

from filterlab.inspection.flow import TCP
from filterlab.inspection.packet import Packet
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

_DNS_HEADER = Struct("!HHHH")  # id, flags, questions, answers (RFC 1035, 4.1.1)
_DNS_LEAST, _RESPONSE, _QUESTIONS = 12, 0x8000, 15
_HTTP_LEAST = 8
_HTTP = re.compile(rb"(?:GET|POST|HEAD|CONNECT|OPTIONS|DELETE|PUT) (?! )")
_TLS_LEAST = 41
_TLS = re.compile(rb"\x16\x03[\x01-\x03]")
_RECORD_HEADER = 5
_PAYLOADS = 2


def looks_like(payload: bytes) -> str | None:
    """What a payload could be the first of; None for nothing that is known."""
    size = len(payload)
    if size >= _HTTP_LEAST and _HTTP.match(payload):
        return "http"
    if size >= _TLS_LEAST and _TLS.match(payload):
        length = int.from_bytes(payload[3:_RECORD_HEADER], "big")
        if length == size - _RECORD_HEADER:
            return "tls"
    if size < _DNS_LEAST:
        return None
    _, flags, questions, answers = _DNS_HEADER.unpack_from(payload)
    is_query = not flags & _RESPONSE and questions < _QUESTIONS and not answers
    return "dns" if is_query else None


class Loose:
    """Looks at the client's first two packets that have a payload."""

    name: ClassVar[str] = "loose"
    protocols: ClassVar[frozenset[str]] = frozenset()
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = _PAYLOADS * 65_535
    each_message: ClassVar[bool] = False
    patient: ClassVar[bool] = True
    source: ClassVar[str] = "Bock et al., FOCI 2020, section 4.3"
    false_positives: ClassVar[str] = (
        "meant to be loose: of random payloads, 1 in 10^8 looks like a DNS query, and "
        "any request that begins with a verb is HTTP"
    )

    __slots__ = ("_left",)

    def __init__(self, transport: int, reading: Reading) -> None:
        self._left = _PAYLOADS

    def observe(
        self, packet: Packet, from_client: bool, now: float
    ) -> Finding | Answer:
        """Take a packet."""
        direction = Direction.TO_SERVER if from_client else Direction.TO_CLIENT
        return self.feed(direction, packet.payload)

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the payload of one packet."""
        if direction is Direction.TO_CLIENT or not data:
            return NEED_DATA
        self._left -= 1
        found = looks_like(data)
        if found is None and self._left > 0:
            return NEED_DATA
        return Finding("", {"payload.looks_like": (found or "other",)})

    def conclude(self) -> Finding | Answer:
        """A client that has not said enough to be told."""
        return NOT_MINE
