"""Reads, sets and makes up the fields of a packet that a strategy names.

What a corrupted field may become follows Geneva's layers: a window of 10 to 190, a
data offset of 1 to 15, a checksum that is not 0, ten letters or a request as load.
Setting any field lets IP's and TCP's checksums be worked out again, as it does there:
the order of tampers matters, and a checksum is tampered with last.
"""

from __future__ import annotations

import string
from ipaddress import IPv4Address
from random import Random
from urllib.parse import quote, unquote_to_bytes

from filterlab.strategies import dns
from filterlab.strategies.fields import OPTIONS, bits
from filterlab.strategies.packet import DERIVED, Packet, address

_FLAGS = "FSRPAUECN"  # bit by bit (RFC 9293, 3.1; RFC 3168; RFC 3540)
_IP_FLAGS = ("MF", "DF", "evil")  # RFC 791, 3.1; the third by RFC 3514
# Half of the corrupted flags are of these, the other half any.
_REAL_FLAGS = ("S", "A", "SA", "PA", "FA", "R", "P", "F", "RA", "")
# What the two placeholders in a load stand for: any request will do for a decoy.
_PLACEHOLDERS = {
    b"__HTTP_REQUEST__": b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
    b"__DNS_REQUEST__": dns.question(0x4642, "www.example.com"),
}
# Bytes of an option's content, and how many of its end are always zero.
_OPTION_BYTES = {"mss": (2, 0), "wscale": (1, 0), "timestamp": (8, 4), "uto": (2, 0)}
_OPTION_BYTES["altchksum"] = (3, 2)
_MD5_BYTES = 16  # RFC 2385
_CORRUPT_LOAD_LETTERS = 10


class Unusable(ValueError):  # noqa: N818 - about a value in a strategy
    """A value that a field cannot take; the packet stays as it is."""


def has(packet: Packet, protocol: str) -> bool:
    """Whether the packet has a header of this protocol."""
    if protocol == "IP":  # Geneva's is IPv4
        return not packet.ipv6
    if protocol in ("DNS", "DNSQR"):
        if packet.transport != "UDP" or 53 not in packet.head.values():
            return False
        return dns.readable(packet.load, protocol)
    return packet.transport == protocol


def get(packet: Packet, protocol: str, field: str) -> int | str:
    """A field's value: a number, or the text by which strategies name it."""
    if protocol in ("DNS", "DNSQR"):
        return dns.get(packet.load, field)
    if field == "load":
        return quote(packet.load.decode("utf-8", "ignore"))
    if protocol == "IP" and field in ("src", "dst"):
        raw = packet.source if field == "src" else packet.target
        return str(IPv4Address(raw))
    if protocol == "IP" and field == "flags":
        value = packet.ip["flags"]
        return "+".join(n for i, n in enumerate(_IP_FLAGS) if value >> i & 1)
    if field == "flags":
        value = packet.head["flags"]
        return "".join(n for i, n in enumerate(_FLAGS) if value >> i & 1)
    if field.startswith("options-"):
        return _option(packet, field.removeprefix("options-"))
    if field in DERIVED[protocol]:
        return _derived(packet, protocol, field)
    return packet.ip[field] if protocol == "IP" else packet.head[field]


def put(packet: Packet, protocol: str, field: str, value: str) -> None:
    """Give a field a value, written as strategies write it; raises Unusable."""
    try:
        _assign(packet, protocol, field, value)
    except ValueError:
        raise Unusable(f"{protocol}:{field} cannot be {value!r}") from None
    anew = {("IP", "chksum"), ("TCP", "chksum")}
    if protocol in ("DNS", "DNSQR") or field == "load":
        anew |= {("IP", "len"), ("UDP", "len"), ("UDP", "chksum")}
    if field.startswith("options-"):
        anew |= {("IP", "len"), ("TCP", "dataofs")}
    for one in anew - {(protocol, field)}:
        packet.fixed.pop(one, None)


def _assign(packet: Packet, protocol: str, field: str, value: str) -> None:
    if protocol in ("DNS", "DNSQR"):
        packet.load = dns.put(packet.load, field, value)
    elif field == "load":
        _put_load(packet, protocol, value)
    elif field == "src":
        packet.source = address(value)
    elif field == "dst":
        packet.target = address(value)
    elif field.startswith("options-"):
        name = field.removeprefix("options-")
        _put_option(packet, OPTIONS[name], _content(name, value))
    elif field == "flags":
        header = packet.ip if protocol == "IP" else packet.head
        header["flags"] = flag_bits(protocol, value)
    else:
        number = int(value) & (1 << bits(protocol, field)) - 1
        if field in DERIVED.get(protocol, ()):
            packet.fixed[protocol, field] = number
        else:
            (packet.ip if protocol == "IP" else packet.head)[field] = number


