"""`filterlab exercise [NAME] [start|hint|check|reset|solution]`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from filterlab.exercises.checking import check
from filterlab.exercises.dealing import ways_of
from filterlab.exercises.shelf import Exercise, exercises
from filterlab.exercises.shelf import exercise as named
from filterlab.exercises.workspace import TASK, NotStarted, Workspace
from filterlab.scenario.content import shown

NOT_SOLVED, BAD_INPUT = 1, 2


class Step(StrEnum):
    """What can be done with an exercise."""

    START = "start"
    HINT = "hint"
    CHECK = "check"
    RESET = "reset"
    SOLUTION = "solution"


def exercise(
    name: Annotated[
        str | None, typer.Argument(help="Which; without one, they are listed.")
    ] = None,
    step: Annotated[
        Step,
        typer.Argument(
            help="Begin it; the next hint; look at your answer; begin again; give up."
        ),
    ] = Step.START,
    folder: Annotated[
        Path | None, typer.Option("--in", help="Your folder for it; ./NAME without.")
    ] = None,
) -> None:
    """Learn by doing: a task, hints one by one, and a check that explains itself."""
    if name is None:
        _list()
        return
    chosen = named(name)
    workspace = Workspace(chosen, _folder(chosen, folder))
    try:
        raise typer.Exit(_STEPS[step](workspace))
    except NotStarted as why:
        print(f"filterlab: error: {why}", file=sys.stderr)
        raise typer.Exit(BAD_INPUT) from None


def _folder(chosen: Exercise, folder: Path | None) -> Path:
    """Where it is solved: here, if this is its folder already."""
    if folder is not None:
        return folder
    here = Path.cwd()
    if Workspace(chosen, here).started and here.name == chosen.name:
        return here
    return Path(chosen.name)


def _list() -> None:
    every = exercises()
    width = max((len(one.name) for one in every), default=0)
    for one in every:
        minutes = f"{one.file.minutes:>3} min"
        print(f"{one.name:<{width}}  {minutes}  {one.file.title}")
    print("\nBegin: filterlab exercise NAME", file=sys.stderr)


def _start(workspace: Workspace) -> int:
    if workspace.started:
        print((workspace.exercise.text("task")).rstrip())
        print(
            f"\nYou are in the middle of it, in {workspace.folder}/.", file=sys.stderr
        )
        return 0
    workspace.start()
    print(workspace.exercise.text("task").rstrip())
    _next(workspace, "check")
    return 0


def _next(workspace: Workspace, *steps: str) -> None:
    answers = ", ".join(workspace.exercise.file.answers)
    name = workspace.exercise.name
    words = " | ".join([*steps, "hint", "reset", "solution"])
    print(
        f"\nYour folder: {workspace.folder}/ ({TASK} is this text)."
        f" Your answer: {answers}"
        f"\nThen: filterlab exercise {name} {words}",
        file=sys.stderr,
    )


def _hint(workspace: Workspace) -> int:
    number, text = workspace.hint()
    if text is None:
        how = f"filterlab exercise {workspace.exercise.name} solution"
        print(f"There is no further hint. If you want to see it all: {how}")
        return 0
    print(f"Hint {number} of {len(workspace.exercise.hints)}\n\n{text}")
    return 0


def _check(workspace: Workspace) -> int:
    verdict = check(workspace)
    if verdict.bad_input:
        print(verdict, file=sys.stderr)
        return BAD_INPUT
    print(verdict)
    if verdict.passed:
        how = f"filterlab exercise {workspace.exercise.name} solution"
        print(f"\nSolved. What the lab makes of it: {how}")
        return 0
    how = f"filterlab exercise {workspace.exercise.name} hint"
    print(f"\nNot yet. Change it and check again; a hint: {how}", file=sys.stderr)
    return NOT_SOLVED


def _reset(workspace: Workspace) -> int:
    aside = workspace.reset()
    kept = f" What you had is in {aside}/." if aside else ""
    print(f"As at the beginning.{kept}")
    return 0


def _solution(workspace: Workspace) -> int:
    print(workspace.exercise.text("solution").rstrip())
    if workspace.exercise.file.check == "ways" and workspace.started:
        print()
        for site, way in ways_of(workspace.hand).items():
            print(f"  {site}: {way}")
    for name, path in workspace.exercise.files("solution").items():
        print(f"\n--- {name} ({shown(path)})\n{path.read_text().rstrip()}")
    return 0


_STEPS = {
    Step.START: _start,
    Step.HINT: _hint,
    Step.CHECK: _check,
    Step.RESET: _reset,
    Step.SOLUTION: _solution,
}
