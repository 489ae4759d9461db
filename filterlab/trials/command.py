"""`filterlab captures`: real programs captured, and read by every recogniser."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from filterlab.inspection.catalogue import PROTOCOLS
from filterlab.lab.obstacle import Obstacle
from filterlab.scenario.problem import BadInput
from filterlab.trials.making import kept, make_captures
from filterlab.trials.reading import Counted, read_capture
from filterlab.trials.subjects import subjects
from filterlab.trials.table import Row, markdown, row_of, summary
from filterlab.trials.trial import Trial

_TABLE = "recognisers.json"
BAD_INPUT, COULD_NOT_TELL = 2, 3


def captures(
    program: Annotated[
        list[str] | None,
        typer.Argument(help="Names of tools, or of plain programs; all without one."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where captures and table go.")] = Path(
        "captures"
    ),
    page: Annotated[
        Path | None, typer.Option(help="Write the table as Markdown as well.")
    ] = None,
    read: Annotated[
        bool, typer.Option("--read", help="Capture nothing; read what is there.")
    ] = False,
) -> None:
    """Capture real programs in the seal, and say what recognisers make of them."""
    try:
        trials = _kept(out, program) if read else _made(out, program or [])
    except LookupError as unknown:
        print(unknown.args[0], file=sys.stderr)
        raise typer.Exit(BAD_INPUT) from None
    except BadInput as bad:
        print(bad, file=sys.stderr)
        raise typer.Exit(BAD_INPUT) from None
    except Obstacle as obstacle:
        print(f"filterlab: error: {obstacle}", file=sys.stderr)
        raise typer.Exit(COULD_NOT_TELL) from None
    except OSError as error:
        print(f"filterlab: error: {error.filename}: {error.strerror}", file=sys.stderr)
        raise typer.Exit(BAD_INPUT) from None
    rows = [_row(trial, out) for trial in trials]
    day = datetime.now(UTC).date()
    said = {"made": day.isoformat(), "programs": [row.as_json() for row in rows]}
    whole = json.dumps({**said, "protocols": summary(rows)}, indent=1)
    (out / _TABLE).write_text(whole + "\n")
    if page is not None:
        others = [one for one in PROTOCOLS if one not in summary(rows)]
        page.write_text(markdown(rows, _command(program), day, others))
    for row in rows:
        cells = ", ".join(f"{protocol} {said}" for protocol, said in row.cells.items())
        print(f"{row.trial.name:<30} {row.trial.failure or cells or 'nothing'}")
    raise typer.Exit(0 if any(t.captured for t in trials) else COULD_NOT_TELL)


def _made(out: Path, chosen: list[str]) -> list[Trial]:
    return make_captures(subjects(chosen), out)


def _kept(out: Path, chosen: list[str] | None) -> list[Trial]:
    return [trial for trial in kept(out) if not chosen or trial.name in chosen]


def _row(trial: Trial, out: Path) -> Row:
    if trial.failure or not trial.captured:
        return row_of(trial, Counted())
    path = out / f"{trial.name}.pcapng"
    return row_of(trial, read_capture(path, trial.client, trial.peers))


def _command(program: list[str] | None) -> str:
    return " ".join(["./lab captures", *(program or []), "--page docs/recognisers.md"])
