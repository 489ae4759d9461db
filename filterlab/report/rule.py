"""Cuts a rule's own lines out of its policy's file, and marks those that spoke.

The text is cut by its indentation, not read as YAML: what is shown is what stands in
the file, comments and all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MOST_LINES = 40
_ITEM = re.compile(r"^(\s*)- ")


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One line of a rule; `spoke` if it names what was found or what was done."""

    number: int
    text: str
    spoke: bool


def rule_lines(
    decision: Mapping[str, Any], files: Mapping[str, str]
) -> tuple[RuleLine, ...]:
    """The lines of the rule that a decision names; none if its file was not kept."""
    name, _, line = str(decision["source"]).rpartition(":")
    text = files.get(name)
    if text is None or not line.isdigit():
        return ()
    lines = text.splitlines()
    first = int(line) - 1
    if first >= len(lines):
        return ()
    keys = [*decision.get("finding", ()), str(decision.get("action", ""))]
    return tuple(
        RuleLine(number + 1, lines[number], _speaks(lines[number], keys))
        for number in range(first, min(_end(lines, first), first + _MOST_LINES))
    )


def _end(lines: list[str], first: int) -> int:
    """The line after the rule: the next one that is indented no further."""
    item = _ITEM.match(lines[first])
    depth = len(item[1]) if item else len(lines[first]) - len(lines[first].lstrip())
    at = first + 1
    while at < len(lines):
        line = lines[at]
        bare = line.strip()
        if bare and len(line) - len(line.lstrip()) <= depth:
            break
        at += 1
    while at > first + 1 and not lines[at - 1].strip():
        at -= 1
    return at


def _speaks(line: str, keys: list[str]) -> bool:
    code = line.partition(" #")[0]
    return any(
        key and re.search(rf"(?<![\w.]){re.escape(key)}(?!\w)", code) for key in keys
    )
