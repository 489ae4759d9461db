"""The same book on a PostgreSQL server of the test's own, behind a Unix socket."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from filterlab.records import questions
from filterlab.records.book import DAY_MS, Book, NotWrittenError
from filterlab.records.entries import Flow, Session, Subscriber

pytest.importorskip("psycopg")
BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
needs_server = pytest.mark.skipif(not BIN, reason="postgresql is not installed")


def _as_server(folder: Path, *argv: str) -> None:
    """PostgreSQL refuses to be root: its package brings a user of its own."""
    command = [str(BIN[-1] / argv[0]), *argv[1:]]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        command += ["--", str(BIN[-1] / argv[0]), *argv[1:]]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    # Not below pytest's own folder, which is closed to PostgreSQL's user.
    with tempfile.TemporaryDirectory(prefix="filterlab-postgresql-") as name:
        yield from _serving(Path(name))


def _serving(folder: Path) -> Iterator[str]:
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data = folder / "data"
    _as_server(folder, "initdb", "-D", str(data), "-A", "trust", "-N", "-U", "lab")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    log = str(folder / "log")
    start = ["pg_ctl", "-D", str(data), "-w", "-l", log, "-o", options]
    _as_server(folder, *start, "start")
    try:
        yield f"postgresql+psycopg://lab@/postgres?host={folder}"
    finally:
        _as_server(folder, "pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")


@needs_server
def test_what_a_book_does_it_does_in_postgresql(server: str) -> None:
    flows = [
        Flow("alice", n, n + 9, "tcp", "100.64.0.2", 1, "203.0.113.9", 5000 + n,
             "news.example", "198.18.0.5", 443, 3, 4)
        for n in range(10)
    ]  # fmt: skip
    with Book(server) as book:
        book.append(flows, [Session("alice", 0, 19, "100.64.0.2", 3, 4)])
        book.append(flows, [], [Subscriber("alice", "Alice Example")])
        book.append([], [], [Subscriber("alice", contract="B-17")])
        rows = questions.who_had(book, "203.0.113.9", 5003, 5).rows
        assert [row["line"] for row in rows] == [None, "alice"]
        assert rows[1]["name"] == "Alice Example" and rows[1]["contract"] == "B-17"
        assert len(questions.visitors(book, "news.example").rows) == 20
        with pytest.raises(NotWrittenError):
            book.append([Flow(*[None] * 13)])  # type: ignore[arg-type]
        shown = book.ask(text("SELECT dest_domain_or_ip FROM resolution_6"))
        assert len(shown) == 20
        assert book.forget(366 * DAY_MS, 365) == 20
    with Book(server, create=False) as book:
        assert questions.visitors(book, "news.example").rows == ()


@needs_server
def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotWrittenError):
        Book(f"postgresql+psycopg://lab@/postgres?host={tmp_path}")
