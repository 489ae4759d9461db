"""What a tool's programs said last, for an attempt that no rule explains.

A wrong password or a missing file stands in a log and nowhere else: whoever reads the
report must not have to look for it.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAST_LINES = 6
# Of a log that was flooded, and of a line that never ends.
_LAST_BYTES = 4096
_LINE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Said:
    """A program's log, relative to the run's folder, and its last lines."""

    log: str
    lines: tuple[str, ...]


def said(
    folder: Path, entry: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]
) -> tuple[Said, ...]:
    """The last words of the programs of `entry`'s tool, one of `attempts` in time."""
    if not entry.get("through"):
        return ()
    number = 1  # the control's: where that failed, the attempt is not made
    if entry["control"]["reached"]:
        ordered = sorted(attempts, key=lambda one: float(one["began"]))
        number += 1 + ordered.index(entry)
    # As the tool's folders are called: see runner/through.py.
    name = "-".join(str(entry["name"]).split()).replace("/", "_")
    for start in (*range(number, 0, -1), "shared"):
        if logs := sorted((folder / "logs").glob(f"{glob.escape(name)}-{start}_*.log")):
            return tuple(
                Said(f"logs/{log.name}", lines) for log in logs if (lines := _last(log))
            )
    return ()


def _last(log: Path) -> tuple[str, ...]:
    with log.open("rb") as text:
        text.seek(max(0, log.stat().st_size - _LAST_BYTES))
        lines = text.read().decode(errors="replace").strip().splitlines()
    return tuple(line[:_LINE_LENGTH] for line in lines[-LAST_LINES:])
