"""Runs a tool that is itself the client, and keeps what it said.

Its standard output is what it fetched, up to a limit that the kernel enforces
(RLIMIT_FSIZE); what it complains of goes where a daemon's log goes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filterlab.lab.processes import Node, NotReady, Supervisor
from filterlab.lab.programs import find_program
from filterlab.lab.readiness import Exits

# More than any page or answer of the lab; a program gone wrong stops here.
_MOST_BYTES = 64_000_000
_BLOCK_BYTES = 512  # POSIX, `ulimit -f`
_RUN = 'ulimit -f "$1"; file=$2; shift 2; exec "$@" >"$file"'


@dataclass(frozen=True, slots=True)
class Said:
    """What a program came to: its status (None: out of time), output and complaints.

    `program` is the name of the program that was run.
    """

    program: str
    status: int | None
    out: bytes
    complaints: str
    seconds: float


def ask(
    name: str,
    argv: Sequence[str],
    node: Node,
    folder: Path,
    supervisor: Supervisor,
    within: float,
) -> Said:
    """Run a program in a node to its end, or until its time is up; raises NotReady.

    NotReady says that it is not installed.
    """
    program = find_program(argv[0])
    if program is None:
        why = f"needs {argv[0]}, not installed here"
        raise NotReady(name, why, [], own_fault=True)
    out = folder / f"{name.replace('/', '_')}.out"
    blocks = str(_MOST_BYTES // _BLOCK_BYTES)
    started = time.monotonic()
    process = supervisor.start(
        name,
        ["sh", "-c", _RUN, "sh", blocks, str(out), program, *argv[1:]],
        node,
        ready=Exits(0),
        folder=folder,
    )
    in_time = process.wait_end(within)
    seconds = time.monotonic() - started
    status = process.exit_status if in_time else None
    supervisor.stop([process])
    complaints = process.last_text()
    supervisor.processes.remove(process)
    return Said(
        Path(argv[0]).name,
        status,
        out.read_bytes() if out.exists() else b"",
        complaints,
        seconds,
    )
