"""The outside of a run: reads the scenario, and starts a seal in which it is played.

Bad input is told here, before anything is started. What happens inside is
`filterlab.runner.inside`.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filterlab.lab.obstacle import Obstacle
from filterlab.lab.seal import run_sealed
from filterlab.records.book import NotWrittenError
from filterlab.records.place import reachable
from filterlab.report.skipped import Skipped
from filterlab.runner.plan import make_plan
from filterlab.runner.visiting import COMMAND_FILE, check_visit
from filterlab.scenario.problem import BadInput
from filterlab.tools.bring import loaded

BAD_INPUT, COULD_NOT_TELL = 2, 3
_TOLD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_ENDED_BY_US = tuple(128 + number for number in _TOLD)
# Out of memory, a bug of an interpreter, an unkind hand.
_ENDED_BY_NOBODY = frozenset(signal.Signals) - frozenset(_TOLD)


def run(
    path: Path,
    out: Path | None,
    seed: int | None,
    as_json: bool,
    tools: Sequence[Mapping[str, Any]] = (),
    records: str | None = None,
) -> int:
    """Play one scenario in a seal of its own; the exit status says what came of it.

    `tools` are what `filterlab.tools.bring.brought` told of; `records` is a file or a
    database's URL for the operator's records, without which they go into the folder.
    """
    order: dict[str, Any] = {"seed": seed, "json": as_json, "tools": list(tools)}
    if records is not None:
        try:
            order["records"] = reachable(records)
        except NotWrittenError as error:
            print(f"filterlab: error: {records}: {error}", file=sys.stderr)
            return BAD_INPUT
    return _sealed("play", path, out, order)


def shell(path: Path) -> int:
    """Bring a scenario's world up and hand it to whoever sits at the terminal."""
    return _sealed("shell", path, None, {})


def visit(
    path: Path, out: Path | None, client: str, phase: str | None, argv: Sequence[str]
) -> int:
    """Run a command inside a client of a scenario's world; its own exit status."""
    order = {"client": client, "phase": phase, "command": list(argv)}
    return _sealed("visit", path, out, order)


def _sealed(verb: str, path: Path, out: Path | None, order: dict[str, Any]) -> int:
    try:
        plan = make_plan(path, loaded(order.get("tools", [])))
        if verb == "visit":
            check_visit(plan, order["client"], order["phase"])
        if verb == "play" and not plan.probes and plan.skipped:
            return _nothing_left(path, plan.skipped)
        folder = _folder(path, out)
    except BadInput as bad:
        print(bad, file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        print(f"filterlab: error: {error.filename}: {error.strerror}", file=sys.stderr)
        print(
            "      = help: name a folder for the evidence: --out DIR", file=sys.stderr
        )
        return BAD_INPUT
    order |= {"verb": verb, "scenario": str(path), "folder": str(folder)}
    order["rootless"] = os.geteuid() != 0
    command = [sys.executable, "-m", "filterlab.runner.inside", json.dumps(order)]
    begun = folder / COMMAND_FILE
    try:
        status = run_sealed(command, terminal_is_theirs=begun.exists)
    except Obstacle as obstacle:
        print(f"filterlab: error: {obstacle}", file=sys.stderr)
        if out is None:
            folder.rmdir()  # nothing was started, so there is no evidence
        return COULD_NOT_TELL
    if begun.exists():
        return status
    if status - 128 in _ENDED_BY_NOBODY:
        name = signal.Signals(status - 128).name
        print(
            f"filterlab: error: could not tell: the lab was ended by {name};"
            f" what it wrote before is in {folder}/",
            file=sys.stderr,
        )
    # Anything but our own statuses is a death: by a signal, or of the interpreter. 128
    # and more say that we have ended it, as we were told.
    return status if status in (0, 1, 2, 3, *_ENDED_BY_US) else COULD_NOT_TELL


def _nothing_left(path: Path, skipped: Sequence[Skipped]) -> int:
    for one in skipped:
        print(f"filterlab: {one.text}", file=sys.stderr)
    why = "none of its probes can be tried here"
    print(f"filterlab: error: {path}: could not tell: {why}", file=sys.stderr)
    return COULD_NOT_TELL


def _folder(path: Path, out: Path | None) -> Path:
    """A new folder for the evidence; an existing one is never written over."""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise FileExistsError(errno.EEXIST, "holds something already", str(out))
        return out
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem)
    number = 1
    while True:
        folder = Path("runs") / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            continue
        return folder
