"""A probe that a run leaves out, because its tool is not installed here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Skipped:
    """What is left out, why, and what is to be done to have it.

    `by_hand` says that no package brings the tool, so that nobody can be required to
    have it; `expectations` are what would have been held against the probe.
    """

    probe: str
    tool: str
    why: str
    install: str
    by_hand: bool = False
    expectations: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """It in one line."""
        return f"{self.probe} is skipped: {self.why}; install it: {self.install}"

    def as_json(self) -> dict[str, Any]:
        """It as one entry of `result.json`."""
        more = {"expectations": list(self.expectations), "text": self.text}
        return {**asdict(self), **more}
