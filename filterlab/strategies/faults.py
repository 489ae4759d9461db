"""What is wrong with a text that should be a strategy, with a caret under the place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class Fault(Exception):  # noqa: N818 - one of several that a BadNotation carries
    """One thing that is wrong: where in the text (from 0), what, what was expected."""

    def __init__(
        self, at: int, width: int, message: str, expected: str, help: str
    ) -> None:
        super().__init__(message)
        self.at, self.width = at, width
        self.message, self.expected, self.help = message, expected, help

    def render(self, text: str) -> str:
        """The fault below the text that it is in."""
        marks = " " * self.at + "^" * self.width
        says = f"{marks} expected {self.expected}" if self.expected else marks
        lines = [f"error: {self.message}", f"    {text}", f"    {says}"]
        return "\n".join([*lines, *([f"    = help: {self.help}"] if self.help else [])])


class BadNotation(Exception):  # noqa: N818 - it is about a text, not a failure
    """A text that is no strategy, and everything that is wrong with it."""

    def __init__(self, text: str, faults: Sequence[Fault]) -> None:
        self.text = text
        self.faults = tuple(sorted(faults, key=lambda fault: fault.at))
        super().__init__("\n".join(fault.render(text) for fault in self.faults))


def nearest(word: str, choices: Iterable[str]) -> str:
    """The closest choice as a question, or nothing if none is close."""
    near = difflib.get_close_matches(word, list(choices), n=1)
    return f"did you mean '{near[0]}'?" if near else ""
