"""What has changed since an earlier matrix: the regression test of a tool.

A cell has changed if one of its words comes at another rate: when each side was tried
once, if the words differ; otherwise if the 95 % intervals of the rate of some word do
not overlap (Wilson, see `filterlab.probes.interval`). A cell that could not be told, on
either side, has not changed. Another rule or outcome behind the same word is told, and
is no change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from filterlab.matrix.expected import described
from filterlab.matrix.finding import TOLD, CellId, Word
from filterlab.matrix.tally import Tally


@dataclass(frozen=True, slots=True)
class Change:
    """A cell, before and now."""

    cell: CellId
    before: Tally
    now: Tally

    @property
    def better(self) -> bool:
        """Whether it works more often than before."""
        (then, of), (count, tries) = (
            tally.share(Word.WORKS) for tally in (self.before, self.now)
        )
        return count / tries > then / of

    @property
    def text(self) -> str:
        """The change in a line."""
        return f"{self.cell}: {self.before.text} -> {described(self.now)}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A whole matrix beside an earlier one."""

    changes: tuple[Change, ...]
    otherwise: tuple[Change, ...]  # the same word, for another reason
    new: tuple[CellId, ...]
    gone: tuple[CellId, ...]
    untold: tuple[CellId, ...]  # told before, and not now


def compare(before: Mapping[CellId, Tally], now: Mapping[CellId, Tally]) -> Comparison:
    """What has changed; cells that only one of both has are named, and no change."""
    both = [cell for cell in now if cell in before]
    told = [c for c in both if before[c].told and now[c].told]
    pairs = [Change(cell, before[cell], now[cell]) for cell in told]
    changes = tuple(pair for pair in pairs if _changed(pair))
    return Comparison(
        changes,
        tuple(p for p in pairs if p not in changes and _reason(p.before, p.now)),
        tuple(cell for cell in now if cell not in before),
        tuple(cell for cell in before if cell not in now),
        tuple(c for c in both if before[c].told and not now[c].told),
    )


def _changed(pair: Change) -> bool:
    before, now = pair.before, pair.now
    if len(before.told) == len(now.told) == 1:
        return before.word is not now.word
    for word in TOLD:
        (low, high), (least, most) = before.interval(word), now.interval(word)
        if high < least or most < low:
            return True
    return False


def _reason(before: Tally, now: Tally) -> bool:
    """Whether the same word has another reason."""
    then, this = before.typical, now.typical
    if before.word is not now.word:
        return False
    return (then.failure, _rule(then.rule)) != (this.failure, _rule(this.rule))


def _rule(rule: str | None) -> str | None:
    """A rule by its name: its line moves whenever the file is edited."""
    return rule.partition(' "')[2] if rule else None
