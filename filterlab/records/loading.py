"""Reads back what a run could not write into its records: JSON lines -> entries.

The writer sets aside what the database never took (`filterlab.records.writer`), and
with it how old a row may be by the end of that run. A file is known by its content, so
that it is taken once, whatever it is called.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from filterlab.records.entries import Flow, Session, Subscriber

KINDS: dict[str, type[Flow] | type[Session] | type[Subscriber]] = {
    "flow": Flow,
    "session": Session,
    "subscriber": Subscriber,
}
FORGET = "forget"
_MOST = 2**63 - 1  # of a BIGINT (SQL:2016; SQLite and PostgreSQL)


class NotReadableError(Exception):
    """What is wrong with the file, a line for each problem."""


@dataclass(slots=True)
class SetAside:
    """What a run could not write, in the order in which it would have."""

    digest: str
    flows: list[Flow] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    subscribers: list[Subscriber] = field(default_factory=list)
    too_old: tuple[int, float] | None = None  # by when (ms), and after how many days

    @property
    def rows(self) -> int:
        """How many rows it makes."""
        return len(self.flows) + len(self.sessions) + len(self.subscribers)

    def add(self, value: Any) -> None:
        """Take one line's value; raises ValueError with what is wrong with it."""
        if not isinstance(value, dict) or len(value) != 1:
            raise ValueError(f"expected one of {', '.join(KINDS)}, with its fields")
        [(kind, fields)] = value.items()
        if kind == FORGET:
            if not isinstance(fields, dict):
                raise ValueError("expected now_ms and days")
            self.too_old = int(fields["now_ms"]), float(fields["days"])
            return
        if kind not in KINDS:
            raise ValueError(
                f"there is no {kind!r}; expected one of {', '.join(KINDS)}"
            )
        entry = _entry(KINDS[kind], fields)
        if isinstance(entry, Flow):
            self.flows.append(entry)
        elif isinstance(entry, Session):
            self.sessions.append(entry)
        else:
            self.subscribers.append(entry)


def read_back(file: Path) -> SetAside:
    """What a file holds; raises NotReadableError with all that is wrong with it."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise NotReadableError(f"{file}: {error.strerror}") from None
    found = SetAside(hashlib.sha256(content).hexdigest())
    problems = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            found.add(json.loads(line))
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"{file}:{number}: {_said(error)}")
    if not problems and not found.rows:
        problems.append(f"{file}:1: there is no row in it")
    if problems:
        raise NotReadableError("\n".join(problems))
    return found


def _entry(kind: type[Any], fields: Any) -> Flow | Session | Subscriber:
    hints = get_type_hints(kind)
    if not isinstance(fields, dict):
        raise ValueError(f"expected the fields {', '.join(hints)}")
    for name in fields:
        if name not in hints:
            raise ValueError(f"there is no field {name!r}")
    for name, hint in hints.items():
        # A truth is a whole number to Python, and none to a database.
        value = fields.get(name)
        far = isinstance(value, int) and abs(value) > _MOST
        if far or isinstance(value, bool) or not isinstance(value, hint):
            raise ValueError(f"{name!r} is {json.dumps(value)}")
    made: Flow | Session | Subscriber = kind(**fields)
    return made


def _said(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "no JSON, or not all of it"
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error)
