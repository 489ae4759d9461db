"""The same book on a PostgreSQL server of the test's own, behind a Unix socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from filterlab.records import questions
from filterlab.records.book import DAY_MS, Book, NotWrittenError
from filterlab.records.entries import Flow, Session, Subscriber
from filterlab.records.loading import SetAside
from tests.records.postgresql import PROGRAMS, serving

needs_server = pytest.mark.skipif(
    PROGRAMS is None, reason="postgresql or psycopg is not installed"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as url:
        yield url


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


@needs_server
def test_what_is_too_old_is_gone_from_the_tables_files(server: str) -> None:
    old = Flow("alice", 1, 2, "tcp", "100.64.0.2", 1, None, None,
               "long-ago.example", "198.18.0.5", 443, 3, 4)  # fmt: skip

    engine = create_engine(server, isolation_level="AUTOCOMMIT")

    def on_disk() -> bytes:
        with engine.connect() as connection:
            connection.execute(text("CHECKPOINT"))
            where = text("SELECT pg_relation_filepath('flow')")
            path = connection.execute(where).scalar_one()
        folder = Path(server.rpartition("host=")[2]) / "data"
        return (folder / path).read_bytes()

    with Book(server) as book:
        book.append([old] * 50, [], [Subscriber("alice")])
    with Book(server) as book:
        assert b"long-ago.example" in on_disk()
        assert book.forget(366 * DAY_MS, 365) == 50
        assert b"long-ago.example" not in on_disk()
    engine.dispose()


@needs_server
def test_what_a_run_set_aside_is_loaded_once(server: str) -> None:
    lost = Flow("zoe", 1, 2, "tcp", "100.64.0.9", 1, None, None,
                "lost.example", "198.18.0.5", 443, 3, 4)  # fmt: skip
    aside = SetAside("a digest", [lost], [], [Subscriber("zoe", "Zoe Example")])
    with Book(server) as book:
        assert book.load(aside, 7) is None
        assert book.load(aside, 8) == 7
        [row] = questions.visitors(book, "lost.example").rows
        assert row["name"] == "Zoe Example"
