"""Runs other people's code with hardly any rights, and says what became of it.

The command sees this machine's programs and the lab's code, read-only. It has a small
folder of its own with copies of the files that it is given, no home, no network (or
only that of the seal it is started in), and limits of time, memory, processes and disk.
How that is made is `confine.py`'s.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterlab.lab.obstacle import Obstacle

CONFINE = Path(__file__).with_name("confine.py")
FOLDER = "/tmp"  # where the command finds its files, and may write
# Where a machine has what is private, what can be talked to, and what can be filled.
_HIDDEN = ("/home", "/root", "/run", "/var/tmp", "/dev/shm", "/dev/mqueue", "/mnt")
_KEPT_BYTES = 1_000_000  # of what it says; nobody reads more


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one command may use."""

    seconds: int = 30  # on a busy machine nothing else says when to give up
    cpu_seconds: int = 5
    memory_bytes: int = 512 << 20
    processes: int = 32  # and threads
    disk_bytes: int = 16 << 20


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command said, and how it ended.

    `limit` is the one that ended it: time, cpu, memory or processes.
    """

    status: int | None
    limit: str | None
    out: str
    errors: str


class Caged:
    """A command that runs; `wait`, or `end` it."""

    def __init__(
        self,
        argv: Sequence[str],
        files: Mapping[str, bytes],
        limits: Limits,
        *,
        network: bool = False,
        emptied: Sequence[Path] = (),
        errors: int | None = None,
    ) -> None:
        self._limits = limits
        reader, writer = os.pipe()
        order = {
            "argv": list(argv),
            "files": {n: base64.b64encode(b).decode() for n, b in files.items()},
            "folder": FOLDER,
            "environment": _environment(),
            "network": network,
            "report": writer,
            "hidden": sorted(_hidden()),
            "shown": sorted(_shown()),
            "emptied": [str(path) for path in emptied],
            "seconds": limits.seconds,
            "cpu_seconds": limits.cpu_seconds,
            "memory_bytes": limits.memory_bytes,
            "processes": limits.processes,
            "disk_bytes": limits.disk_bytes,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(CONFINE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if errors is None else errors,
            pass_fds=[writer],
        )
        os.close(writer)
        self._report = reader
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode())
        self.process.stdin.close()
        self.process.stdin = None

    def end(self) -> None:
        """End it now, and all that it has started."""
        self.process.terminate()

    def wait(self) -> Ended:
        """What became of it; raises Obstacle where the cage cannot be made."""
        out, errors = self.process.communicate()
        with open(self._report, "rb") as pipe:
            text = pipe.read()
        said = errors.decode(errors="replace") if errors else ""
        told: dict[str, Any] = {"broken": said.strip() or "it was ended"}
        if text:
            told = json.loads(text)
        if "broken" in told:
            raise Obstacle(
                f"what is not trusted cannot be locked in here: {told['broken']}",
                "a Linux of 5.14 or newer, and: filterlab doctor",
            )
        cut = out[:_KEPT_BYTES].decode(errors="replace")
        return Ended(told["status"], told["limit"], cut, said[-_KEPT_BYTES:])


def run_caged(
    argv: Sequence[str],
    files: Mapping[str, bytes],
    limits: Limits,
    emptied: Sequence[Path] = (),
) -> Ended:
    """Run a command to its end, without any network; raises Obstacle."""
    return Caged(argv, files, limits, emptied=emptied).wait()


def _environment() -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": FOLDER,
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(_package()),
        "PYTHONDONTWRITEBYTECODE": "1",
        # A thread for each processor is none of its business, and each takes memory.
        "OPENBLAS_NUM_THREADS": "1",
    }


def _package() -> Path:
    return Path(__file__).resolve().parents[2]


def _hidden() -> set[str]:
    home = os.path.realpath(os.path.expanduser("~"))
    return {*_HIDDEN, *([home] if home != "/" else [])}


def _shown() -> set[str]:
    """The code of the lab and of Python, where it lies below what is hidden."""
    code = {str(_package()), sys.prefix, sys.base_prefix, sys.exec_prefix}
    code |= {path for path in sys.path if os.path.isdir(path)}
    hidden = {*_hidden(), FOLDER}
    real = {os.path.realpath(path) for path in code}
    below = {p for p in real if any(_is_below(p, folder) for folder in hidden)}
    return {p for p in below if not any(_is_below(p, o) for o in below - {p})}


def _is_below(path: str, folder: str) -> bool:
    return Path(path) == Path(folder) or Path(folder) in Path(path).parents
