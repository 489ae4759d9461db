"""Whose ClientHello a server got: its fingerprint beside the client's own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from filterlab.scenario.schema import HELLOS


@dataclass(frozen=True, slots=True)
class Arrival:
    """The JA4 of what a client said, and of what its server heard and from whom."""

    said: str
    heard: tuple[tuple[str, str], ...]  # address, JA4

    @property
    def whose(self) -> str:
        """One of the words of `HELLOS`."""
        if not self.heard:
            return "nothing"
        own = any(ja4 == self.said for _, ja4 in self.heard)
        return "own hello" if own else "another hello"

    @property
    def text(self) -> str:
        """It in words."""
        heard = (f"{ja4} from {address}" for address, ja4 in self.heard)
        return f"{HELLOS[self.whose]} ({', '.join(heard)}; it said {self.said})"

    def as_json(self) -> dict[str, Any]:
        """The arrival as an object of `result.json`."""
        return {"whose": self.whose, **asdict(self)}
