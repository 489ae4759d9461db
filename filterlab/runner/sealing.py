"""The outside of a run: reads the scenario, and starts a seal in which it is played.

Bad input is told here, before anything is started. What happens inside is
`filterlab.runner.inside`.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from pathlib import Path

from filterlab.lab.obstacle import Obstacle
from filterlab.lab.seal import run_sealed
from filterlab.runner.plan import make_plan
from filterlab.scenario.problem import BadInput

BAD_INPUT, COULD_NOT_TELL = 2, 3


def run(path: Path, out: Path | None, seed: int | None, as_json: bool) -> int:
    """Play one scenario in a seal of its own; the exit status says what came of it."""
    order: dict[str, object] = {"seed": seed, "json": as_json}
    return _sealed("play", path, out, order)


def shell(path: Path) -> int:
    """Bring a scenario's world up and hand it to whoever sits at the terminal."""
    return _sealed("shell", path, None, {})


def _sealed(verb: str, path: Path, out: Path | None, order: dict[str, object]) -> int:
    try:
        make_plan(path)
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
    try:
        status = run_sealed(command)
    except Obstacle as obstacle:
        print(f"filterlab: error: {obstacle}", file=sys.stderr)
        if out is None:
            folder.rmdir()  # nothing was started, so there is no evidence
        return COULD_NOT_TELL
    # Anything but our own statuses is a death: by a signal, or of the interpreter.
    return status if status in (0, 1, 2, 3) or status > 128 else COULD_NOT_TELL


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
