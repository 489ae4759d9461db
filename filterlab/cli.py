"""The command line: `filterlab VERB`, or `./lab VERB` in a checkout.

Results go to standard output, everything else to standard error. Exit status 0: as
expected; 1: not as expected; 2: bad input, nothing was started; 3: could not tell.

A verb is imported when it is asked for: all of them together take well over a second,
which is too long for the loop of an exercise.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import typer
import typer.core
import typer.main

from filterlab.lab.obstacle import Obstacle
from filterlab.scenario.problem import BadInput

# In the order of `--help`: each verb, and the function that does it.
_VERBS = {
    "run": "filterlab.verbs.playing:run",
    "exec": "filterlab.verbs.playing:exec_",
    "check": "filterlab.verbs.looking:check",
    "list": "filterlab.verbs.looking:list_",
    "map": "filterlab.verbs.looking:map_",
    "replay": "filterlab.verbs.replaying:replay",
    "explain": "filterlab.verbs.telling:explain",
    "report": "filterlab.verbs.telling:report",
    "matrix": "filterlab.matrix.command:matrix",
    "records": "filterlab.records.command:records",
    "captures": "filterlab.trials.command:captures",
    "exercise": "filterlab.exercises.command:exercise",
    "stories": "filterlab.stories.command:stories",
    "mutate": "filterlab.stories.command:mutate",
    "attribution": "filterlab.attribution.command:attribution",
    "shell": "filterlab.verbs.playing:shell",
    "doctor": "filterlab.verbs.machine:doctor",
    "schema": "filterlab.verbs.looking:schema",
    "bench": "filterlab.verbs.machine:bench",
    "test": "filterlab.verbs.machine:test",
}
# What comes after these is for another program.
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
_SETTINGS: dict[str, dict[str, Any]] = {"test": _PASSED_ON}


class _Commands(Mapping[str, Any]):
    """The verbs as typer's commands, each made when it is looked at."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, verb: str) -> Any:
        if verb not in self._made:
            module, _, function = _VERBS[verb].partition(":")
            alone = typer.Typer(add_completion=False)
            settings = _SETTINGS.get(verb)
            does = getattr(importlib.import_module(module), function)
            alone.command(verb, context_settings=settings)(does)
            self._made[verb] = typer.main.get_group(alone).commands[verb]
        return self._made[verb]

    def __iter__(self) -> Iterator[str]:
        return iter(_VERBS)

    def __len__(self) -> int:
        return len(_VERBS)


class _Verbs(typer.core.TyperGroup):
    """A group whose commands are imported one by one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands()  # type: ignore[assignment]


app = typer.Typer(
    cls=_Verbs,
    help="A laboratory for filtering and DPI policies. Exit status 0: as expected,"
    " 1: not as expected, 2: bad input (nothing was started), 3: could not tell.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _lab() -> None:
    """Make it a group, of whatever verbs."""


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
