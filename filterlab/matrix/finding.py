"""What a cell of the matrix came to: one word, and what stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Word(StrEnum):
    """The five things that a cell can say."""

    WORKS = "works"
    SLOW = "slow"  # it works, at less than half the speed of its control
    BLOCKED = "blocked"
    EXPOSED = "exposed"  # the prober confirmed the server
    UNKNOWN = "could not tell"


TOLD = (Word.WORKS, Word.SLOW, Word.BLOCKED, Word.EXPOSED)


@dataclass(frozen=True, slots=True)
class CellId:
    """Which cell: stable from one run to the next."""

    scenario: str
    tool: str
    policy: str

    def __str__(self) -> str:
        return f"{self.scenario}::{self.tool}::{self.policy}"


@dataclass(frozen=True, slots=True)
class Untooled:
    """What the same page came to without a tool, beside the cell."""

    reached: bool
    label: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One try of a cell, as a line of `cells.jsonl`.

    `how` is the outcome in words and `failure` OONI's; `rule` is FILE:LINE "NAME",
    `frame` a frame of `capture` in `folder`; `after_seconds` is the lag after which it
    struck, 0 for at once, None where nothing struck. `key` is what the try depends on,
    as a hash; `beside` are the tools that shared the network with this one.
    """

    cell: CellId
    word: Word
    how: str = ""
    why: str = ""
    failure: str | None = None
    rule: str | None = None
    capture: str | None = None
    frame: int | None = None
    after_seconds: float | None = None
    seconds: float = 0.0
    control_seconds: float = 0.0
    untooled: Untooled | None = None
    number: int = 1
    key: str = ""
    folder: str = ""
    beside: tuple[str, ...] = field(default=())

    @property
    def told(self) -> bool:
        """Whether it says something about the tool, and not about the lab."""
        return self.word is not Word.UNKNOWN

    @property
    def text(self) -> str:
        """The cell in a line: how, by which rule, at which frame and when."""
        if self.word in (Word.WORKS, Word.UNKNOWN):
            return self.why if self.word is Word.UNKNOWN else self._without_control()
        parts = [self.how]
        if self.rule:
            parts.append(f"by {self.rule}")
        if self.frame:
            parts.append(f"at frame {self.frame:,} of {self.capture}")
        if self.after_seconds:
            parts.append(f"after the lag of {self.after_seconds:g} s")
        elif self.after_seconds == 0:
            parts.append("at once")
        return ", ".join(parts)

    def _without_control(self) -> str:
        if self.untooled is not None and self.untooled.reached:
            return "the page is not blocked without a tool either"
        return ""

    def as_json(self) -> dict[str, Any]:
        """The line's JSON."""
        return {"id": str(self.cell), **asdict(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Finding:
        """What `as_json` wrote; raises KeyError, TypeError or ValueError otherwise."""
        fields = {key: part for key, part in value.items() if key != "id"}
        untooled = fields.pop("untooled")
        return cls(
            cell=CellId(**fields.pop("cell")),
            word=Word(fields.pop("word")),
            untooled=Untooled(**untooled) if untooled else None,
            beside=tuple(fields.pop("beside")),
            **fields,
        )
