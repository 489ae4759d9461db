"""Plays a matrix: gives its labs to a cluster, and writes down what comes back.

A cell that a shared network could tell nothing about is played once more in a network
of its own, so that a tool that brings its lab down costs the others only time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from filterlab.matrix import worker
from filterlab.matrix.cluster import Cluster
from filterlab.matrix.finding import Finding, Word
from filterlab.matrix.jobs import Job, Table, key, order
from filterlab.matrix.record import Record

RUNS = "runs"


class Audience(Protocol):
    """Whoever is told of cells when they are known."""

    def known(self, finding: Finding, before: bool) -> None:
        """A cell's try is known; `before`: from an earlier run of the same matrix."""


class Playing:
    """One matrix being played into a folder."""

    def __init__(
        self,
        table: Table,
        cluster: Cluster,
        out: Path,
        record: Record,
        limit_seconds: float,
        audience: Audience,
    ) -> None:
        self._table = table
        self._cluster = cluster
        self._out = out
        self._record = record
        self._limit_seconds = limit_seconds
        self._audience = audience
        self._open: dict[Any, Job] = {}
        self.findings: list[Finding] = []
        self.lab_seconds: list[dict[str, float]] = []  # where each lab's time went

    def play(self, jobs: Iterable[Job]) -> list[Finding]:
        """Play what is not known yet; every cell's tries, in the order they came."""
        left = [open_ for job in jobs if (open_ := self._unknown(job)) is not None]
        coming = self._cluster.answers([self._submit(job) for job in left])
        try:
            for future in coming:
                job = self._open.pop(future)
                for again in self._take(job, self._cluster.answer(future)):
                    coming.add(self._submit(again))
        finally:
            if self._open:
                self._cluster.cancel(list(self._open))
        return self.findings

    def _unknown(self, job: Job) -> Job | None:
        """The job without the tools that an earlier run has told about."""
        left = []
        for tool in job.tools:
            found = self._record.known(key(self._table, job, tool))
            if found is None:
                left.append(tool)
            else:
                self.findings.append(found)
                self._audience.known(found, before=True)
        return replace(job, tools=tuple(left)) if left else None

    def _submit(self, job: Job) -> Any:
        folder = _fresh(self._out / RUNS, job.name)
        named = str(folder.relative_to(self._out))
        what = {**order(self._table, job, self._limit_seconds), "name": named}
        future = self._cluster.submit(what, folder)
        self._open[future] = job
        return future

    def _take(self, job: Job, answer: dict[str, Any]) -> Iterator[Job]:
        """Write an answer down; what has to be played again comes out."""
        named = ""
        if "failed" in answer:
            found = list(_failed(job, answer["failed"]))
        else:
            found = [Finding.from_json(line) for line in answer["findings"]]
            self.lab_seconds.append(answer["seconds"])
            named = found[0].folder if found else ""
        if named and answer.get("archive"):
            worker.unpack(answer["archive"], self._out / named)
        for finding in found:
            if not finding.told and len(job.tools) > 1:
                yield replace(job, tools=(finding.cell.tool,))
                continue
            whole = replace(
                finding,
                number=job.number,
                key=key(self._table, job, finding.cell.tool),
            )
            self.findings.append(whole)
            self._record.write(whole)
            self._audience.known(whole, before=False)


def _failed(job: Job, why: str) -> Iterator[Finding]:
    for cell in job.cells:
        yield Finding(cell, Word.UNKNOWN, why=why)


def _fresh(runs: Path, name: str) -> Path:
    """A folder that no lab has had yet; it is made when the lab is played."""
    folder, number = runs / name, 2
    while folder.exists():
        folder, number = runs / f"{name}.{number}", number + 1
    return folder
