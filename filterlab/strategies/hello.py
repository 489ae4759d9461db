"""Finds the name that a first packet asks for: in a ClientHello, or in a request.

Sources: RFC 8446, 4.1.2 and 5.1 (ClientHello, records); RFC 6066, 3 (server name);
RFC 9112, 3.2 (Host).
"""

from __future__ import annotations

import re

_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME = 22, 1, 0
RECORD_HEADER = 5
_BEFORE_SESSION = 43  # record and handshake headers, version, random
_BEFORE_NAME = 5  # list length, name type, name length
_HOST = re.compile(rb"\r\nHost:[ \t]*([^\r\n]+)\r\n", re.IGNORECASE)
_METHOD = re.compile(rb"[A-Z]{3,7} ")


def is_hello(data: bytes) -> bool:
    """Whether the data begins with a TLS record that begins with a ClientHello."""
    return (
        len(data) > _BEFORE_SESSION
        and data[0] == _HANDSHAKE
        and data[1] == 3
        and data[RECORD_HEADER] == _CLIENT_HELLO
    )


def server_name(data: bytes) -> tuple[int, int] | None:
    """Where the server name begins and ends, if all of it is in the data."""
    if not is_hello(data):
        return None
    at = _BEFORE_SESSION
    for size in (1, 2, 1):  # session id, cipher suites, compression methods
        at += size + int.from_bytes(data[at : at + size], "big")
    at += 2  # how long the extensions are
    while at + 4 <= len(data):
        kind = int.from_bytes(data[at : at + 2], "big")
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        at += 4
        if kind == _SERVER_NAME and size > _BEFORE_NAME:
            start, end = at + _BEFORE_NAME, at + size
            return (start, end) if end <= len(data) else None
        at += size
    return None


def name_asked_for(data: bytes) -> tuple[int, int] | None:
    """Where the server name or the request's host begins and ends."""
    if (found := server_name(data)) is not None:
        return found
    host = _HOST.search(data) if _METHOD.match(data) else None
    return (host.start(1), host.end(1)) if host is not None else None
