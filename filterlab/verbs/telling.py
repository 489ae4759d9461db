"""The verbs that tell of a run that is over: explain, report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from filterlab.matrix import page as matrix_page
from filterlab.matrix.record import CELLS
from filterlab.matrix.refusal import Refusal
from filterlab.report import explain as explanation
from filterlab.report.page import write_report


def explain(
    folder: Annotated[Path, typer.Argument(help="The folder of a run.")],
    probe: Annotated[str | None, typer.Argument(help="One probe of it.")] = None,
) -> None:
    """Say for each probe that was not let through what it met, and which rule."""
    try:
        print(explanation.explain(folder, probe))
    except explanation.NoRun as none:
        print(f"filterlab: error: {none}", file=sys.stderr)
        raise typer.Exit(2) from None


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a run or a matrix.")],
) -> None:
    """Make report.html of a finished run or of a matrix, anew, in its folder."""
    try:
        of_matrix = (folder / CELLS).exists()
        print(matrix_page.write_report(folder) if of_matrix else write_report(folder))
    except explanation.NoRun as none:
        print(f"filterlab: error: {none}", file=sys.stderr)
        raise typer.Exit(2) from None
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        raise typer.Exit(2) from None
