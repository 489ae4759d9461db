"""Finds the exercises, and reads what each is made of.

An exercise is a folder of `scenarios/exercises/`: `exercise.yaml` (this module's
model), `task.md`, `hints.md` (one a heading), `solution.md`, `trainer.md`; `given/` is
what a participant starts with, `solution/` what solves it, `hidden/` what only the
check has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field

from filterlab.scenario import content, source
from filterlab.scenario.item import Item, validate
from filterlab.scenario.problem import BadInput, Place, Problem, did_you_mean
from filterlab.scenario.values import Words, whole_number, word_of

# How an answer can be looked at; `filterlab.exercises.checking` has each.
KINDS = ("names", "ways", "blocks", "relay", "controller")
_HEADING = re.compile(r"^## .*\n", re.MULTILINE)


class ExerciseFile(Item):
    """What `exercise.yaml` says; `answers` are the files that are looked at."""

    title: Words
    minutes: Annotated[int, whole_number(1, 600, "minutes")]
    order: Annotated[int, whole_number(1, 1000)]
    check: Annotated[str, word_of(*KINDS)]
    answers: list[Words] = Field(min_length=1)


@dataclass(frozen=True)
class Exercise:
    """One exercise, by its folder."""

    folder: Path

    @property
    def name(self) -> str:
        """What it is asked for by."""
        return self.folder.name

    @cached_property
    def file(self) -> ExerciseFile:
        """What it says of itself; raises BadInput."""
        document = source.read(self.folder / "exercise.yaml")
        read = validate(ExerciseFile, document)
        if isinstance(read, list):
            raise BadInput(document.problems)
        return read

    @property
    def hints(self) -> list[str]:
        """From the gentlest to the plainest."""
        parts = _HEADING.split(self.text("hints"))
        return [part.strip() for part in parts[1:]]

    def text(self, page: str) -> str:
        """One of its pages."""
        return (self.folder / f"{page}.md").read_text("utf-8")

    def files(self, kind: str) -> dict[str, Path]:
        """What lies in one of its folders: given, solution, hidden."""
        folder = self.folder / kind
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return {
            path.relative_to(folder).as_posix(): path
            for path in found
            if "__pycache__" not in path.parts
        }


def folder() -> Path:
    """Where the exercises are."""
    return content.root() / "scenarios" / "exercises"


def exercises() -> list[Exercise]:
    """All of them, in the order of a course."""
    found = [Exercise(path.parent) for path in folder().glob("*/exercise.yaml")]
    return sorted(found, key=lambda one: one.file.order)


def exercise(name: str) -> Exercise:
    """One by its name; raises BadInput."""
    known = sorted(path.parent.name for path in folder().glob("*/exercise.yaml"))
    if name in known:
        return Exercise(folder() / name)
    message = "there is no exercise of that name"
    help_ = did_you_mean(name, known) or "see: filterlab exercise"
    raise BadInput([Problem("missing-file", Place(name, 1, 1), message, help=help_)])