def flag_bits(protocol: str, value: str) -> int:
    """The bits that flags stand for, in any order, or as one number."""
    names: tuple[str, ...] = _IP_FLAGS if protocol == "IP" else tuple(_FLAGS)
    if value.isascii() and value.isdigit():
        return int(value) & (1 << len(names)) - 1
    parts = value.split("+") if protocol == "IP" else list(value)
    # Raises ValueError for a name that there is not.
    return sum(1 << names.index(part) for part in set(parts) - {""})


def _put_load(packet: Packet, protocol: str, value: str) -> None:
    load = unquote_to_bytes(value)
    for written, meant in _PLACEHOLDERS.items():
        load = load.replace(written, meant)
    packet.load = load
    if protocol == "IP":  # what it carries is then no TCP or UDP any more
        packet.transport, packet.head, packet.options = "", {}, []


def _option(packet: Packet, name: str) -> int | str:
    """An option's number, or its content in hexadecimal; "" if it is not there."""
    kind = OPTIONS[name]
    content = next((c for k, c in packet.options if k == kind), None)
    if not content:
        return ""
    if name not in _OPTION_BYTES:
        return content.hex()
    size, zeros = _OPTION_BYTES[name]
    return int.from_bytes(content[: size - zeros], "big")


def _content(name: str, value: str) -> bytes:
    """An option's content out of a number or hexadecimal digits; ValueError."""
    if name in ("eol", "nop", "sack", "sackok"):
        return b""
    if name not in _OPTION_BYTES:
        return bytes.fromhex(value)
    size, zeros = _OPTION_BYTES[name]
    number = int(value or "0") & (1 << 8 * (size - zeros)) - 1
    return number.to_bytes(size - zeros, "big") + bytes(zeros)


def _put_option(packet: Packet, kind: int, content: bytes) -> None:
    """Change the option where it is; else put it behind the others."""
    for index, (known, _) in enumerate(packet.options):
        if known == kind:
            packet.options[index] = kind, content
            return
    packet.options.append((kind, content))


def _derived(packet: Packet, protocol: str, field: str) -> int:
    """A length, offset or checksum as it would be sent."""
    made = packet.build()
    start = len(made) - len(packet.segment())
    match protocol, field:
        case "IP", "ihl":
            return made[0] & 15
        case "IP", "len":
            return int.from_bytes(made[2:4], "big")
        case "IP", "chksum":
            return int.from_bytes(made[10:12], "big")
        case "TCP", "dataofs":
            return made[start + 12] >> 4
        case "TCP", "chksum":
            return int.from_bytes(made[start + 16 : start + 18], "big")
    at = start + (4 if field == "len" else 6)
    return int.from_bytes(made[at : at + 2], "big")


def corrupted(protocol: str, field: str, random: Random) -> str:
    """A value for a field, by chance."""
    if field == "load":
        letters = string.ascii_lowercase + string.digits
        word = "".join(random.choice(letters) for _ in range(_CORRUPT_LOAD_LETTERS))
        return random.choice(["", "__DNS_REQUEST__", "__HTTP_REQUEST__", word])
    if field == "flags":
        return _corrupted_flags(protocol, random)
    if field in ("src", "dst"):
        return str(IPv4Address(random.getrandbits(32)))
    if field.startswith("options-"):
        return _corrupted_option(field.removeprefix("options-"), random)
    if field == "qname":
        return "example.com."
    match protocol, field:
        case "TCP", "window":
            return str(random.randrange(10, 200, 10))
        case "TCP", "dataofs":
            return str(random.randint(1, 15))
        case "IP", "len":
            return str(random.randint(1, 500))
        case _, "chksum":
            return str(random.randint(1, 0xFFFF))
    return str(random.getrandbits(bits(protocol, field) or 1))


def _corrupted_flags(protocol: str, random: Random) -> str:
    if protocol == "TCP" and random.random() < 0.5:
        return random.choice(_REAL_FLAGS)
    return str(random.getrandbits(len(_IP_FLAGS if protocol == "IP" else _FLAGS)))


def _corrupted_option(name: str, random: Random) -> str:
    if name == "md5header":
        return random.randbytes(_MD5_BYTES).hex()
    if name not in _OPTION_BYTES:
        return ""
    size, zeros = _OPTION_BYTES[name]
    return str(random.getrandbits(8 * (size - zeros)))
