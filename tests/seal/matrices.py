"""Starts `filterlab matrix` as people do, and looks at what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

WITHIN_SECONDS = 110.0


class Matrix:
    """A `filterlab matrix` in a folder of its own."""

    def __init__(self, *arguments: str, folder: Path, **variables: str) -> None:
        self.folder = folder
        # Everything that it starts, however far down, has this in its environment.
        self._mark = f"matrix-{id(self)}-{os.getpid()}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "filterlab.cli", "matrix", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200", "A_TEST": self._mark, **variables},
        )
        self.said_before: list[str] = []

    def comes_to(self, words: str) -> str:
        """The first line on standard error that has these words in it."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said_before.append(line)
            if words in line:
                return line
        said = "".join(self.said_before)
        raise AssertionError(f"no line has {words!r} in it:\n{said}")

    def ends(self) -> tuple[int, str, str]:
        """Exit status, standard output, standard error (what was not read yet)."""
        said, complained = self.process.communicate(timeout=WITHIN_SECONDS)
        return self.process.returncode, said, "".join(self.said_before) + complained

    def words(self) -> dict[str, str]:
        """Each cell's word, from a matrix that prints JSON."""
        status, said, complained = self.ends()
        assert status in (0, 1, 3), complained
        return {one["id"]: one["word"] for one in json.loads(said)["cells"]}

    def alive(self) -> list[int]:
        """Every process of this machine that belongs to it."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                variables = Path(f"/proc/{entry}/environ").read_bytes()
            except OSError:  # it has ended, or is somebody else's
                continue
            if f"A_TEST={self._mark}".encode() in variables.split(b"\0"):
                found.append(int(entry))
        return found


def lines(folder: Path) -> list[dict[str, Any]]:
    """What `cells.jsonl` holds."""
    text = (folder / "cells.jsonl").read_text()
    # Not splitlines: a line's own words may hold other ends of lines.
    return [json.loads(line) for line in text.split("\n")[:-1]]
