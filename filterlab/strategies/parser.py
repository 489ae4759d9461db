"""Reads Geneva's DNA notation, and says where and why a text is none.

What Geneva's own parser takes is taken: any case of an action's name and a part of
it that is no other's, an inbound forest alone or none, trees without their last `-`
or `|`, quotes around the whole. What it takes by accident and makes something else
of is refused: unclosed braces and parentheses, a word that is neither True nor False,
a `fragment` of neither tcp nor ip, a tamper without protocol and field (Geneva draws
some), and a number that is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from filterlab.strategies.actions import (
    Arguments,
    check_field,
    named,
    read_arguments,
    whole,
)
from filterlab.strategies.faults import BadNotation, Fault
from filterlab.strategies.fields import PROTOCOLS
from filterlab.strategies.notation import (
    BETWEEN,
    Action,
    Drop,
    Duplicate,
    Fragment,
    Send,
    Strategy,
    Tamper,
    Trace,
    Tree,
    Trigger,
)

_DEEPEST = 100  # the published trees end at seven; recursion must end somewhere
_TWO_BRANCHES = (Duplicate, Fragment)
_NO_BRANCHES = (Drop, Send, Trace)


def parse(text: str) -> Strategy:
    """The strategy that a text is; raises BadNotation with all that is wrong."""
    faults: list[Fault] = []
    forests: tuple[list[Tree], list[Tree]] = ([], [])
    for index, (start, end) in enumerate(_forests(text)):
        inbound = index > 0
        for first, last in _trees(text, start, end):
            try:
                tree = _Reader(text, first, last, inbound).tree()
                forests[inbound].append(tree)
            except Fault as fault:
                faults.append(fault)
    if faults:
        raise BadNotation(text, faults)
    return Strategy(tuple(forests[0]), tuple(forests[1]))


def _forests(text: str) -> Iterator[tuple[int, int]]:
    """Where each forest stands; quotes around the whole are no part of it."""
    start = 1 if text.startswith('"') else 0
    end = len(text) - 1 if text.endswith('"') and len(text) > start else len(text)
    while (found := text.find(BETWEEN, start, end)) >= 0:
        yield start, found
        start = found + len(BETWEEN)
    yield start, end


def _trees(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where each tree of a forest stands, without the `|` that ends it."""
    while start < end:
        bar = text.find("|", start, end)
        last = bar if bar >= 0 else end
        piece = text[start:last]
        if piece.strip():
            first = start + len(piece) - len(piece.lstrip())
            yield first, first + len(piece.strip())
        start = last + 1


