"""Reads what a scenario says of strategies: a name, DNA, or one for each end.

A strategy of DNA is checked where it stands, with a caret under the very character;
one with a name is a file in `scenarios/strategies`, which says at which end it works.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from filterlab.scenario import content, source
from filterlab.scenario.item import Item, validate
from filterlab.scenario.problem import (
    BadInput,
    Place,
    Problem,
    did_you_mean,
    one_of,
    quoted,
)
from filterlab.scenario.reference import Reference
from filterlab.scenario.source import Document, Path_, Text, spelled
from filterlab.scenario.values import Unreadable, Words, word_of
from filterlab.strategies.faults import BadNotation
from filterlab.strategies.named import BUILTINS, HELLO_PADDING
from filterlab.strategies.parser import parse

Side = Literal["client", "server"]
_SIDES: tuple[Side, Side] = ("client", "server")
_LINES_SEARCHED = 40  # a scalar of more lines is named by its first


class StrategyFile(Item):
    """A strategy's file: what it is, and DNA or the word for what DNA cannot say."""

    title: Words
    sources: list[Reference] = Field(default_factory=list)
    side: Annotated[str, word_of(*_SIDES)] = "client"
    dna: Words | None = None
    builtin: Annotated[str, word_of(*BUILTINS, HELLO_PADDING)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.dna is None) == (self.builtin is None):
            says = "does nothing" if self.dna is None else "is two strategies"
            raise Unreadable("either 'dna' or 'builtin'", says=says, kind="one-of")
        return self

    @property
    def text(self) -> str:
        """What its process is told."""
        return self.dna or self.builtin or ""


class ProbeStrategy(Item):
    """The strategies around a probe: at its client, at its server, or at both."""

    client: Words | None = None
    server: Words | None = None

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A bare text is for the client, unless its file says otherwise."""
        return {"client": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.client is None and self.server is None:
            expected = "'client', 'server' or both"
            raise Unreadable(expected, says="is empty", kind="one-of")
        return self

    @property
    def shown(self) -> str:
        """The strategies as they were named."""
        if self.server is None or self.client is None:
            return str(self.client or f"server: {self.server}")
        return f"client: {self.client}, server: {self.server}"


@dataclass(frozen=True, slots=True)
class Applied:
    """What the processes at both ends are told; None for an end without one."""

    client: str | None
    server: str | None


def load_strategy(path: Path) -> StrategyFile:
    """Read and check a strategy's file; raises BadInput with all that is wrong."""
    document = source.read(path, content.shown(path))
    result = validate(StrategyFile, document)
    if isinstance(result, list):
        raise BadInput(document.problems)
    if result.dna is not None:
        _check(document, ("dna",), result.dna)
    if document.problems:
        raise BadInput(document.problems)
    return result


def applied(wanted: ProbeStrategy, document: Document) -> Applied:
    """The strategies that a probe names; what is wrong with them is complained of."""
    bare = isinstance(document.node(wanted.path), Text)
    found: dict[str, str | None] = {"client": None, "server": None}
    for side in _SIDES:
        name = getattr(wanted, side)
        if name is None:
            continue
        path = wanted.path if bare else (*wanted.path, side)
        if any(sign in name for sign in '[\\|"/ '):
            _check(document, path, name)
            found[side] = name
        elif (file := _named(document, path, name)) is not None:
            if file.builtin == HELLO_PADDING and side == "server":
                document.complain(
                    "bad-strategy",
                    path,
                    f"{spelled(path)}: a server says no ClientHello",
                    expected="a strategy for packets, or the client's end",
                )
            found[file.side if bare else side] = file.text
    return Applied(**found)


def _named(document: Document, path: Path_, name: str) -> StrategyFile | None:
    known = content.strategies()
    if name not in known:
        document.complain(
            "unknown-strategy",
            path,
            f"{spelled(path)}: there is no strategy {quoted(name)}",
            expected=f"DNA, or {one_of(known)}",
            help=did_you_mean(name, known),
        )
        return None
    try:
        return load_strategy(known[name])
    except BadInput as bad:
        document.problems += bad.problems
        return None


def _check(document: Document, path: Path_, dna: str) -> None:
    """Complain of everything that is wrong with a strategy's DNA."""
    try:
        parse(dna)
    except BadNotation as bad:
        whole = document.place(path)
        for fault in bad.faults:
            place = _spot(document, whole, dna, fault.at, fault.width)
            document.problems.append(
                Problem(
                    "bad-strategy",
                    place,
                    f"{spelled(document.known(path))}: {fault.message}",
                    fault.expected,
                    fault.help,
                )
            )


def _spot(document: Document, whole: Place, dna: str, at: int, width: int) -> Place:
    """The place of one character of a scalar that may be folded over lines.

    YAML folds at spaces, and a tree has none: the piece between them is looked for.
    """
    start = dna.rfind(" ", 0, at) + 1
    piece = dna[start:].partition(" ")[0]
    first = whole.line - 1
    for number in range(first, min(first + _LINES_SEARCHED, len(document.lines))):
        line = document.lines[number]
        found = line.find(piece, whole.column - 1 if number == first else 0)
        if piece and found >= 0:
            column = found + at - start + 1
            return Place(whole.file, number + 1, column, max(1, width), line)
    return whole
