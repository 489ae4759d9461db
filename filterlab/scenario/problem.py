"""What is wrong with an input file, and how a person is told.

A problem names its place, what stands there, what was expected, and at most one
suggestion. The form is the compilers' (`file:line:column: error: ...`), so that
editors can jump to it. Python's own types never show.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

_LINE_SHOWN = 100  # columns of a source line; a longer one is cut around its caret
_VALUE_SHOWN = 60  # characters of a value that a message quotes
_CHOICES_SHOWN = 20  # a longer list of choices hides the message

# Every kind of problem; tests/scenario/bad has an example of each.
_KINDS = """
    missing-file directory unreadable-file too-large not-utf8 unprintable empty
    not-yaml tab several-documents tag key-not-text duplicate-key too-deep
    too-many-nodes alias-loop unknown-alias not-a-mapping
    unknown-key missing-key wrong-shape bad-value bad-name one-of
    unknown-topology unknown-parameter bad-layout no-exchange unknown-place
    unknown-exchange unknown-policy unknown-client unknown-service unknown-probe
    unknown-phase unknown-tool unknown-rule unknown-controller unknown-registry
    unknown-strategy bad-strategy bad-server
    does-not-speak port-twice name-twice timeline-start timeline-order exchange-twice
    phase-twice phase-differs contradiction needs-repeat
    unknown-field unreachable-rule cannot-at-position cannot-follow rule-twice
    list-file own-recogniser needless-key hook
"""
KINDS = frozenset(_KINDS.split())


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of one line of a file; line and column count from 1."""

    file: str
    line: int
    column: int
    width: int = 1
    text: str | None = None  # the source line, where there is one to show

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at one place, and the other place if two disagree."""

    kind: str
    place: Place
    message: str
    expected: str = ""
    help: str = ""
    other: Place | None = None
    other_says: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise AssertionError(f"a kind of problem without an example: {self.kind}")

    def render(self) -> str:
        """The problem as lines of text, without a final newline."""
        lines = [f"{self.place}: error: {self.message}"]
        lines += _pointer(self.place, self.expected)
        if self.other is not None:
            lines.append(f"      = see {self.other}: {self.other_says}")
        if self.help:
            lines.append(f"      = help: {self.help}")
        return "\n".join(lines)


class BadInput(Exception):  # noqa: N818 - the design's word
    """Input that cannot be used; carries every problem that was found (exit 2)."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        # One mistake behind an alias is met once for every use of the alias.
        once = dict.fromkeys(problems)
        files = list(dict.fromkeys(problem.place.file for problem in once))
        self.problems: tuple[Problem, ...] = tuple(
            sorted(
                once,
                key=lambda problem: (
                    files.index(problem.place.file),
                    problem.place.line,
                    problem.place.column,
                ),
            )
        )
        super().__init__(self.render())

    def render(self) -> str:
        """Every problem, file by file, each file with its count in the last line."""
        blocks = []
        for file, group in groupby(self.problems, lambda problem: problem.place.file):
            problems = list(group)
            blocks += [problem.render() for problem in problems]
            count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
            blocks.append(f"{count} in {file}; nothing was started")
        return "\n".join(blocks)


def quoted(text: str) -> str:
    """A value in quotes: cut when long, and without anything a terminal obeys."""
    if len(text) > _VALUE_SHOWN:
        text = text[: _VALUE_SHOWN - 3] + "..."
    return "'" + "".join(c if c.isprintable() else "?" for c in text) + "'"


def one_of(choices: Iterable[str]) -> str:
    """The choices as words, cut when there are too many to read."""
    names = list(dict.fromkeys(choices))
    if not names:
        return "nothing: there is none"
    shown = ", ".join(names[:_CHOICES_SHOWN])
    if len(names) > _CHOICES_SHOWN:
        shown += f", ... ({len(names)} in all)"
    return f"one of: {shown}" if len(names) > 1 else shown


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The closest choice as a question, or nothing if none is close."""
    near = difflib.get_close_matches(word, list(choices), n=1)
    return f"did you mean {quoted(near[0])}?" if near else ""


def listed(words: Sequence[str], joint: str) -> str:
    """Words as a sentence has them: "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"


def _pointer(place: Place, expected: str) -> list[str]:
    says = f" expected {expected}" if expected else ""
    if place.text is None:
        return [f"      |{says}"] if says else []
    text = "".join(c if c.isprintable() else " " for c in place.text.rstrip())
    start = place.column - 1
    width = max(1, min(place.width, len(text) - start))
    if len(text) > _LINE_SHOWN:
        text, start = _cut(text, start)
        width = max(1, min(width, len(text) - start))
    return [
        f"{place.line:>5} | {text}",
        f"      | {' ' * start}{'^' * width}{says}",
    ]


def _cut(text: str, start: int) -> tuple[str, int]:
    """The part of a long line around its caret, and where the caret is in it."""
    first = max(0, min(start - _LINE_SHOWN // 4, len(text) - _LINE_SHOWN))
    before = "..." if first else ""
    after = "..." if first + _LINE_SHOWN < len(text) else ""
    shown = before + text[first : first + _LINE_SHOWN] + after
    return shown, start - first + len(before)
