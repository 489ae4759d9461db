"""Reads an action's name and what stands in its braces."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from filterlab.strategies.faults import Fault, nearest
from filterlab.strategies.fields import FIELDS, PROTOCOLS
from filterlab.strategies.notation import (
    Action,
    Drop,
    Duplicate,
    Fragment,
    Send,
    Sleep,
    Tamper,
    Trace,
)

ACTIONS: dict[str, type[Action]] = {
    "send": Send,
    "drop": Drop,
    "duplicate": Duplicate,
    "tamper": Tamper,
    "fragment": Fragment,
    "sleep": Sleep,
    "trace": Trace,
}
# Geneva has no branching on the way in: a packet that came cannot become two.
INBOUND = ("send", "drop", "tamper")
HOWS = ("replace", "corrupt", "add", "compress")
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_LONGEST_SECONDS = 3600.0  # longer than any run; a typing error otherwise


@dataclass(frozen=True, slots=True)
class Arguments:
    """The text in an action's braces, and where it stands."""

    text: str
    at: int

    def parts(self) -> Iterator[Arguments]:
        """What stands between the colons."""
        place = self.at
        for part in self.text.split(":"):
            yield Arguments(part, place)
            place += len(part) + 1

    def fault(self, message: str, expected: str, help: str = "") -> Fault:
        """A fault under this text."""
        return Fault(self.at, max(1, len(self.text)), message, expected, help)


def named(name: str, at: int, inbound: bool) -> type[Action]:
    """The action of a name, as Geneva finds it: any part of one, in any case."""
    known = INBOUND if inbound else tuple(ACTIONS)
    low = name.lower()
    if low in known:
        return ACTIONS[low]
    found = [one for one in known if low and low in f"{one}action"]
    if len(found) == 1:
        return ACTIONS[found[0]]
    expected = f"one of: {', '.join(known)}"
    width = max(1, len(name))
    if inbound and low in ACTIONS:
        message = f"'{low}' is for packets that leave, not for those that come"
        raise Fault(at, width, message, expected, r"before the '\/' it may stand")
    if len(found) > 1:
        message = f"{name!r} could be {' or '.join(found)}"
        raise Fault(at, width, message, expected, "")
    message = f"there is no action {name!r}" if name else "here is no action"
    raise Fault(at, width, message, expected, nearest(low, known))


def read_arguments(kind: type[Action], given: Arguments | None) -> dict[str, Any]:
    """What an action's braces say, by the names of its fields."""
    if given is None:
        return {}
    if kind is Tamper:
        return _tamper(given)
    if kind is Fragment:
        return _fragment(given)
    if kind is Sleep:
        return _sleep(given)
    if kind is Trace:
        return _trace(given)
    raise given.fault(f"'{kind.__name__.lower()}' takes nothing in braces", "no braces")


def check_field(protocol: str, field: str, at: int) -> None:
    """Complain of a protocol, or of a field of it, that there is not."""
    fields = FIELDS.get(protocol.upper())
    if fields is None:
        raise Arguments(protocol, at).fault(
            f"there is no protocol {protocol!r} for strategies",
            f"one of: {', '.join(PROTOCOLS)}",
            nearest(protocol.upper(), PROTOCOLS),
        )
    if field not in fields:
        raise Arguments(field, at + len(protocol) + 1).fault(
            f"{protocol.upper()} has no field {field!r}",
            f"one of: {', '.join(fields)}",
            nearest(field, fields),
        )


def whole(given: Arguments, what: str) -> int:
    """A whole number."""
    if not _WHOLE.fullmatch(given.text):
        raise given.fault(f"{given.text!r} is no whole number", what)
    return int(given.text)


def _tamper(given: Arguments) -> dict[str, Any]:
    parts = list(given.parts())
    if len(parts) not in (3, 4):
        expected = "protocol:field:how[:value]"
        raise given.fault(f"a tamper has 3 parts or 4, not {len(parts)}", expected)
    protocol, field, how = parts[:3]
    check_field(protocol.text, field.text, protocol.at)
    if how.text not in HOWS:
        expected = f"one of: {', '.join(HOWS)}"
        message = f"a tamper cannot {how.text!r}"
        raise how.fault(message, expected, nearest(how.text, HOWS))
    value = None
    if how.text in ("replace", "add"):
        if len(parts) == 3:
            message = f"'{how.text}' lacks its value"
            expected = "':' and the value, which may be empty"
            raise how.fault(message, expected)
        value = parts[3].text
    return {
        "protocol": protocol.text,
        "field": field.text,
        "how": how.text,
        "value": value,
    }


def _fragment(given: Arguments) -> dict[str, Any]:
    parts = list(given.parts())
    if len(parts) not in (3, 4):
        expected = "tcp or ip:where:in order[:overlap], such as tcp:8:True"
        raise given.fault(f"a fragment has 3 parts or 4, not {len(parts)}", expected)
    layer, at, in_order = parts[:3]
    if layer.text not in ("tcp", "ip", "udp"):
        message = f"{layer.text!r} cannot be cut"
        help_ = "only 'tcp' makes segments; Geneva takes any other word for 'ip'"
        raise layer.fault(message, "one of: tcp, ip, udp", help_)
    if in_order.text not in ("True", "False"):
        message = f"{in_order.text!r} is neither True nor False"
        help_ = nearest(in_order.text.capitalize(), ("True", "False"))
        raise in_order.fault(message, "True or False", help_)
    return {
        # A UDP datagram can only be cut as an IP packet, and Geneva prints it so.
        "layer": "tcp" if layer.text == "tcp" else "ip",
        "at": whole(at, "a byte, or -1 for the middle"),
        "in_order": in_order.text == "True",
        "overlap_bytes": whole(parts[3], "a number of bytes") if parts[3:] else 0,
    }


def _sleep(given: Arguments) -> dict[str, Any]:
    try:
        seconds = float(given.text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= _LONGEST_SECONDS:
        expected = f"seconds from 0 to {_LONGEST_SECONDS:g}, such as 0.5"
        raise given.fault(f"nobody can sleep {given.text!r}", expected)
    return {"seconds": given.text}


def _trace(given: Arguments) -> dict[str, Any]:
    parts = list(given.parts())
    if len(parts) != 2:
        raise given.fault("a trace has two TTLs", "first:last, such as 1:64")
    first, last = (whole(part, "a TTL") for part in parts)
    if (
        not 0 <= first <= last <= 256
    ):  # a TTL has 8 bits (RFC 791), and last is not sent
        raise given.fault("the TTLs run backwards or too far", "first:last")
    return {"first_ttl": first, "last_ttl": last}
