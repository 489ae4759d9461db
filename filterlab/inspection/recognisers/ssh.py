"""Recognises SSH by the line with which each side begins.

Source: RFC 4253, 4.2 (identification string, at most 255 bytes with CR LF; the server
may send other lines before it) and 5.1 (1.99 offers SSH 1 as well).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.flow import TCP
from filterlab.inspection.opening import Opening, spelt
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

_START = b"SSH-"
_VERSIONS = (b"SSH-2.", b"SSH-1.")
_LINE_MOST = 255  # RFC 4253, 4.2
_BEFORE_MOST = 1024  # what OpenSSH's client reads before it (kex.c: MAX_PRE_BANNER)


class Ssh:
    """Finds the identification strings; one is enough if no other comes."""

    name: ClassVar[str] = "ssh"
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = 2 * _LINE_MOST + _BEFORE_MOST
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {TCP: Opening(spelt(_START), ())}
    source: ClassVar[str] = "RFC 4253, 4.2 and 5.1"
    false_positives: ClassVar[str] = (
        "what opens with an SSH line to be taken for SSH (obfuscated-ssh's decoys)"
    )

    __slots__ = ("_client", "_held", "_server")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._held = {Direction.TO_SERVER: b"", Direction.TO_CLIENT: b""}
        self._client = ""
        self._server = ""

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        is_client = direction is Direction.TO_SERVER
        if self._client if is_client else self._server:
            return NEED_DATA  # key exchange already
        most = _LINE_MOST if is_client else _BEFORE_MOST + _LINE_MOST
        held = (self._held[direction] + data)[:most]
        self._held[direction] = held
        line = _identification(held, is_client)
        if isinstance(line, Answer):
            if line is NOT_MINE or len(held) >= most:
                return self.conclude()
            return NEED_DATA
        if is_client:
            self._client = line
        else:
            self._server = line
        return self.conclude() if self._client and self._server else NEED_DATA

    def conclude(self) -> Finding | Answer:
        """What has been seen of either side."""
        found = tuple(line for line in (self._client, self._server) if line)
        return Finding("ssh", {"ssh.protocol": found}) if found else NOT_MINE


def _identification(held: bytes, is_client: bool) -> str | Answer:
    """The line without its end; a server's may come after others."""
    at = 0
    while True:
        start = held[at : at + len(_VERSIONS[0])]
        if start.startswith(_START):
            if not start.startswith(_VERSIONS) and len(start) == len(_VERSIONS[0]):
                return NOT_MINE
            end = held.find(b"\n", at)
            if end < 0:
                return NEED_DATA if len(held) - at < _LINE_MOST else NOT_MINE
            return held[at:end].removesuffix(b"\r").decode("latin-1")
        if _START.startswith(start):
            return NEED_DATA
        end = held.find(b"\n", at)
        if is_client:
            return NOT_MINE
        if end < 0:
            # Other lines are UTF-8 text (RFC 4253, 4.2): controls say it is no SSH.
            return NEED_DATA if held[at:].isascii() and held[at] >= 0x20 else NOT_MINE
        at = end + 1
