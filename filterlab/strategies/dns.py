"""The fields of a DNS message that strategies name, read and set in its bytes.

Source: RFC 1035, 4.1 (header, question) and 4.1.4 (compression).
"""

from __future__ import annotations

from struct import Struct

_HEADER = Struct("!HHHHHH")
_HEADER_BYTES = 12
_COUNTS = {"id": 0, "qdcount": 4, "ancount": 6, "nscount": 8, "arcount": 10}
# field -> (the lowest bit of it in the flags word, how many bits): RFC 1035 and 4035
_BITS = {
    "qr": (15, 1),
    "opcode": (11, 4),
    "aa": (10, 1),
    "tc": (9, 1),
    "rd": (8, 1),
    "ra": (7, 1),
    "z": (6, 1),
    "ad": (5, 1),
    "cd": (4, 1),
    "rcode": (0, 4),
}
_RECURSION_DESIRED = 0x0100
_POINTER = 0xC000
_A_IN = b"\0\1\0\1"  # type A, class IN
_LONGEST_LABEL = 63


def question(ident: int, name: str) -> bytes:
    """A query for the IPv4 address of a name."""
    return _HEADER.pack(ident, _RECURSION_DESIRED, 1, 0, 0, 0) + _labels(name) + _A_IN


def readable(message: bytes, protocol: str) -> bool:
    """Whether the message has a header (DNS) and a whole question (DNSQR)."""
    if len(message) < _HEADER_BYTES:
        return False
    return protocol == "DNS" or _question_end(message) is not None


def get(message: bytes, field: str) -> int | str:
    """A field's value; "" for the questions as a whole, which no trigger can name."""
    if field in _COUNTS:
        at = _COUNTS[field]
        return int.from_bytes(message[at : at + 2], "big")
    if field in _BITS:
        lowest, width = _BITS[field]
        word = int.from_bytes(message[2:4], "big")
        return word >> lowest & (1 << width) - 1
    end = _question_end(message)
    if field == "qd" or end is None:
        return ""
    if field == "qname":
        return _name(message)
    at = end - (4 if field == "qtype" else 2)
    return int.from_bytes(message[at : at + 2], "big")


def put(message: bytes, field: str, value: str) -> bytes:
    """The message with a field changed; raises ValueError for an unusable value."""
    made = bytearray(message)
    end = _question_end(message)
    if field in _COUNTS:
        at = _COUNTS[field]
        made[at : at + 2] = (int(value) & 0xFFFF).to_bytes(2, "big")
    elif field in _BITS:
        lowest, width = _BITS[field]
        mask = (1 << width) - 1
        word = int.from_bytes(message[2:4], "big") & ~(mask << lowest)
        made[2:4] = (word | (int(value) & mask) << lowest).to_bytes(2, "big")
    elif end is None or field == "qd":
        raise ValueError("no question")
    elif field == "qname":
        made[_HEADER_BYTES : end - 4] = _labels(value)
    else:
        at = end - (4 if field == "qtype" else 2)
        made[at : at + 2] = (int(value) & 0xFFFF).to_bytes(2, "big")
    return bytes(made)


def compressed(message: bytes) -> bytes:
    """The question as two, the first with a pointer into the second.

    Its first label stands alone; a censor that does not follow pointers sees no name.
    A message that is no plain question comes back as it is.
    """
    end = _question_end(message)
    if end is None:
        return message
    first, _, rest = _name(message).removesuffix(".").partition(".")
    label = first.encode()
    # Header, length and label, pointer, type and class: there the rest begins.
    pointer = _POINTER | _HEADER_BYTES + 1 + len(label) + 2 + 4
    made = bytearray(message[:_HEADER_BYTES])
    made[4:6] = (2).to_bytes(2, "big")
    made += bytes([len(label)]) + label + pointer.to_bytes(2, "big") + _A_IN
    return bytes(made) + _labels(rest) + _A_IN


def _labels(name: str) -> bytes:
    """A name in the wire's form; raises ValueError."""
    made = b""
    for label in filter(None, name.split(".")):
        raw = label.encode()
        if len(raw) > _LONGEST_LABEL:
            raise ValueError("a label is too long")
        made += bytes([len(raw)]) + raw
    return made + b"\0"


def _name(message: bytes) -> str:
    labels, at = [], _HEADER_BYTES
    while size := message[at]:
        labels.append(message[at + 1 : at + 1 + size].decode("utf-8", "replace"))
        at += size + 1
    return ".".join(labels) + "."


def _question_end(message: bytes) -> int | None:
    """Where the first question ends; None if it is cut, or has a pointer."""
    if len(message) < _HEADER_BYTES or not int.from_bytes(message[4:6], "big"):
        return None
    at = _HEADER_BYTES
    while at < len(message) and (size := message[at]):
        if size > _LONGEST_LABEL:
            return None
        at += size + 1
    return at + 5 if at + 5 <= len(message) else None
