"""All tries of one cell together: a word, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from filterlab.matrix.finding import TOLD, CellId, Finding, Word
from filterlab.probes.interval import wilson


@dataclass(frozen=True, slots=True)
class Tally:
    """The tries of one cell."""

    cell: CellId
    tries: tuple[Finding, ...]

    @property
    def told(self) -> tuple[Finding, ...]:
        """Those that say something about the tool."""
        return tuple(found for found in self.tries if found.told)

    @property
    def word(self) -> Word:
        """The commonest word of those told; the worse one of two that are as common."""
        counted = Counter(found.word for found in self.told)
        if not counted:
            return Word.UNKNOWN
        return max(counted, key=lambda word: (counted[word], TOLD.index(word)))

    @property
    def typical(self) -> Finding:
        """The try that stands for the cell."""
        return next(found for found in self.tries if found.word is self.word)

    def share(self, word: Word) -> tuple[int, int]:
        """How many of those told came to this word, of how many."""
        return sum(found.word is word for found in self.told), len(self.told)

    def interval(self, word: Word) -> tuple[float, float]:
        """Between which rates of this word the truth lies, with 95 % confidence."""
        return wilson(*self.share(word))

    @property
    def text(self) -> str:
        """The cell as a table has it."""
        if len(self.tries) == 1:
            return self.word.value
        if not self.told:
            return Word.UNKNOWN.value
        count, of = self.share(Word.WORKS)
        low, high = self.interval(Word.WORKS)
        return f"works {count} of {of} ({low:.0%} to {high:.0%})"


def tallies(findings: Iterable[Finding]) -> dict[CellId, Tally]:
    """The tries by their cell; of a try that was made again, the last one counts."""
    last: dict[tuple[CellId, int], Finding] = {}
    for found in findings:
        last[found.cell, found.number] = found
    cells: dict[CellId, list[Finding]] = {}
    for (cell, _), found in sorted(last.items(), key=lambda item: item[0][1]):
        cells.setdefault(cell, []).append(found)
    return {cell: Tally(cell, tuple(tries)) for cell, tries in cells.items()}