class _Reader:
    """Reads one tree: the characters of `text` from `start` to `end`."""

    def __init__(self, text: str, start: int, end: int, inbound: bool) -> None:
        self._text = text
        self._at = start
        self._end = end
        self._inbound = inbound
        self._depth = 0

    def tree(self) -> Tree:
        """The whole tree."""
        self._no_spaces()
        if self._here() != "[":
            raise self._no_tree()
        close = self._trigger_end()
        trigger = _trigger(self._text, self._at + 1, close)
        self._at = close + 2
        if self._text[self._at : self._end].endswith("-"):
            self._end -= 1
        action = self._action()
        if self._at < self._end:
            left_over = self._end - self._at
            message = f"there is more after the tree's end: {self._rest()!r}"
            help_ = "close each '(' once" if self._here() == ")" else ""
            if self._rest() == "-\\":
                help_ = r"Markdown's tables write '\|'; here it is '|'"
            raise Fault(self._at, left_over, message, "'-|'", help_)
        return Tree(trigger, action)

    def _no_spaces(self) -> None:
        found = re.search(r"\s", self._text[self._at : self._end])
        if found is not None:
            help_ = "a tree ends with '-|', and only then comes a space"
            place = self._at + found.start()
            raise Fault(place, 1, "a tree has no spaces in it", "'-|'", help_)

    def _no_tree(self) -> Fault:
        word = self._text[self._at : self._end]
        help_ = "a tree is [TCP:flags:PA]-action-|"
        if word in ("/", "\\", "\\\\/"):
            help_ = r"'\/' parts the forests; in double quotes YAML makes '/' of it:"
            help_ += " use single ones"
        return Fault(
            self._at, len(word), "a tree begins with its trigger", "'['", help_
        )

    def _trigger_end(self) -> int:
        """Where the trigger's `]` is: the last `]-` that has a trigger before it."""
        text = self._text
        if text.find("]", self._at, self._end) < 0:
            message = "the trigger has no end"
            raise Fault(self._at, 1, message, "']-' after it", "")
        ends = [
            m.start() + self._at
            for m in re.finditer(r"\]-", text[self._at : self._end])
        ]
        if not ends:
            place = text.find("]", self._at, self._end) + 1
            raise Fault(place, 1, "after the trigger its actions follow", "'-'", "")
        for end in reversed(ends):
            parts = text[self._at + 1 : end].strip("[").split(":")
            if len(parts) in (3, 4) and parts[0].upper() in PROTOCOLS:
                return end
        return ends[0]

    def _action(self) -> Action | None:
        """The action that begins here with all its branches; None for an empty one."""
        if self._at >= self._end or self._here() in ",)":
            return None
        if self._depth >= _DEEPEST:
            message = f"the tree is more than {_DEEPEST} actions deep"
            raise Fault(self._at, 1, message, "fewer", "")
        start = self._at
        word = re.match(r"[^{}(),\\-]*", self._text[start : self._end])
        name = word[0] if word else ""
        self._at += len(name)
        kind = named(name, start, self._inbound)
        given = self._arguments(kind.__name__.lower())
        if given is None and kind is Tamper:
            message = "'tamper' lacks what it changes"
            help_ = "such as tamper{TCP:flags:replace:R}; Geneva would draw one"
            raise Fault(start, len(name), message, "'{protocol:field:how}'", help_)
        action = kind(**read_arguments(kind, given))
        if self._at < self._end and self._here() == "(":
            return self._branches(action)
        return action

    def _arguments(self, name: str) -> Arguments | None:
        """What stands in the braces; None without braces, or with nothing in them."""
        if self._at >= self._end or self._here() != "{":
            return None
        close = self._text.find("}", self._at, self._end)
        if close < 0:
            raise Fault(self._at, 1, f"the braces of '{name}' have no end", "'}'", "")
        inside = Arguments(self._text[self._at + 1 : close], self._at + 1)
        self._at = close + 1
        return inside if inside.text else None

    def _branches(self, action: Action) -> Action:
        opened = self._at
        self._at += 1
        self._depth += 1
        left_at = self._at
        left = self._action()
        self._expect(",", "both branches are written: (left,right); empty ones send")
        right_at = self._at
        right = self._action()
        self._expect(")", f"it closes the '(' at {opened + 1}")
        self._depth -= 1
        name = type(action).__name__.lower()
        if isinstance(action, _NO_BRANCHES) and (left or right):
            place = left_at if left else right_at
            message = f"nothing comes after '{name}'"
            raise Fault(place, len(str(left or right)), message, "no branches", "")
        if right is not None and not isinstance(action, _TWO_BRANCHES):
            message = f"'{name}' gives one packet, so it has no right branch"
            help_ = "write (left,); only duplicate and fragment have two"
            raise Fault(right_at, len(str(right)), message, "')'", help_)
        values = {f: getattr(action, f) for f in type(action).__dataclass_fields__}
        return type(action)(**{**values, "left": left, "right": right})

    def _expect(self, sign: str, help_: str) -> None:
        if self._at < self._end and self._here() == sign:
            self._at += 1
            return
        found = f"'{self._here()}'" if self._at < self._end else "the tree's end"
        raise Fault(self._at, 1, f"here is {found}", f"'{sign}'", help_)

    def _here(self) -> str:
        return self._text[self._at]

    def _rest(self) -> str:
        return self._text[self._at : self._end]


def _trigger(text: str, start: int, end: int) -> Trigger:
    """The trigger between brackets; Geneva passes over a second pair of them."""
    while start < end and text[start] == "[":
        start += 1
    while start < end and text[end - 1] == "]":
        end -= 1
    parts = text[start:end].split(":")
    if len(parts) not in (3, 4):
        message = f"a trigger has 3 parts or 4, not {len(parts)}"
        width = max(1, end - start)
        help_ = "such as [TCP:flags:PA], or [TCP:flags:PA:2] for the first two"
        raise Fault(start, width, message, "protocol:field:value[:gas]", help_)
    protocol, field, value, *gas = parts
    check_field(protocol, field, start)
    if not gas:
        return Trigger(protocol, field, value)
    left = Arguments(gas[0], end - len(gas[0]))
    return Trigger(protocol, field, value, whole(left, "how often it fires"))
