"""What a forged DNS answer and a forged HTTP response say.

Source: RFC 1035, 4.1 (the answer repeats id and question; the name is a pointer to
it), RFC 9112, 4 and 6 (status line, length). EDNS is left out, as published injectors
do (a query's OPT record is not echoed).
"""

from __future__ import annotations

from http import HTTPStatus
from struct import Struct

from filterlab.policy.rules import InjectDns, InjectHttp

RCODES = {  # RFC 1035, 4.1.1
    "NOERROR": 0,
    "FORMERR": 1,
    "SERVFAIL": 2,
    "NXDOMAIN": 3,
    "NOTIMP": 4,
    "REFUSED": 5,
}
_AUTHORITATIVE = 0x0400  # RFC 1035, 4.1.1
_RESPONSE, _RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x8000, 0x0100, 0x0080
_NAME_OF_THE_QUESTION = 0xC00C  # a pointer to byte 12 (RFC 1035, 4.1.4)
_CLASS_IN = 1
_HEADER = Struct("!HHHHHH")
_RECORD = Struct("!HHHIH")
_VERSION_OF_TYPE = {1: 4, 28: 6}  # A and AAAA


def dns_answer(query: bytes, action: InjectDns) -> bytes:
    """The message that answers a query; `query` ends with its question."""
    identity, asked, *_ = _HEADER.unpack_from(query)
    question = query[_HEADER.size :]
    kind = int.from_bytes(question[-4:-2], "big")
    rcode = RCODES[action.rcode]
    records = b""
    count = 0
    if rcode == RCODES["NOERROR"]:
        for address in action.addresses:
            if _VERSION_OF_TYPE.get(kind) != address.version:
                continue
            count += 1
            packed = address.packed
            records += _RECORD.pack(
                _NAME_OF_THE_QUESTION,
                kind,
                _CLASS_IN,
                action.ttl_seconds,
                len(packed),
            )
            records += packed
    flags = _RESPONSE | asked & _RECURSION_DESIRED | _RECURSION_AVAILABLE | rcode
    if action.authoritative:
        flags |= _AUTHORITATIVE
    return _HEADER.pack(identity, flags, 1, count, 0, 0) + question + records


def http_response(action: InjectHttp) -> bytes:
    """The whole response: a redirect, or a page."""
    body = action.body.encode()
    lines = [f"HTTP/1.1 {action.status} {_reason(action.status)}"]
    if action.location is not None:
        lines.append(f"Location: {action.location}")
    if body:
        lines.append("Content-Type: text/html; charset=utf-8")
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""  # the phrase is optional (RFC 9112, 4)
