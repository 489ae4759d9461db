"""Asks for a page over HTTP/1.1, and gathers what came of it, whatever the version.

Redirects are not followed: a censor's redirect is the thing to see. Source: RFC 9112.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Protocol

from filterlab.probes.channel import Channel
from filterlab.probes.failure import ProtocolError

USER_AGENT = "filterlab"
# A title further into a page than this is none.
_TITLE_WITHIN_BYTES = 65_536
_CHUNK_BYTES = 65_536
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r?\n)")
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ask:
    """One HTTP request; POST if it has a body."""

    scheme: str
    authority: str  # host, and port if it is not the scheme's own
    path: str
    body: bytes = b""
    content_type: str = ""

    @property
    def method(self) -> str:
        """GET or POST."""
        return "POST" if self.body else "GET"

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The header fields that every version sends, names in lower case."""
        fields = [("user-agent", USER_AGENT), ("accept", "*/*")]
        if self.body:
            fields.append(("content-type", self.content_type))
            fields.append(("content-length", str(len(self.body))))
        return fields

    @property
    def pseudo_headers(self) -> list[tuple[str, str]]:
        """All header fields as HTTP/2 and HTTP/3 send them (RFC 9113, 8.3.1)."""
        return [
            (":method", self.method),
            (":scheme", self.scheme),
            (":authority", self.authority),
            (":path", self.path),
            *self.headers,
        ]


@dataclass(frozen=True, slots=True)
class Head:
    """The status and the target of a redirect."""

    status: int
    location: str | None

    @classmethod
    def of_fields(cls, fields: list[tuple[str, str]]) -> Head:
        """The head that a list of HTTP/2 or HTTP/3 fields makes."""
        values = dict(fields)
        status = values.get(":status", "")
        if not status.isdigit():
            raise ProtocolError("a response without a status")
        return cls(int(status), values.get("location"))


class Body:
    """Gathers a body up to a limit: its length, hash, title, and when it came."""

    def __init__(self, most_bytes: int, keep_bytes: int = _TITLE_WITHIN_BYTES) -> None:
        self.size = 0
        self.first_size = 0
        self.first_at: float | None = None
        self.last_at: float | None = None
        self.start = b""
        self._keep = keep_bytes
        self._most = most_bytes
        self._hash = hashlib.sha256()

    def add(self, data: bytes) -> bool:
        """Take some of the body; True while more is wanted."""
        if data:
            self.last_at = time.monotonic()
            if self.first_at is None:
                self.first_at, self.first_size = self.last_at, len(data)
            if len(self.start) < self._keep:
                self.start += data[: self._keep - len(self.start)]
            self.size += len(data)
            self._hash.update(data)
        return self.size < self._most

    @property
    def sha256(self) -> str:
        """SHA-256 of what was taken, in hexadecimal."""
        return self._hash.hexdigest()

    @property
    def title(self) -> str | None:
        """The HTML title, white space folded."""
        found = _TITLE.search(self.start)
        if found is None:
            return None
        return " ".join(unescape(found[1].decode("utf-8", "replace")).split())


class Exchange(Protocol):
    """One request and its response, over any version of HTTP."""

    until: float

    def ask(self, ask: Ask) -> Head:
        """Send the request; the head of the response."""

    def read_into(self, body: Body) -> None:
        """Read the body until it ends or `body` wants no more."""

    def close(self) -> None:
        """Close the connection."""


class Http1:
    """HTTP/1.1 on a connection of its own."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._file = channel.reader()
        self._chunked = False
        self._length: int | None = None

    @property
    def until(self) -> float:
        """When the step under way must end."""
        return self._channel.until

    @until.setter
    def until(self, until: float) -> None:
        self._channel.until = until

    def ask(self, ask: Ask) -> Head:
        """Send the request; the head of the response."""
        fields = [("host", ask.authority), *ask.headers, ("connection", "close")]
        lines = [f"{ask.method} {ask.path} HTTP/1.1"]
        lines += [f"{name.title()}: {value}" for name, value in fields]
        self._channel.send("\r\n".join([*lines, "", ""]).encode() + ask.body)
        line = self._file.readline(_CHUNK_BYTES)
        if not line:
            raise EOFError("the connection ended before any answer")
        found = _STATUS_LINE.match(line)
        if found is None:
            raise ProtocolError(f"no HTTP answer: {line[:60]!r}")
        answer = http.client.parse_headers(self._file)
        self._chunked = answer.get("transfer-encoding", "").lower() == "chunked"
        length = answer.get("content-length", "")
        self._length = int(length) if length.isdigit() else None
        if int(found[1]) in (204, 304):  # RFC 9112, section 6.3: these have no body
            self._length, self._chunked = 0, False
        return Head(int(found[1]), answer.get("location"))

    def read_into(self, body: Body) -> None:
        """Read the body until it ends or `body` wants no more."""
        if self._chunked:
            parts = self._chunks()
        elif self._length is not None:
            parts = self._exactly(self._length)
        else:
            parts = iter(lambda: self._file.read1(_CHUNK_BYTES), b"")
        for part in parts:
            if not body.add(part):
                return

    def _exactly(self, count: int) -> Iterator[bytes]:
        while count:
            data = self._file.read1(min(count, _CHUNK_BYTES))
            if not data:
                raise EOFError(f"the connection ended {count} bytes before the body")
            count -= len(data)
            yield data

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self._file.readline(_CHUNK_BYTES)
            if not line:
                raise EOFError("the connection ended between two chunks")
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError:
                raise ProtocolError(f"no chunk size: {line[:60]!r}") from None
            if size == 0:
                return
            yield from self._exactly(size)
            self._file.readline(_CHUNK_BYTES)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
