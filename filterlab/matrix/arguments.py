"""The words that `filterlab matrix` understands, and what each is for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filterlab.tools.commandline import of_yours

_NAMES = "Names as `filterlab list` shows them, with *, or files; several with commas."

Names = Annotated[str, typer.Option(help=_NAMES)]
Scenarios = Annotated[
    str,
    typer.Option(
        help="What they are tried in; of each, the network and the first probe are"
        " used."
    ),
]
OwnTools = Annotated[
    list[Path] | None, of_yours("Its file; several with several of these.")
]
Repeat = Annotated[int, typer.Option(min=1, help="Tries of each cell.")]
Seed = Annotated[int, typer.Option(help="Of the first try; each has its own.")]
Workers = Annotated[int, typer.Option(min=1, help="Labs at a time.")]
Scheduler = Annotated[
    str | None, typer.Option(help="An existing Dask cluster: tcp:// or tls://.")
]
TlsFile = Annotated[Path | None, typer.Option(help="For a tls:// scheduler.")]
TimeLimit = Annotated[
    float, typer.Option(min=1, help="Seconds after which a cell is ended.")
]
Shard = Annotated[str, typer.Option("--shard", help="i/n: the i-th part of n.")]
Alone = Annotated[
    bool, typer.Option("--alone", help="A network of its own for every cell.")
]
Baseline = Annotated[
    Path | None,
    typer.Option(help="cells.jsonl of an earlier matrix: only changes count."),
]
Expect = Annotated[
    Path | None, typer.Option(help="A YAML file: what each cell should say.")
]
Junit = Annotated[Path | None, typer.Option(help="Write JUnit XML here.")]
Out = Annotated[
    Path | None,
    typer.Option(
        help="The folder for the evidence; of an earlier matrix, that one goes on."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Bisect = Annotated[
    str | None,
    typer.Option(help="What builds the tool: find the commit that lost a cell."),
]
Good = Annotated[str | None, typer.Option(help="A commit at which it works.")]
Bad = Annotated[str, typer.Option(help="A commit at which it does not.")]
Repository = Annotated[Path, typer.Option(help="The tool's git repository.")]
