"""Recognises fully encrypted traffic by what it is not.

A client's first TCP payload is held for encrypted unless one of five exemptions holds:

- Ex1: at most 3.4 or at least 4.6 set bits a byte;
- Ex2: the first six bytes are printable ASCII (0x20 to 0x7e);
- Ex3: more than half of the bytes are;
- Ex4: more than 20 bytes in a row are;
- Ex5: it begins as TLS ([16-17] 03 [00-09]) or as HTTP (GET, PUT, POST or HEAD and a
  space, in whatever case).

It goes by the first packet with a payload alone, as it came: nothing is put together.
Shadowsocks, VMess and obfs4 have no other mark than this one.

Source: Wu et al., "How the Great Firewall of China Detects and Blocks Fully Encrypted
Traffic" (USENIX Security 2023), Algorithm 1 and section 4.
"""

from __future__ import annotations

import re
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
from filterlab.inspection.statistics import (
    has_printable_run,
    printable_bytes,
    set_bits,
)

# Ex1 in tenths of a bit, so that 3.4 and 4.6 are exact.
_FEW_TENTHS, _MANY_TENTHS = 34, 46
_FIRST, _RUN = 6, 20
_KNOWN = re.compile(rb"[\x16\x17]\x03[\x00-\x09]|(?i:GET|PUT|POST|HEAD) ")


def has_known_prefix(payload: bytes) -> bool:
    """Ex5: whether a payload begins as TLS or as HTTP."""
    return _KNOWN.match(payload) is not None


def exemptions(payload: bytes) -> tuple[str, ...]:
    """Which of the five exemptions hold for a payload of at least one byte."""
    size, bits = len(payload), set_bits(payload) * 10
    held = {
        "ex1": bits <= _FEW_TENTHS * size or bits >= _MANY_TENTHS * size,
        "ex2": size >= _FIRST and printable_bytes(payload[:_FIRST]) == _FIRST,
        "ex3": printable_bytes(payload) * 2 > size,
        "ex4": has_printable_run(payload, _RUN),
        "ex5": has_known_prefix(payload),
    }
    return tuple(name for name, holds in held.items() if holds)


class FullyEncrypted:
    """Says of the client's first TCP payload whether no exemption holds."""

    name: ClassVar[str] = "fully_encrypted"
    protocols: ClassVar[frozenset[str]] = frozenset(("fully-encrypted",))
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = 65_535  # one packet
    each_message: ClassVar[bool] = False
    patient: ClassVar[bool] = True
    source: ClassVar[str] = "Wu et al., USENIX Security 2023, Algorithm 1"
    false_positives: ClassVar[str] = (
        "0.6 % of ordinary traffic, measured at a university (Wu et al., abstract): "
        "binary protocols that nobody exempted; of random payloads of 200 bytes, 1 in "
        "400 or so is exempt by chance, of 50 bytes 1 in 40"
    )

    __slots__ = ()

    def __init__(self, transport: int, reading: Reading) -> None:
        pass

    def observe(
        self, packet: Packet, from_client: bool, now: float
    ) -> Finding | Answer:
        """Take a packet; the first one of the client that has a payload decides."""
        if not from_client:
            return NEED_DATA
        return self.feed(Direction.TO_SERVER, packet.payload)

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the payload of one packet."""
        if direction is Direction.TO_CLIENT or not data:
            return NEED_DATA
        held = exemptions(data)
        if held:
            return Finding("", {"fet": ("no",), "fet.exemption": held})
        return Finding("fully-encrypted", {"fet": ("yes",)})

    def conclude(self) -> Finding | Answer:
        """A client that never spoke."""
        return NOT_MINE
