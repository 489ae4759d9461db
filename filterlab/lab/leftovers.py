"""Finds and ends what programs leave behind, however they hide it.

A daemon that stays in its parent's environment is known by a mark there. One that
scrubs its environment (and sshd, which writes its title over it) is known by where it
is: it stays in its node's network namespace, because nothing in a node can see another
node's to enter it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator
from pathlib import Path

from filterlab.lab.clock import wait_for

# A killed process goes at once unless the machine is stuck.
_GONE_SECONDS = 2.0


def end_marked(variable: str, marks: Collection[str]) -> None:
    """Kill every process in whose environment the variable has one of these values."""
    for pid in _pids():
        if _value_in(pid, variable) in marks:
            _kill(pid)


def inhabitants(holders: Collection[int]) -> set[int]:
    """The processes in the network namespaces that these hold."""
    namespaces = {_namespace(pid) for pid in holders} - {None}
    return {pid for pid in _pids() if _namespace(pid) in namespaces}


def end_strangers(
    holders: Collection[int], known: Collection[int], variable: str, mark: str
) -> None:
    """Kill who came to these namespaces after those known, and bears no such mark.

    `mark` is how the variable of everybody begins whose end is somebody else's task.
    Returns when they are gone; raises TimeoutError if they will not go.
    """

    def gone() -> bool:
        strangers = [
            pid
            for pid in inhabitants(holders) - set(known)
            if not (_value_in(pid, variable) or "").startswith(mark)
        ]
        for pid in strangers:
            _kill(pid)
        return not strangers

    wait_for("what a program left behind", gone, _GONE_SECONDS)


def _pids() -> Iterator[int]:
    return (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))


def _namespace(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:  # it has ended, or is not ours to look at
        return None


def _value_in(pid: int, variable: str) -> str | None:
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:  # it has ended, or is not ours to read
        return None
    pairs = (entry.partition("=") for entry in text.split("\0"))
    return next((value for key, _, value in pairs if key == variable), None)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
