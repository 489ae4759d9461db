"""Reads what the exchanges have decided so far, one line a decision."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any


class DecisionReader:
    """The lines of `decisions.jsonl` as they come; a line's place is its index.

    Several threads may read, one for each probe.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._reading = threading.Lock()
        self.lines: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        """All decisions so far, with those that came since the last call."""
        if self._path.exists():
            with self._reading, self._path.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # it is being written; the next call has it whole
                    self._offset += len(line)
                    self.lines.append(json.loads(line))
        return self.lines

    def since(self, first: int) -> dict[int, dict[str, Any]]:
        """Decisions from index `first` on, by their index."""
        return dict(enumerate(self.read()[first:], start=first))
