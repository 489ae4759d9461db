"""The verbs that start nothing: check, list, map, schema."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from filterlab.runner import catalogue
from filterlab.scenario.problem import BadInput
from filterlab.verbs.words import AsJson, Scenario, find, print_json


def check(
    files: Annotated[
        list[Path], typer.Argument(help="Scenarios, policies, tools, strategies.")
    ],
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with files, all at once, without starting anything."""
    troubled = False
    for path in files:
        try:
            facts = catalogue.examine(path)
        except BadInput as bad:
            troubled = True
            print(bad, file=sys.stderr)
        else:
            if as_json:
                print_json(facts)
                continue
            print(f"{path}: {facts['summary']}")
            for skipped in facts.get("skipped", ()):
                print(f"{path}: {skipped['text']}")
            for note in facts.get("notes", ()):
                print(f"{path}: {note}")
    raise typer.Exit(2 if troubled else 0)


def list_(
    what: Annotated[
        catalogue.Kind, typer.Argument(help="What to list.")
    ] = catalogue.Kind.SCENARIOS,
    as_json: AsJson = False,
) -> None:
    """List what the lab has: scenarios, policies, topologies, tools, strategies."""
    entries = catalogue.entries(what)
    if as_json:
        print_json([entry.as_json() for entry in entries])
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for entry in entries:
        missing = f"not installed ({entry.lacks}): {entry.install}"
        table.add_row(
            entry.name, entry.title, entry.story or missing * bool(entry.lacks)
        )
    Console(highlight=False).print(table)


def map_(
    scenario: Scenario,
    svg: Annotated[Path | None, typer.Option(help="Write a drawing here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw a scenario's network, and say which exchange sees what share of it."""
    drawn = catalogue.drawn(find(scenario))
    if svg is not None:
        svg.write_text(drawn.svg())
        print(f"wrote {svg}", file=sys.stderr)
    if as_json:
        print_json(drawn.report.as_json())
    else:
        print(drawn.text())


def schema(
    of: Annotated[catalogue.Schema, typer.Argument(help="Of which files.")],
) -> None:
    """Print the JSON Schema with which an editor checks files."""
    print_json(catalogue.schema(of))
