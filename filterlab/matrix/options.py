"""What `filterlab matrix` was asked for, apart from the tools and policies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from filterlab.matrix.cluster import Certificates
from filterlab.matrix.expected import Entry
from filterlab.matrix.finding import CellId
from filterlab.matrix.tally import Tally


@dataclass(frozen=True)
class Options:
    """How a matrix is played, and what it is held against."""

    workers: int
    limit_seconds: float
    out: Path
    scheduler: str | None = None
    papers: Certificates = field(default_factory=Certificates)
    shard: tuple[int, int] = (1, 1)
    share: bool = True
    expected: list[Entry] | None = None
    baseline: dict[CellId, Tally] | None = None
