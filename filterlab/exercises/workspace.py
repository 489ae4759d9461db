"""A participant's own folder of one exercise: started, put back, and where it stands.

Nothing that a participant wrote is ever lost: putting back moves it aside first.
"""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterlab.exercises import dealing
from filterlab.exercises.shelf import Exercise

_STATE = ".exercise.json"
TASK = "TASK.md"
# The largest answer that anybody has to write is far smaller.
MOST_BYTES = 1_000_000


class NotStarted(Exception):  # noqa: N818 - what it is
    """There is nothing of this exercise here yet, or it cannot be read; says what."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder in which an exercise is solved."""

    exercise: Exercise
    folder: Path

    @property
    def started(self) -> bool:
        """Whether there is one."""
        return (self.folder / _STATE).is_file()

    def start(self, hand: int | None = None) -> None:
        """Fill the folder; raises NotStarted where something else is in the way."""
        if self.folder.exists() and any(self.folder.iterdir()) and not self.started:
            raise NotStarted(
                f"{self.folder} holds something else; name another folder: --in DIR"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._fill(hand)

    def reset(self) -> Path | None:
        """Begin again; where what was there lies now, if it had been changed."""
        self._check_started()
        aside = self._put_aside()
        self._fill()
        return aside

    def hint(self) -> tuple[int, str | None]:
        """The next hint and its number; None after the last one."""
        self._check_started()
        state = self._state()
        hints, given = self.exercise.hints, int(state["hints"])
        if given >= len(hints):
            return given, None
        self._write(state | {"hints": given + 1})
        return given + 1, hints[given]

    @property
    def hand(self) -> int:
        """What was dealt, where an exercise deals."""
        return int(self._state()["hand"])

    def answers(self) -> dict[str, bytes]:
        """The files that are to be looked at; raises NotStarted."""
        self._check_started()
        found = {}
        for name in self.exercise.file.answers:
            path = self.folder / name
            if not path.is_file():
                raise NotStarted(
                    f"{path} is not there: write it, or begin again: reset"
                )
            if path.stat().st_size > MOST_BYTES:
                raise NotStarted(f"{path} is larger than a megabyte")
            found[name] = path.read_bytes()
        return found

    def _given(self) -> dict[str, bytes]:
        given = {n: p.read_bytes() for n, p in self.exercise.files("given").items()}
        given[TASK] = self.exercise.text("task").encode()
        if self.exercise.file.check == "ways":
            given |= dealing.evidence(self.exercise, self.hand)
        return given

    def _fill(self, hand: int | None = None) -> None:
        self._write({"hints": 0, "hand": _deal() if hand is None else hand})
        for name, data in self._given().items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def _put_aside(self) -> Path | None:
        given = self._given()
        theirs = [
            path
            for path in self.folder.rglob("*")
            if path.is_file()
            and not path.relative_to(self.folder).parts[0].startswith(("earlier-", "."))
            and given.get(path.relative_to(self.folder).as_posix()) != path.read_bytes()
        ]
        if not theirs:
            return None
        number = 1 + len(list(self.folder.glob("earlier-*")))
        aside = self.folder / f"earlier-{number}"
        for path in theirs:
            to = aside / path.relative_to(self.folder)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, to)
        return aside

    def _check_started(self) -> None:
        if not self.started:
            how = f"filterlab exercise {self.exercise.name} start"
            raise NotStarted(f"{self.folder} has not been started: {how}")

    def _state(self) -> dict[str, Any]:
        try:
            state = json.loads((self.folder / _STATE).read_text())
            return {"hints": int(state["hints"]), "hand": int(state["hand"])}
        except (OSError, ValueError, TypeError, KeyError):
            return {"hints": 0, "hand": 0}  # somebody has tidied up

    def _write(self, state: dict[str, Any]) -> None:
        text = json.dumps({"exercise": self.exercise.name, **state})
        (self.folder / _STATE).write_text(text + "\n")


def _deal() -> int:
    return random.SystemRandom().randrange(1, 1 << 30)
