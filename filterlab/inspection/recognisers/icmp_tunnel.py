"""Recognises data carried in ICMP echoes: ptunnel, ptunnel-ng and what works like them.

ptunnel marks every echo with a magic number. Others betray themselves by their data:
an echo reply must return what the request had, and a tunnel's brings something else;
or the requests have many sizes and random content, where ping sends the same each time.

Source: RFC 792, page 14, and RFC 4443, 4.2 (the data of a request must be returned);
ptunnel-ng, src/ppkt.h (0xdeadc0de), and ptunnel 0.72 (0xd5200880); Singh et al.,
"Malicious ICMP Tunneling: Defense against the Vulnerability" (ACISP 2003) for sizes.
"""

from __future__ import annotations

from typing import ClassVar

from filterlab.inspection.flow import ICMP, ICMPV6
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.statistics import looks_random

_HEADER = 8  # type, code, checksum, id, sequence number
_REQUESTS, _REPLIES = (8, 128), (0, 129)  # RFC 792; RFC 4443, 4.1 and 4.2
_MAGICS = {
    bytes.fromhex("deadc0de"): "ptunnel-ng",
    bytes.fromhex("d5200880"): "ptunnel",
}
_WRONG_REPLIES = 3  # one may be a fault of the network
_SIZES, _RANDOM = 4, 4  # distinct sizes, and requests that look random
_RANDOM_LEAST = 64  # a smaller one looks random too easily
_MESSAGES, _BYTES = 40, 16_384


class IcmpTunnel:
    """Compares the echoes of two hosts."""

    name: ClassVar[str] = "icmp_tunnel"
    protocols: ClassVar[frozenset[str]] = frozenset(("icmp-tunnel",))
    transports: ClassVar[frozenset[int]] = frozenset((ICMP, ICMPV6))
    byte_limit: ClassVar[int] = _BYTES
    each_message: ClassVar[bool] = False
    source: ClassVar[str] = "RFC 792, page 14; ptunnel-ng, src/ppkt.h"
    false_positives: ClassVar[str] = (
        "middleboxes that change echo data; a ping of random content (-p) in several "
        "sizes, as some path measurements send"
    )

    __slots__ = ("_asked", "_bytes", "_messages", "_random", "_sizes", "_wrong")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._asked: dict[bytes, int] = {}  # id and number of a request: its data
        self._sizes: set[int] = set()
        self._bytes = self._messages = self._random = self._wrong = 0

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take one ICMP message."""
        is_echo = len(data) >= _HEADER and data[0] in _REQUESTS + _REPLIES
        if not is_echo and not self._messages:
            return NOT_MINE
        self._messages += 1
        self._bytes += len(data)
        said = self._read_echo(data) if is_echo else NEED_DATA
        is_over = self._messages >= _MESSAGES or self._bytes >= _BYTES
        return NOT_MINE if said is NEED_DATA and is_over else said

    def conclude(self) -> Finding | Answer:
        """Too few echoes to tell."""
        return NOT_MINE

    def _read_echo(self, data: bytes) -> Finding | Answer:
        content = data[_HEADER:]
        magic = _MAGICS.get(content[:4])
        if magic is not None:
            return _found(magic, "magic")
        if data[0] in _REQUESTS:
            self._request(data[4:_HEADER], content)
        elif self._asked.pop(data[4:_HEADER], hash(content)) != hash(content):
            self._wrong += 1
        if self._wrong >= _WRONG_REPLIES:
            return _found("unknown", "reply")
        if len(self._sizes) >= _SIZES and self._random >= _RANDOM:
            return _found("unknown", "content")
        return NEED_DATA

    def _request(self, key: bytes, content: bytes) -> None:
        self._asked[key] = hash(content)
        self._sizes.add(len(content))
        if len(content) >= _RANDOM_LEAST and looks_random(content):
            self._random += 1


def _found(tool: str, mark: str) -> Finding:
    fields = {"icmp.tunnel.tool": (tool,), "icmp.tunnel.mark": (mark,)}
    return Finding("icmp-tunnel", fields)
