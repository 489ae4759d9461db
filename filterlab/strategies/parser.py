"""Reads Geneva's DNA notation, and says where and why a text is none.

Takes every text that Geneva's own parser takes, however odd: an action's name in any
case and by any part of it, an inbound forest alone or none, trees without their last
`-` or `|`, quotes around the whole, what stands behind a tab, a last parenthesis that
is any other character. Refused is what Geneva refuses. How it goes about it: `parse` of
actions/utils.py, `ActionTree.parse` and `do_parse` of actions/tree.py, and
`Trigger.parse` of actions/trigger.py of github.com/Kkevsterrr/geneva.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from filterlab.strategies.actions import (
    Arguments,
    check_field,
    plain,
    read_head,
    whole,
)
from filterlab.strategies.faults import BadNotation, Fault
from filterlab.strategies.notation import BETWEEN, Action, Strategy, Tree, Trigger

# The published trees end at seven. Geneva ends where Python's recursion does, a little
# below a thousand; so do the steps that follow here, with what calls them.
_DEEPEST = 700
# Up to the last `]-` stands the trigger; what follows ends at white space.
_TREE = re.compile(r"\[(\S*)\]-(\S*)")
_SIGN = re.compile("[(,]")


def parse(text: str) -> Strategy:
    """The strategy that a text is; raises BadNotation with all that is wrong."""
    faults: list[Fault] = []
    forests: tuple[list[Tree], list[Tree]] = ([], [])
    for index, (start, end) in enumerate(_forests(text)):
        inbound = index > 0
        for first, last in _trees(text, start, end):
            try:
                piece = Arguments(text[first:last], first)
                forests[inbound].append(_tree(piece, inbound))
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


def _tree(piece: Arguments, inbound: bool) -> Tree:
    """The tree that a piece of text is, which has no white space around it."""
    space = piece.text.find(" ")
    if space >= 0:
        help_ = "a tree ends with '-|', and only then comes a space"
        message = "a tree has no spaces in it"
        raise Fault(piece.at + space, 1, message, "'-|'", help_)
    found = _TREE.match(piece.text)
    if found is None:
        raise _no_tree(piece)
    trigger = _trigger(Arguments(found[1], piece.at + found.start(1)))
    actions = found[2]
    if found.end() == len(piece.text):
        actions = actions.removesuffix("-")
    start = piece.at + found.start(2)
    return Tree(trigger, _action(Arguments(actions, start), inbound, 0))


def _no_tree(piece: Arguments) -> Fault:
    word = piece.text
    if word.startswith("["):
        end = word.find("]")
        if end < 0:
            message = "the trigger has no end"
            return Fault(piece.at, 1, message, "']-' after it", "")
        message = "after the trigger its actions follow"
        return Fault(piece.at + end + 1, 1, message, "'-'", "")
    help_ = "a tree is [TCP:flags:PA]-action-|"
    if word in ("/", "\\", "\\\\/"):
        help_ = r"'\/' parts the forests; in double quotes YAML makes '/' of it:"
        help_ += " use single ones"
    return piece.fault("a tree begins with its trigger", "'['", help_)


def _trigger(piece: Arguments) -> Trigger:
    """The trigger between brackets; Geneva passes over a second pair of them."""
    inner = piece.text.removeprefix("[")
    at = piece.at + len(piece.text) - len(inner)
    written = Arguments(inner.removesuffix("]"), at)
    parts = list(written.parts())
    if len(parts) not in (3, 4):
        message = f"a trigger has 3 parts or 4, not {len(parts)}"
        help_ = "such as [TCP:flags:PA], or [TCP:flags:PA:2] for the first two"
        raise written.fault(message, "protocol:field:value[:gas]", help_)
    protocol, field, value, *gas = parts
    check_field(protocol.text, field.text, at)
    left = whole(gas[0], "how often it fires") if gas else None
    return Trigger(protocol.text, field.text, plain(value.text), left)


def _action(piece: Arguments, inbound: bool, depth: int) -> Action | None:
    """The action that a piece is, with all its branches; None for an empty piece."""
    if not piece.text:
        return None
    if depth >= _DEEPEST:
        message = f"the tree is more than {_DEEPEST} actions deep"
        raise Fault(piece.at, 1, message, "fewer", "")
    head, left, right = _branches(piece)
    action: Action = read_head(head, left, right, inbound)
    return replace(
        action,
        left=_action(left, inbound, depth + 1),
        right=_action(right, inbound, depth + 1),
    )


def _branches(piece: Arguments) -> tuple[Arguments, Arguments, Arguments]:
    """An action's head and its two branches, empty where it has none.

    Their comma is the first before which there are as many commas as parentheses have
    been opened, wherever these stand; the last character is the closing parenthesis,
    whatever it is.
    """
    text = piece.text
    opened = text.find("(")
    if opened < 0:
        nothing = Arguments("", piece.at + len(text))
        return piece, nothing, nothing
    open_ones = commas = 0
    for sign in _SIGN.finditer(text, opened):
        index = sign.start()
        open_ones += text[index] == "("
        commas += text[index] == ","
        if commas == open_ones:
            head = Arguments(text[:opened], piece.at)
            left = Arguments(text[opened + 1 : index], piece.at + opened + 1)
            right = Arguments(text[index + 1 : -1], piece.at + index + 1)
            return head, left, right
    help_ = "both branches are written: (left,right); empty ones send"
    message = f"the branches of {text[:opened]!r} are not parted"
    raise Fault(piece.at + opened, len(text) - opened, message, "','", help_)
