"""Reads an action's name and what stands in its braces, as Geneva's parser does.

Sources: actions/action.py (`parse_action`), and `parse` of actions/tamper.py,
fragment.py, sleep.py and trace.py of github.com/Kkevsterrr/geneva. They refuse a
wrong number of parts and a cut that is no number; whatever else is written they take.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
_BRANCHING = (Duplicate, Fragment)
_LAST = (Drop, Send, Trace)  # nothing comes after these
_HOWS = ("replace", "corrupt", "add", "compress")


@dataclass(frozen=True, slots=True)
class Arguments:
    """A piece of a strategy's text, and where it stands."""

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


def read_head(head: Arguments, left: Arguments, right: Arguments, inbound: bool) -> Any:
    """The action without its branches, which have to be such as it can have.

    Where a name is part of several actions' names, Geneva takes one that differs from
    one start to the next, but only if what stands in braces suits all of them. Here it
    is the first of the table that can have these branches.
    """
    name, _, inside = head.text.partition("{")
    kinds = _named(Arguments(name, head.at), inbound)
    second = inside.find("{")
    place = head.at + len(name) + 1
    if second >= 0:
        there = Arguments("{", place + second)
        raise there.fault("braces stand within braces", "'}' before them")
    given = Arguments(inside.replace("}", ""), place)
    made = [kind(**_arguments(kind, given)) for kind in kinds]
    faults = [_misfit(action, head, left, right) for action in made]
    for action, fault in zip(made, faults, strict=True):
        if fault is None:
            return action
    raise next(fault for fault in faults if fault)


def _named(name: Arguments, inbound: bool) -> Sequence[type[Action]]:
    """The actions of a name, as Geneva finds them: by any part of one, in any case."""
    known = INBOUND if inbound else tuple(ACTIONS)
    low = name.text.lower()
    if low == "send":  # the papers' word for an empty branch; Geneva's parser has none
        return [Send]
    found = [
        kind
        for word, kind in ACTIONS.items()
        if kind is not Send and word in known and low and low in f"{word}action"
    ]
    if found:
        return found
    expected = f"one of: {', '.join(known)}"
    if inbound and low in ACTIONS:
        message = f"'{low}' is for packets that leave, not for those that come"
        raise name.fault(message, expected, r"before the '\/' it may stand")
    message = f"there is no action {name.text!r}" if low else "here is no action"
    help_ = nearest(low.rstrip(")}-\\"), known)
    if low.endswith("-\\"):
        help_ = r"Markdown's tables write '\|'; here it is '|'"
    raise name.fault(message, expected, help_)


def _misfit(
    action: Action, head: Arguments, left: Arguments, right: Arguments
) -> Fault | None:
    """Why an action cannot have these branches."""
    name = type(action).__name__.lower()
    if isinstance(action, _LAST) and (left.text or right.text):
        branch = left if left.text else right
        return branch.fault(f"nothing comes after '{name}'", "no branches")
    if right.text and not isinstance(action, _BRANCHING):
        message = f"'{name}' gives one packet, so it has no right branch"
        help_ = "write (left,); only duplicate and fragment have two"
        return right.fault(message, "')'", help_)
    return None


def _arguments(kind: type[Action], given: Arguments) -> dict[str, Any]:
    """What an action's braces say, by the names of its fields."""
    if not given.text:
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
    """A whole number, as Python writes them."""
    try:
        return int(given.text)
    except ValueError:
        raise given.fault(f"{given.text!r} is no whole number", what) from None


def plain(value: str) -> str:
    """A value without needless digits, if it is a number: Geneva keeps those so."""
    try:
        return str(int(value))
    except ValueError:
        return value


def _tamper(given: Arguments) -> dict[str, Any]:
    parts = [part.text for part in given.parts()]
    if len(parts) not in (3, 4):
        expected = "protocol:field:how[:value]"
        raise given.fault(f"a tamper has 3 parts or 4, not {len(parts)}", expected)
    protocol, field, how, *values = parts
    value = values[0] if values and how != "corrupt" else None
    if value is not None and "load" not in field:
        value = plain(value)
    return {"protocol": protocol, "field": field, "how": how, "value": value}


def _fragment(given: Arguments) -> dict[str, Any]:
    parts = list(given.parts())
    if len(parts) not in (3, 4):
        expected = "tcp or ip:where:in order[:overlap], such as tcp:8:True"
        raise given.fault(f"a fragment has 3 parts or 4, not {len(parts)}", expected)
    layer, at, in_order = parts[:3]
    return {
        # What is no TCP segment is cut as an IP packet, and Geneva prints it so.
        "layer": "tcp" if "tcp" in layer.text else "ip",
        "at": whole(at, "a byte, or -1 for the middle"),
        "in_order": in_order.text.startswith("True"),
        "overlap_bytes": whole(parts[3], "a number of bytes") if parts[3:] else 0,
    }


def _sleep(given: Arguments) -> dict[str, Any]:
    try:
        seconds = float(given.text)
    except ValueError:
        return {}
    shown = f"{seconds:g}"
    # Six digits are all that Geneva prints; more of them are no reason to lose some.
    exact = float(shown) == seconds or seconds != seconds
    return {"seconds": shown if exact else given.text}


def _trace(given: Arguments) -> dict[str, Any]:
    parts = [part.text for part in given.parts()]
    if len(parts) != 2:
        return {}
    try:
        first, last = map(int, parts)
    except ValueError:
        return {"unusable": given.text}
    return {"first_ttl": first, "last_ttl": last}


def doubts(action: Action) -> Iterator[str]:
    """What an action does not do, though Geneva's parser takes it."""
    if isinstance(action, Trace) and (
        action.unusable or action.first_ttl >= action.last_ttl
    ):
        yield f"{action.head} sends nothing: it has no TTLs to go through"
    if isinstance(action, Sleep) and not 0 <= float(action.seconds) < float("inf"):
        yield f"{action.head} sends nothing: nobody can sleep so long"
    if not isinstance(action, Tamper) or action.protocol is None:
        return
    try:
        check_field(action.protocol, action.field, 0)
    except Fault as fault:
        yield f"{action.head} changes nothing: {fault.message}{_or(fault.help)}"
    if action.how not in _HOWS:
        near = _or(nearest(action.how, _HOWS))
        yield f"{action.head} replaces: {action.how!r} is no way to tamper{near}"


def _or(help_: str) -> str:
    return f"; {help_}" if help_ else ""
