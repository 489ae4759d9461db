"""The command line: `filterlab VERB`, or `./lab VERB` in a checkout.

Results go to standard output, everything else to standard error. Exit status 0: as
expected; 1: not as expected; 2: bad input, nothing was started; 3: could not tell.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from filterlab.bench import suite
from filterlab.lab import doctor as examination
from filterlab.lab.obstacle import Obstacle
from filterlab.matrix import page as matrix_page
from filterlab.matrix.command import matrix
from filterlab.matrix.record import CELLS
from filterlab.matrix.refusal import Refusal
from filterlab.records.command import records
from filterlab.replay import command as rerun
from filterlab.report import explain as explanation
from filterlab.report.page import write_report
from filterlab.runner import catalogue, sealing
from filterlab.scenario.content import root as content_root
from filterlab.scenario.content import scenarios, shown
from filterlab.scenario.problem import BadInput, Place, Problem, did_you_mean
from filterlab.tools.bring import Commands, brought
from filterlab.tools.installing import InstallTools, install_all
from filterlab.trials.command import captures

app = typer.Typer(
    help="A laboratory for filtering and DPI policies. Exit status 0: as expected,"
    " 1: not as expected, 2: bad input (nothing was started), 3: could not tell.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
errors = Console(stderr=True, highlight=False)
app.command()(matrix)

_DEFAULT_SCENARIO = "belarus/2020-election-day"

Scenario = Annotated[str, typer.Argument(help="A scenario file, or the name of one.")]


def _brought(says: str) -> Any:
    """An option that describes a tool of the user's own."""
    return typer.Option(help=says, rich_help_panel="A tool of yours")


ToolFiles = Annotated[
    list[Path] | None,
    _brought(
        "Its file: every fetch probe without a tool is tried over it as well, unless a"
        " probe names it (through: ITS-NAME)."
    ),
]
ToolServer = Annotated[
    str | None,
    _brought(
        "Or its commands: what starts its server. ${server_address} and ${port} say"
        " where it is to listen, ${here} is this folder."
    ),
]
ToolClient = Annotated[str | None, _brought("What starts its client.")]
ToolPort = Annotated[str, _brought("Where its server listens, and by what.")]
Socks = Annotated[str | None, _brought("It is entered by SOCKS5, at this port.")]
Http = Annotated[str | None, _brought("By HTTP CONNECT, at this port.")]
Tun = Annotated[str | None, _brought("By this interface, which it makes.")]
Dns = Annotated[str | None, _brought("It is a resolver, at this port.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _find(name: str) -> Path:
    """A scenario by its path, or by the name that `list scenarios` shows."""
    # Not Path.exists, which raises where a folder on the way is closed to this user.
    if os.path.exists(name):
        return Path(name)
    shipped = scenarios()
    if name in shipped:
        return Path(shown(shipped[name]))
    names = [*shipped, *(shown(path) for path in shipped.values())]
    message = "there is no such file, and no scenario of that name"
    help_ = did_you_mean(name, names) or "see: filterlab list scenarios"
    raise BadInput([Problem("missing-file", Place(name, 1, 1), message, help=help_)])


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))


@app.command()
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
    paths = [_find(name) for name in scenario or [_DEFAULT_SCENARIO]]
    for number, path in enumerate(paths):
        folder = out / str(number) if out is not None and len(paths) > 1 else out
        statuses.append(sealing.run(path, folder, seed, as_json, tools))
    raise typer.Exit(max(statuses))


@app.command(name="exec")
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
    raise typer.Exit(sealing.visit(_find(scenario), out, client, phase, command))


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Scenario or policy files.")],
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
                _print_json(facts)
                continue
            print(f"{path}: {facts['summary']}")
            for skipped in facts.get("skipped", ()):
                print(f"{path}: {skipped['text']}")
            for note in facts.get("notes", ()):
                print(f"{path}: {note}")
    raise typer.Exit(2 if troubled else 0)


@app.command("list")
def list_(
    what: Annotated[
        catalogue.Kind, typer.Argument(help="What to list.")
    ] = catalogue.Kind.SCENARIOS,
    as_json: AsJson = False,
) -> None:
    """List what the lab has: scenarios, policies, topologies, tools, strategies."""
    entries = catalogue.entries(what)
    if as_json:
        _print_json([entry.as_json() for entry in entries])
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for entry in entries:
        missing = f"not installed ({entry.lacks}): {entry.install}"
        table.add_row(
            entry.name, entry.title, entry.story or missing * bool(entry.lacks)
        )
    Console(highlight=False).print(table)


@app.command("map")
def map_(
    scenario: Scenario,
    svg: Annotated[Path | None, typer.Option(help="Write a drawing here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw a scenario's network, and say which exchange sees what share of it."""
    drawn = catalogue.drawn(_find(scenario))
    if svg is not None:
        svg.write_text(drawn.svg())
        print(f"wrote {svg}", file=sys.stderr)
    if as_json:
        _print_json(drawn.report.as_json())
    else:
        print(drawn.text())


@app.command()
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


@app.command()
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


@app.command()
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


app.command()(records)
app.command()(captures)


@app.command()
def shell(scenario: Scenario) -> None:
    """Bring a scenario's network up and open Mininet's command line in it."""
    raise typer.Exit(sealing.shell(_find(scenario)))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """List what the lab needs, whether it is there, and what mends it."""
    findings = examination.examine()
    if as_json:
        _print_json([asdict(finding) for finding in findings])
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


@app.command()
def schema(
    of: Annotated[catalogue.Schema, typer.Argument(help="Of which files.")],
) -> None:
    """Print the JSON Schema with which an editor checks files."""
    _print_json(catalogue.schema(of))


@app.command()
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


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def test(context: typer.Context) -> None:
    """Run scenarios as tests: pytest over the lab's scenarios, or over given files."""
    wanted = context.args or [str(content_root() / "scenarios")]
    raise typer.Exit(subprocess.call([sys.executable, "-m", "pytest", *wanted]))


def main() -> None:
    """The entry point; what is wrong with input or machine is told, not traced back."""
    try:
        app()
    except BadInput as bad:
        print(bad, file=sys.stderr)
        sys.exit(2)
    except Obstacle as obstacle:
        print(f"filterlab: error: {obstacle}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
