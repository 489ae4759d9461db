"""Arguments and options that several verbs of the command line have."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from filterlab.scenario.content import scenarios, shown
from filterlab.scenario.problem import BadInput, Place, Problem, did_you_mean

Scenario = Annotated[str, typer.Argument(help="A scenario file, or the name of one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def find(name: str) -> Path:
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


def print_json(value: Any) -> None:
    """Print a value for programs."""
    print(json.dumps(value, indent=1, ensure_ascii=False))
