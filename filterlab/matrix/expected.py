"""What is expected of cells: a YAML file whose entries name cells and say a word.

    cells:
      - {tool: shadowsocks, policy: 'ru-*', is: works}
      - {tool: 'openvpn-*', policy: 'cn-*', xfail: recognised since 2023, issue 12}

The first entry that fits a cell counts; names may have `*`, and a key that is left out
fits everything. `is` takes one word or several. `xfail` says that the cell is known not
to work, and why: when it works after all, that is told, and is not as expected. A cell
that no entry fits is expected to work.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from filterlab.matrix.finding import TOLD, CellId, Word
from filterlab.matrix.tally import Tally
from filterlab.scenario import content
from filterlab.scenario.item import Item, validate
from filterlab.scenario.problem import BadInput
from filterlab.scenario.source import read
from filterlab.scenario.values import Unreadable, Words, one_or_more, word_of

Wanted = Annotated[str, word_of(*(word.value for word in TOLD))]


class Entry(Item):
    """What is expected of some cells."""

    scenario: Words = "*"
    tool: Words = "*"
    policy: Words = "*"
    words: Annotated[tuple[Wanted, ...], BeforeValidator(one_or_more)] = Field(
        (), alias="is"
    )
    xfail: Words | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.words) == (self.xfail is not None):
            says = "says both 'is' and 'xfail'" if self.words else "expects nothing"
            raise Unreadable("one of 'is' and 'xfail'", says=says, kind="one-of")
        return self

    def fits(self, cell: CellId) -> bool:
        """Whether it is about this cell."""
        return (
            fnmatchcase(cell.scenario, self.scenario)
            and fnmatchcase(cell.tool, self.tool)
            and fnmatchcase(cell.policy, self.policy)
        )


class ExpectedFile(Item):
    """A whole file of expectations."""

    cells: list[Entry]


class Standing(StrEnum):
    """How a cell stands to what was expected of it."""

    AS_EXPECTED = "as expected"
    KNOWN = "known not to work"
    UNEXPECTEDLY_WORKS = "works unexpectedly"
    NOT_AS_EXPECTED = "not as expected"
    COULD_NOT_TELL = "could not tell"


@dataclass(frozen=True, slots=True)
class Judged:
    """A cell beside its expectation."""

    tally: Tally
    standing: Standing
    why: str = ""
    source: str = ""

    @property
    def met(self) -> bool:
        """Whether it came as it was expected, or is known not to."""
        return self.standing in (Standing.AS_EXPECTED, Standing.KNOWN)


def load_expected(path: Path) -> list[Entry]:
    """Read a file of expectations; raises BadInput with all that is wrong with it."""
    document = read(path, content.shown(path))
    found: Any = validate(ExpectedFile, document)
    if not isinstance(found, ExpectedFile):
        raise BadInput(document.problems)
    return found.cells


def judge(tally: Tally, entries: list[Entry] | None) -> Judged:
    """How a cell stands; without a file, whatever could be told is as expected."""
    if tally.word is Word.UNKNOWN:
        return Judged(tally, Standing.COULD_NOT_TELL, tally.typical.why)
    if entries is None:
        return Judged(tally, Standing.AS_EXPECTED)
    entry = next((one for one in entries if one.fits(tally.cell)), Entry(**_WORKS))
    source = str(entry.where) if entry.where.file else ""
    works = tally.word is Word.WORKS
    if entry.xfail is not None:
        if works:
            why = f"it works, and was known not to: {entry.xfail}"
            return Judged(tally, Standing.UNEXPECTEDLY_WORKS, why, source)
        return Judged(tally, Standing.KNOWN, entry.xfail, source)
    if tally.word.value in entry.words:
        return Judged(tally, Standing.AS_EXPECTED, source=source)
    why = f"expected {' or '.join(entry.words)}, got {described(tally)}"
    return Judged(tally, Standing.NOT_AS_EXPECTED, why, source)


def described(tally: Tally) -> str:
    """A cell's word, and what stands behind it."""
    text = tally.typical.text
    return f"{tally.text}: {text}" if text else tally.text


_WORKS: dict[str, Any] = {"is": "works"}
