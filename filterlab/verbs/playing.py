"""The verbs that play a scenario: run, exec, shell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filterlab.runner import sealing
from filterlab.tools.bring import Commands, brought
from filterlab.tools.commandline import (
    Dns,
    Http,
    Socks,
    ToolClient,
    ToolPort,
    ToolServer,
    Tun,
    of_yours,
)
from filterlab.tools.installing import InstallTools, install_all
from filterlab.verbs.words import AsJson, Scenario, find

_DEFAULT_SCENARIO = "belarus/2020-election-day"


ToolFiles = Annotated[
    list[Path] | None,
    of_yours(
        "Its file: every fetch probe without a tool is tried over it as well, unless a"
        " probe names it (through: ITS-NAME)."
    ),
]


def run(
    scenario: Annotated[
        list[str] | None,
        typer.Argument(
            help="Scenario files, or names of shipped ones; election day without any."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder for the evidence.")
    ] = None,
    as_json: AsJson = False,
    seed: Annotated[int | None, typer.Option(help="Instead of the file's.")] = None,
    records_in: Annotated[
        str | None,
        typer.Option(
            "--records",
            help="Where the operator's records go instead: a SQLite file, or a"
            " PostgreSQL database by its URL.",
        ),
    ] = None,
    install_tools: InstallTools = False,
    tool: ToolFiles = None,
    tool_server: ToolServer = None,
    tool_client: ToolClient = None,
    tool_port: ToolPort = "443/tcp",
    socks: Socks = None,
    http: Http = None,
    tun: Tun = None,
    dns: Dns = None,
) -> None:
    """Seal a country, filter it, and say what still gets through."""
    commands = Commands(tool_server, tool_client, tool_port, socks, http, tun, dns)
    tools = brought(tool or [], commands)
    if install_tools:
        install_all()
    statuses = []
    paths = [find(name) for name in scenario or [_DEFAULT_SCENARIO]]
    for number, path in enumerate(paths):
        folder = out / str(number) if out is not None and len(paths) > 1 else out
        status = sealing.run(path, folder, seed, as_json, tools, records_in)
        statuses.append(status)
    raise typer.Exit(max(statuses))


def exec_(
    scenario: Scenario,
    command: Annotated[
        list[str], typer.Argument(help="After --: the program and its arguments.")
    ],
    client: Annotated[
        str, typer.Option("--as", help="The client of the scenario that it runs in.")
    ],
    phase: Annotated[
        str | None,
        typer.Option(
            help="The phase whose policies are in force; without it the first in which"
            " something is filtered."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder for the evidence.")
    ] = None,
) -> None:
    """Run any program inside a censored client, and exit as it does.

    It has your terminal, your environment and your folder, and the client's network:
    filterlab exec belarus/2020-election-day --as minsk -- curl https://news.example/
    """
    raise typer.Exit(sealing.visit(find(scenario), out, client, phase, command))


def shell(scenario: Scenario) -> None:
    """Bring a scenario's network up and open Mininet's command line in it."""
    raise typer.Exit(sealing.shell(find(scenario)))
