"""A PostgreSQL server of a test's own, behind a Unix socket; no daemon by apt."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

_BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
# Where Debian keeps them; None where the server or its Python driver is missing.
PROGRAMS = _BIN[-1] if _BIN and find_spec("psycopg") else None


@contextmanager
def serving() -> Iterator[str]:
    """A server while the block lasts, and its URL."""
    # Not below pytest's own folder, which is closed to PostgreSQL's user.
    with tempfile.TemporaryDirectory(prefix="filterlab-postgresql-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data = str(folder / "data")
        _as_server(folder, "initdb", "-D", data, "-A", "trust", "-N", "-U", "lab")
        options = f"-c listen_addresses= -c unix_socket_directories={folder}"
        options += " -c fsync=off"
        log = str(folder / "log")
        _as_server(
            folder, "pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start"
        )
        try:
            yield f"postgresql+psycopg://lab@/postgres?host={folder}"
        finally:
            _as_server(folder, "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def _as_server(folder: Path, program: str, *arguments: str) -> None:
    """PostgreSQL refuses to be root: its package brings a user of its own."""
    assert PROGRAMS is not None
    command = [str(PROGRAMS / program), *arguments]
    if os.geteuid() == 0:
        own = ["--reuid=postgres", "--regid=postgres", "--clear-groups"]
        command = ["setpriv", *own, "--", *command]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
