"""A matrix from its table to its summary."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from filterlab.matrix.baseline import compare
from filterlab.matrix.choice import Choice
from filterlab.matrix.cluster import Cluster
from filterlab.matrix.expected import judge
from filterlab.matrix.finding import CellId, Finding
from filterlab.matrix.jobs import Job, cut
from filterlab.matrix.options import Options
from filterlab.matrix.playing import Audience, Playing
from filterlab.matrix.record import CELLS, Record
from filterlab.matrix.refusal import Refusal
from filterlab.matrix.summary import Summary
from filterlab.matrix.tally import tallies

MATRIX = "matrix.json"


def labs(choice: Choice, options: Options) -> list[Job]:
    """The labs of this shard."""
    return cut(choice.table, options.workers, options.shard, options.share)


def cells_of(jobs: Iterable[Job]) -> list[CellId]:
    """The cells that these labs are played for."""
    return list(dict.fromkeys(cell for job in jobs for cell in job.cells))


def play(
    choice: Choice,
    options: Options,
    jobs: list[Job],
    found: Cluster,
    audience: Audience,
) -> list[Finding]:
    """Play what is not known yet; raises Refusal before the first cell."""
    prepare(options.out)
    record = Record(options.out)
    try:
        playing = Playing(
            choice.table, found, options.out, record, options.limit_seconds, audience
        )
        return playing.play(jobs)
    finally:
        record.close()


def prepare(out: Path) -> None:
    """The folder for the evidence: new, empty, or of a matrix that goes on."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / CELLS).exists() and any(out.iterdir()):
            help_ = "name another folder, or one of an earlier matrix to go on with it"
            raise Refusal(f"--out {out} holds something else already", help_)
    except OSError as error:
        raise Refusal(f"--out {out}: {error.strerror}") from None


def summarise(
    choice: Choice,
    options: Options,
    jobs: list[Job],
    findings: Iterable[Finding],
    started: float,
) -> Summary:
    """What it all came to, written into the matrix's folder as well."""
    wanted = cells_of(jobs)
    known = tallies(findings)
    found = {cell: known[cell] for cell in wanted if cell in known}
    compared = None
    if options.baseline is not None:
        before = options.baseline
        if options.shard != (1, 1):  # the others are another shard's
            before = {cell: one for cell, one in before.items() if cell in found}
        compared = compare(before, found)
    summary = Summary(
        {cell: judge(tally, options.expected) for cell, tally in found.items()},
        {cell: choice.skipped[cell.tool] for cell in choice.skipped_cells},
        compared,
        time.monotonic() - started,
        options.out,
    )
    if options.out.is_dir():
        text = json.dumps(summary.as_json(), indent=1, ensure_ascii=False)
        (options.out / MATRIX).write_text(text + "\n")
    return summary
