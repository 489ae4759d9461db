"""What an operator's log can hold of a visit, and how a terminal shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Exposure:
    """The most that is seen of a probe's visits in one phase, and how much passed.

    `seen` is `site` (its name), `cover` (another name in its place), `address` (the
    site's, without a name), `tunnel` (only a server in between) or `nothing`.
    """

    probe: str
    phase: str
    seen: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    protocol: str | None  # what the connections were recognised as
    bytes_up: int
    bytes_down: int

    def as_json(self) -> dict[str, Any]:
        """The row as one object of `result.json`."""
        return asdict(self)


def exposure_table(rows: Sequence[Exposure], phases: Sequence[str]) -> Table:
    """The rows as a table; a single phase needs no column."""
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    headings = ["what a log holds", "seen", "names", "addresses", "known as"]
    if len(phases) > 1:
        headings.insert(1, "during")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for heading in ("up", "down"):
        table.add_column(heading, justify="right")
    for row in rows:
        cells = [row.probe, row.seen, ", ".join(row.names), ", ".join(row.addresses)]
        cells.append(row.protocol or "")
        if len(phases) > 1:
            cells.insert(1, row.phase)
        table.add_row(*cells, f"{row.bytes_up:,}", f"{row.bytes_down:,}")
    return table
