"""The verb that needs no lab: replay."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from filterlab.replay import command as rerun
from filterlab.scenario.problem import BadInput
from filterlab.verbs.words import AsJson


def replay(
    policy: Annotated[str, typer.Argument(help="A policy file, or its name.")],
    captures: Annotated[
        list[Path],
        typer.Argument(help="A capture (pcap, pcapng), or those of both sides."),
    ],
    as_json: AsJson = False,
    inside: Annotated[
        list[str] | None,
        typer.Option(help="A network that is inside; else whoever opens a flow is."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the policy's chances.")] = 1,
    explain: Annotated[
        int | None,
        typer.Option(help="Show what each recogniser saw of the flow of this frame."),
    ] = None,
) -> None:
    """Say what a policy would have decided about the frames of a capture."""
    try:
        for line in rerun.replay(
            policy, captures, inside or [], seed, as_json, explain
        ):
            print(line)
    except (BadInput, rerun.NoCapture) as bad:
        print(bad, file=sys.stderr)
        raise typer.Exit(2) from None
