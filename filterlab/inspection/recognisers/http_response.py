"""Reads the answer to an HTTP/1 request: status, server, target and title.

Source: RFC 9112, 4 (status line) and 5 (fields); RFC 9110, 10.2.2 (Location), 10.2.4
(Server), 15.2 (1xx answers, which another follows) and 8.4 (encodings hide the title);
HTML Living Standard, 4.2.2 (title).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
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
from filterlab.inspection.recognisers.http import OPENS, may_be_request

_STATUS = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9][0-9])(?: |\r?\Z)")
_START = b"HTTP/1."
_TOLD = {
    b"server": "http.server",
    b"location": "http.location",
    b"content-type": "http.content_type",
}
_LENGTH, _ENCODING = b"content-length", b"content-encoding"
_TITLE = (b"<title", b">", b"<")  # the tag, its end, and the end of the text
_HEAD_MOST = 8192  # what common clients take of headers


class HttpResponse:
    """Finds the first final answer of a flow."""

    name: ClassVar[str] = "http_response"
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = 16_384
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {TCP: Opening(OPENS)}
    source: ClassVar[str] = "RFC 9112, 4 and 5; RFC 9110, 10.2 and 15.2"
    false_positives: ClassVar[str] = (
        "whatever answers a request line as HTTP: forged block pages too"
    )

    __slots__ = (
        "_body_at",
        "_fields",
        "_held",
        "_length",
        "_searched",
        "_sent",
        "_stage",
        "_text_at",
    )

    def __init__(self, transport: int, reading: Reading) -> None:
        self._sent = b""  # how the client began
        self._held = bytearray()
        self._fields: dict[str, tuple[str, ...]] = {}
        self._body_at = 0  # where the body begins; 0 before the headers have ended
        self._searched = 0  # up to here, there is no end of the headers or no title
        self._length: int | None = None
        self._stage = 0  # of the search for the title
        self._text_at = 0  # where its text begins

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""
        if direction is Direction.TO_SERVER:
            if not self._held and len(self._sent) < len(_START):
                self._sent += data[: len(_START)]
                return NEED_DATA if may_be_request(self._sent) else NOT_MINE
            return NEED_DATA
        if not self._sent:
            return NOT_MINE
        self._held += data[: self.byte_limit - len(self._held)]
        said = self._read()
        if said is NEED_DATA and len(self._held) >= self.byte_limit:
            return self.conclude()
        return said

    def conclude(self) -> Finding | Answer:
        """What the headers say, if they have ended."""
        return Finding("http", self._fields) if self._body_at else NOT_MINE

    def _read(self) -> Finding | Answer:
        held = self._held
        while not self._body_at:
            if not (held.startswith(_START) or _START.startswith(held)):
                return NOT_MINE
            end = held.find(b"\r\n\r\n", max(0, self._searched - 3))
            if end < 0:
                self._searched = len(held)
                return NOT_MINE if len(held) > _HEAD_MOST else NEED_DATA
            head = bytes(held[:end])
            found = _STATUS.match(head.partition(b"\n")[0])
            if found is None:
                return NOT_MINE
            if found[1].startswith(b"1") and found[1] != b"101":
                del held[: end + 4]  # another answer follows (RFC 9110, 15.2)
                self._searched = 0
                continue
            self._fields["http.response.code"] = (found[1].decode("ascii"),)
            self._body_at = self._searched = end + 4
            if not self._headers(head):
                return self.conclude()
        return self._title()

    def _headers(self, head: bytes) -> bool:
        """Read the fields; true if a title may follow that can be read."""
        encoded = False
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            lower, value = name.lower(), value.strip()
            if lower in _TOLD:
                self._fields.setdefault(_TOLD[lower], (value.decode("latin-1"),))
            elif lower == _LENGTH and value.isdigit():
                self._length = int(value[:9])
            elif lower == _ENCODING:
                encoded = value.lower() != b"identity"
        kind = self._fields.get("http.content_type", ("",))[0].lower()
        return "html" in kind and not encoded and self._length != 0

    def _title(self) -> Finding | Answer:
        """Go on from tag to text to end; what has been searched is left behind."""
        held = self._held
        while self._stage < len(_TITLE):
            sought = _TITLE[self._stage]
            at = held[self._searched :].lower().find(sought)
            if at < 0:
                self._searched = max(self._searched, len(held) - len(sought) + 1)
                break
            start, self._searched = self._searched, self._searched + at + len(sought)
            self._stage += 1
            if self._stage == len(_TITLE):
                text = bytes(held[self._text_at : start + at])
                words = unescape(text.decode("utf-8", "replace")).split()
                self._fields["http.title"] = (" ".join(words),)
                return self.conclude()
            self._text_at = self._searched
        if self._length is not None and len(held) >= self._body_at + self._length:
            return self.conclude()
        return NEED_DATA
