"""`cells.jsonl`: one line a try, there as soon as it is known.

The same file is what an interrupted matrix resumes from, and what a later one takes
for its baseline.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from filterlab.matrix.finding import Finding
from filterlab.matrix.refusal import Refusal

CELLS = "cells.jsonl"


class Record:
    """The tries of a matrix in its folder, with those of an interrupted run of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / CELLS
        self.earlier = read(self.path) if self.path.exists() else []
        _mend(self.path)
        self._file = self.path.open("a", buffering=1)

    def known(self, key: str) -> Finding | None:
        """What an earlier try with this key has told, if it has told anything."""
        for found in reversed(self.earlier):
            if found.key == key and found.told:
                return found
        return None

    def write(self, finding: Finding) -> None:
        """Add a line; it is whole, or it is not there."""
        line = json.dumps(finding.as_json(), ensure_ascii=False)
        self._file.write(line + "\n")

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def _mend(path: Path) -> None:
    """End a last line that was cut short: the next one must not be joined to it."""
    if path.exists() and (text := path.read_bytes()) and not text.endswith(b"\n"):
        path.write_bytes(text[: text.rfind(b"\n") + 1])


def read(path: Path) -> list[Finding]:
    """The tries of a file, or of a matrix's folder; raises Refusal.

    A last line that was cut short by the end of its writer counts as unwritten.
    """
    file = path / CELLS if path.is_dir() else path
    try:
        lines = file.read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{file} cannot be read: {error}") from None
    whole = lines[:-1]
    return list(_findings(file, whole))


def _findings(file: Path, lines: Iterable[str]) -> Iterable[Finding]:
    for number, line in enumerate(lines, start=1):
        try:
            yield Finding.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Refusal(
                f"{file}:{number}: error: this line is no cell of a matrix",
                "cells.jsonl of a matrix is what is expected here",
            ) from None
