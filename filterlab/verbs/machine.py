"""The verbs about this machine: doctor, bench, test."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from filterlab.bench import suite
from filterlab.lab import doctor as examination
from filterlab.scenario.content import root as content_root
from filterlab.verbs.words import AsJson, print_json


def doctor(as_json: AsJson = False) -> None:
    """List what the lab needs, whether it is there, and what mends it."""
    findings = examination.examine()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        Console(highlight=False).print(_examination(findings))
    needed = [f for f in findings if f.needed and not f.present]
    raise typer.Exit(3 if needed else 0)


def _examination(findings: list[examination.Finding]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        mark = "ok" if finding.present else "MISSING" if finding.needed else "without"
        mend = "" if finding.present else f"  mend: {finding.mend}"
        table.add_row(mark, finding.name, f"{finding.found}{mend}")
    return table


def bench(
    what: Annotated[
        list[suite.Benchmark] | None, typer.Argument(help="Which; all without a name.")
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, help="Figures are medians of so many.")
    ] = 5,
    out: Annotated[Path, typer.Option(help="Where to write the JSON.")] = Path(
        "bench.json"
    ),
) -> None:
    """Measure the lab on this machine: a table, and the same as JSON."""
    raise typer.Exit(suite.run(what or list(suite.Benchmark), rounds, out))


def test(context: typer.Context) -> None:
    """Run scenarios as tests: pytest over the lab's scenarios, or over given files."""
    wanted = context.args or [str(content_root() / "scenarios")]
    raise typer.Exit(subprocess.call([sys.executable, "-m", "pytest", *wanted]))
