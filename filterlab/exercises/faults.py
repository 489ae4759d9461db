"""Says in a sentence what ended code that nobody trusts, from how it ended.

Python's own last words name the error of the system call (errno(3)); which limit was
behind it is known here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from filterlab.lab.cage import FOLDER, Ended, Limits

_QUOTED = re.compile(r"'(/[^']*)'")
_LAST_LINES = 12


def explained(name: str, ended: Ended, limits: Limits) -> str | None:
    """What kept it from its end, or None if nothing did."""
    if ended.limit is not None:
        return _LIMITS[ended.limit](name, limits)
    if ended.status == 0:
        return None
    return in_words(name, ended.errors, limits)


def in_words(name: str, errors: str, limits: Limits) -> str:
    """The last words of a program, with what they mean in here."""
    lines = _own(name, errors.strip().splitlines())
    last = next((line for line in reversed(lines) if _is_error(line)), "")
    for pattern, says in _KNOWN:
        if re.search(pattern, last):
            return f"{says(name, limits, last)}\n{_quoted(lines)}"
    return f"{name} ended with an error:\n{_quoted(lines)}"


def _is_error(line: str) -> bool:
    return bool(re.match(r"[\w.]*([Ee]rror|Exception|Interrupt|Exit)\b", line))


def _quoted(lines: list[str]) -> str:
    return "\n".join(f"    | {line}" for line in lines[-_LAST_LINES:])


def _own(name: str, lines: list[str]) -> list[str]:
    """From where a traceback comes to their file; what led there is the lab's."""
    theirs = (n for n, line in enumerate(lines) if f'{name}", line' in line)
    return lines[next(theirs, 0) :]


def _megabytes(number: int) -> str:
    return f"{number >> 20} MB"


_LIMITS: dict[str, Callable[[str, Limits], str]] = {
    "cpu": lambda name, limits: (
        f"{name} was still computing after {limits.cpu_seconds} s, the limit of time,"
        " and was ended: is there a loop without an end?"
    ),
    "time": lambda name, limits: (
        f"{name} was still running after {limits.seconds} s, the limit of time, and was"
        " ended: does it wait for what never comes?"
    ),
    "processes": lambda name, limits: (
        f"{name} had {limits.processes} processes or threads at once, the limit, and"
        " was ended: does it start itself again and again?"
    ),
    "memory": lambda name, limits: (
        f"{name} used more than {_megabytes(limits.memory_bytes)} of memory, the limit,"
        " and was ended"
    ),
}


def _read_only(name: str, limits: Limits, line: str) -> str:
    file = _path(line) or "a file"
    if _in_a_home(file):
        return _missing(name, limits, line)
    return (
        f"{name} wanted to write to {file}: the files of this machine can only be read"
        " in here, and only its own folder can be written to"
    )


def _missing(name: str, limits: Limits, line: str) -> str:
    file = _path(line) or "a file"
    if _in_a_home(file):
        return (
            f"{name} wanted to read {file}: home folders are empty in here, and"
            " nobody's files can be seen"
        )
    return f"{name} needs {file}, which is not there: it has only its own folder"


def _in_a_home(file: str) -> bool:
    home = os.path.realpath(os.path.expanduser("~"))
    return any(file.startswith(top) for top in ("/home/", "/root/", f"{home}/"))


def _path(line: str) -> str | None:
    found = _QUOTED.search(line)
    return found[1].removeprefix(f"{FOLDER}/") if found else None


_KNOWN: tuple[tuple[str, Callable[[str, Limits, str], str]], ...] = (
    (
        r"MemoryError",
        lambda name, limits, _: (
            f"{name} wanted more than {_megabytes(limits.memory_bytes)} of memory, the"
            " limit"
        ),
    ),
    (
        r"\[Errno 11\]|can't start new thread",
        lambda name, limits, _: (
            f"{name} wanted more than {limits.processes} processes or threads at once,"
            " the limit: does it start itself again and again?"
        ),
    ),
    (
        r"\[Errno (27|28|122)\]",
        lambda name, limits, _: (
            f"{name} wanted to write more than {_megabytes(limits.disk_bytes)}, the"
            " limit of its disk"
        ),
    ),
    (r"\[Errno (13|30)\]", _read_only),
    (
        r"\[Errno (100|101|111|113)\]|gaierror|\[Errno -[235]\]",
        lambda name, *_: (
            f"{name} wanted to reach a network: in here there is none, neither of this"
            " machine nor of the Internet"
        ),
    ),
    (r"\[Errno 2\]", _missing),
)
