"""Recognises what opens as obfs4 does: by length, and bytes that chance may have made.

A client's handshake has 149 to 8,192 bytes: representative (32), padding (85 to 8,128),
mark (16) and MAC (16). None of them means anything to who does not know the bridge,
so all that is left is that they look random, that there are as many as there may be,
and that the server answers with 96 random bytes or more before the client goes on.

Source: obfs4-spec.txt, section 4; Wang et al., "Seeing through Network-Protocol
Obfuscation" (CCS 2015), section 5.1 and table 5 (Kolmogorov-Smirnov test of the first
2,048 bytes, least length 149).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.flow import TCP
from filterlab.inspection.opening import Opening
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.recognisers.fully_encrypted import has_known_prefix
from filterlab.inspection.statistics import looks_random

_LEAST, _MOST = 149, 8_192  # obfs4-spec.txt, section 4
_SERVER_LEAST = 96  # representative, authenticator, mark and MAC
_PREFIX = 5  # "POST " is the longest
_TESTED = 2_048  # Wang et al., section 5.1


class Obfs4:
    """Finds a handshake of random bytes in both directions."""

    name: ClassVar[str] = "obfs4"
    protocols: ClassVar[frozenset[str]] = frozenset(("obfs4",))
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = _MOST + _SERVER_LEAST
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {TCP: Opening()}
    source: ClassVar[str] = "obfs4-spec.txt, section 4; Wang et al., CCS 2015, 5.1"
    false_positives: ClassVar[str] = (
        "0.24 to 0.33 % of a campus' flows (Wang et al., table 5); other fully "
        "encrypted protocols (Shadowsocks, VMess) whose first flight has 149 bytes "
        "or more"
    )

    __slots__ = ("_client", "_server", "_size")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._client = bytearray()
        self._server = bytearray()
        self._size = 0

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        if direction is Direction.TO_CLIENT:
            return self._answer(data)
        if self._server:
            return NOT_MINE  # it waits for the whole of the server's handshake
        self._size += len(data)
        self._client += data[: _TESTED - len(self._client)]
        if self._size > _MOST or has_known_prefix(bytes(self._client[:_PREFIX])):
            return NOT_MINE
        return NEED_DATA

    def conclude(self) -> Finding | Answer:
        """Random bytes that nobody answered are no handshake."""
        return NOT_MINE

    def _answer(self, data: bytes) -> Finding | Answer:
        if self._size < _LEAST:
            return NOT_MINE
        self._server += data[: _TESTED - len(self._server)]
        if len(self._server) < _SERVER_LEAST:
            return NEED_DATA
        is_random = looks_random(bytes(self._client)) and looks_random(
            bytes(self._server[:_SERVER_LEAST])
        )
        return Finding("obfs4", {}) if is_random else NOT_MINE
