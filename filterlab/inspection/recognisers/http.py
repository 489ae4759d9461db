"""Recognises an HTTP/1 request and reads its host, method and target.

Source: RFC 9112, 2 and 3 (request line, and which of target and Host names the host:
an absolute target outranks Host, 3.2.2); RFC 9110, 7.2 (Host) and 9 (methods); RFC
5789 (PATCH). The answer comes as soon as the host is known, or the headers end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.flow import TCP
from filterlab.inspection.opening import Opening, Place
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
    host_name,
)

_METHODS = (
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
)
_LONGEST_METHOD = max(map(len, _METHODS))
_LINE_END = frozenset(b"\r\n")  # empty lines may go before a request
_FIRST, _SECOND = (frozenset(m[at] for m in _METHODS) for at in (0, 1))
OPENS: tuple[Place, ...] = (_FIRST | _LINE_END, _FIRST | _SECOND | _LINE_END)
_REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[0-9]\Z")
_ABSOLUTE = re.compile(rb"https?://(?:[^/?#@]*@)?([^/?#]*)", re.IGNORECASE)
_PORT = re.compile(rb":[0-9]*\Z")


def _without_port(authority: bytes) -> str:
    return host_name(_PORT.sub(b"", authority.strip()).strip(b"[]"))


def may_be_request(start: bytes) -> bool:
    """Whether a request may begin with these bytes."""
    return any(start.startswith(m) or m.startswith(start) for m in _METHODS)


class Http:
    """Finds the first request of a flow."""

    name: ClassVar[str] = "http"
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = 8192  # what common servers take (RFC 9112, 3: 8000)
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {TCP: Opening(OPENS)}
    source: ClassVar[str] = "RFC 9112, 2 and 3; RFC 9110, 7.2 and 9"
    false_positives: ClassVar[str] = (
        "protocols that borrow HTTP's request line with its version: WebSocket and "
        "tunnels that open with CONNECT are HTTP here, RTSP and SIP are not"
    )

    __slots__ = ("_fields", "_held", "_read", "_searched")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._held = bytearray()
        self._read = 0  # up to here, lines have been taken
        self._searched = 0  # up to here, there is no further line end
        self._fields: dict[str, tuple[str, ...]] = {}

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        if direction is Direction.TO_CLIENT:
            # The server speaks first, or before the request has ended.
            return NEED_DATA if self._held else NOT_MINE
        self._held += data[: self.byte_limit - len(self._held)]
        said = self._lines()
        if said is NEED_DATA and len(self._held) >= self.byte_limit:
            return self.conclude()
        return said

    def conclude(self) -> Finding | Answer:
        """The request line alone makes a finding; half a line is not read."""
        return Finding("http", self._fields) if self._fields else NOT_MINE

    def _lines(self) -> Finding | Answer:
        while (end := self._held.find(b"\n", self._searched)) >= 0:
            line = bytes(self._held[self._read : end]).removesuffix(b"\r")
            self._read = self._searched = end + 1
            said = self._header(line) if self._fields else self._request(line)
            if said is not NEED_DATA:
                return said
        self._searched = len(self._held)
        return NEED_DATA if self._fields else self._could_be_request()

    def _could_be_request(self) -> Answer:
        start = bytes(self._held[self._read : self._read + _LONGEST_METHOD])
        if start == b"\r" or may_be_request(start):
            return NEED_DATA
        return NOT_MINE

    def _request(self, line: bytes) -> Finding | Answer:
        if not line:
            return NEED_DATA  # empty lines before a request are passed over (2.2)
        found = _REQUEST_LINE.match(line)
        if found is None or not line.startswith(_METHODS):
            return NOT_MINE
        method, target = found.groups()
        self._fields = {
            "http.request.method": (method.decode("ascii"),),
            "http.request.uri": (target.decode("latin-1"),),
        }
        absolute = _ABSOLUTE.match(target)
        if method == b"CONNECT":
            return self._host(target)
        if absolute:
            return self._host(absolute[1])
        return NEED_DATA

    def _header(self, line: bytes) -> Finding | Answer:
        if not line:
            return Finding("http", self._fields)
        name, colon, value = line.partition(b":")
        if colon and name.lower() == b"host":
            return self._host(value)
        return NEED_DATA

    def _host(self, authority: bytes) -> Finding:
        self._fields["http.host"] = (_without_port(authority),)
        return Finding("http", self._fields)
