"""`filterlab attribution`: what missing lists do to the registry test, as a table.

It computes over an invented population (`filterlab.attribution.population`), and says
so: nothing is run, and no figure of it was measured anywhere.
"""

from __future__ import annotations

import json
from random import Random
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from filterlab.attribution.population import HABITS, Row, invented, table

# As reported: notices went to 1,359 operators, of which 85 were fined by 21 May 2026.
OPERATORS, MISSING = 1359, 85
# Parts of all operators that have delivered, beside the one that was asked for.
_PARTS = (1.0, 0.99, 0.95, 0.9, 0.75, 0.5, 0.25, 0.0)
_MOST_OPERATORS = 4096  # so many blocks of 1,024 addresses fit into 100.64.0.0/10


def attribution(
    operators: Annotated[
        int, typer.Option(min=1, max=_MOST_OPERATORS, help="How many there are.")
    ] = OPERATORS,
    missing: Annotated[
        int, typer.Option(min=0, help="How many of them have handed nothing over.")
    ] = MISSING,
    subscribers: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="How many to invent.")
    ] = 20_000,
    smallest: Annotated[
        bool,
        typer.Option("--smallest-first", help="The smallest hand nothing over first."),
    ] = False,
    pool_missing: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="The part of its addresses that each list lacks."
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Where chance begins.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute who is found on a VPN as fewer operators hand over addresses."""
    if missing > operators:
        raise typer.BadParameter(
            f"{missing} operators are missing, of {operators}", param_hint="--missing"
        )
    population = invented(
        Random(seed),
        operators,
        subscribers,
        largest_last=smallest,
        pool_missing=pool_missing,
    )
    steps = {round(operators * part) for part in _PARTS} | {operators - missing}
    rows = list(table(population, sorted(steps, reverse=True)))
    if as_json:
        print(json.dumps([_as_json(row) for row in rows]))
        return
    console = Console(highlight=False)
    console.print(
        f"computed, not run: {subscribers:,} invented subscribers of {operators:,}"
        f" invented operators, seed {seed}"
    )
    shares = ", ".join(f"{habit} {share:.0%}" for habit, share in HABITS.items())
    console.print(f"assumed habits: {shares}, the others at home\n")
    console.print(_table(rows))


def _as_json(row: Row) -> dict[str, object]:
    score = row.score
    return {
        "delivered": row.delivered,
        "covered": row.covered,
        "right": score.right,
        "wrong": score.wrong,
        "missed": score.missed,
        "precision": score.precision,
        "recall": score.recall,
    }


def _table(rows: list[Row]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (
        *("operators delivered", "subscribers covered"),
        *("rightly found", "wrongly found", "missed", "precision", "recall"),
    ):
        made.add_column(heading, justify="right")
    for row in rows:
        score = row.score
        counts = [f"{n:,}" for n in (score.right, score.wrong, score.missed)]
        shares = [
            "-" if share is None else f"{share:.3f}"
            for share in (score.precision, score.recall)
        ]
        made.add_row(f"{row.delivered:,}", f"{row.covered:.1%}", *counts, *shares)
    return made
