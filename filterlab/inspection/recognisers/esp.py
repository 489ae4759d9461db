"""Recognises ESP: by its protocol number, and within UDP by its counting.

Source: RFC 4303, 2.1 (SPI, of which 1 to 255 are reserved) and 2.2 (sequence numbers
begin at 1 and grow by one); RFC 3948, 2.1 (within UDP, where the SPI is not 0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.flow import ESP, UDP
from filterlab.inspection.opening import Opening
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

_RESERVED = 255  # RFC 4303, 2.1
_LEAST = 8 + 2 + 12  # header, padding length and next header, the shortest ICV in use
_YOUNG = 0x10000  # in UDP, a flow is taken up while its numbers are still low
_ENOUGH = 3  # datagrams in a row that count up by one
_YOUNG_FIRST = (*[None] * 4, b"\0", b"\0")  # SPI, and a number below that
_KEEPALIVE = b"\xff"  # RFC 3948, 2.3


class Esp:
    """Finds the SPI of a flow's first packets."""

    name: ClassVar[str] = "esp"
    transports: ClassVar[frozenset[int]] = frozenset((ESP, UDP))
    byte_limit: ClassVar[int] = 16_384
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {
        UDP: Opening(_YOUNG_FIRST, _YOUNG_FIRST, least=_LEAST, whole=2)
    }
    source: ClassVar[str] = "RFC 4303, 2.1 and 2.2; RFC 3948, 2"
    false_positives: ClassVar[str] = (
        "within UDP, protocols that open with a constant word and a counter"
    )

    __slots__ = ("_in_udp", "_row", "_seen")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._in_udp = transport == UDP
        self._seen: dict[Direction, tuple[int, int]] = {}  # SPI, sequence number
        self._row = 1

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next packet of one direction."""
        if self._in_udp and data == _KEEPALIVE:
            return NEED_DATA
        spi = int.from_bytes(data[:4], "big")
        if len(data) < _LEAST or spi <= _RESERVED:
            return NOT_MINE
        number = int.from_bytes(data[4:8], "big")
        if self._in_udp and not self._counts(direction, spi, number):
            return NOT_MINE
        if self._in_udp and self._row < _ENOUGH:
            return NEED_DATA
        return Finding("esp", {"esp.spi": (f"0x{spi:08x}",)})

    def conclude(self) -> Finding | Answer:
        """Fewer datagrams than say anything."""
        return NOT_MINE

    def _counts(self, direction: Direction, spi: int, number: int) -> bool:
        before = self._seen.get(direction)
        self._seen[direction] = spi, number
        if before is None:
            return 0 < number < _YOUNG
        self._row += 1
        return before == (spi, number - 1)
