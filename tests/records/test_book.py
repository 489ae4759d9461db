"""What is written is on the disk, and what is forgotten is gone from the file."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from filterlab.records.book import DAY_MS, Book, NotWrittenError
from filterlab.records.entries import Flow, Session, Subscriber
from filterlab.records.tables import FLOW, SESSION, SUBSCRIBER

ALICE = Subscriber("alice", "Alice Example", "B-17", document="MP0000001")


def flow(site: str | None = "news.example", end_ms: int = 1000, **more: object) -> Flow:
    facts: dict[str, object] = {
        "line": "alice",
        "start_ms": end_ms - 100,
        "end_ms": end_ms,
        "transport": "tcp",
        "internal_ip": "100.64.0.2",
        "internal_port": 40000,
        "external_ip": "203.0.113.9",
        "external_port": 50001,
        "site_name": site,
        "site_ip": "198.18.0.5",
        "site_port": 443,
        "bytes_up": 700,
        "bytes_down": 9000,
    }
    return Flow(**{**facts, **more})  # type: ignore[arg-type]


def test_a_row_has_all_sixteen_fields_of_the_resolution(tmp_path: Path) -> None:
    with Book(tmp_path / "records.sqlite") as book:
        book.append([flow()], subscribers=[ALICE])
    with sqlite3.connect(tmp_path / "records.sqlite") as database:
        database.row_factory = sqlite3.Row
        row = database.execute("SELECT * FROM resolution_6").fetchone()
    database.close()
    assert len(row.keys()) == 16
    assert row["subscriber_name"] == "Alice Example"
    assert row["dest_domain_or_ip"] == "news.example"
    assert (row["external_ip"], row["external_port"]) == ("203.0.113.9", 50001)
    assert (row["bytes_up"], row["bytes_down"]) == (700, 9000)


def test_an_address_stands_where_no_name_was_seen(tmp_path: Path) -> None:
    with Book(tmp_path / "r.sqlite") as book:
        book.append([flow(None)], subscribers=[ALICE])
    with sqlite3.connect(tmp_path / "r.sqlite") as database:
        query = "SELECT dest_domain_or_ip FROM resolution_6"
        assert database.execute(query).fetchone() == ("198.18.0.5",)
    database.close()


def test_what_is_too_old_is_gone_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "records.sqlite"
    with Book(file) as book:
        old = [flow(f"old-{n}.example", end_ms=1000) for n in range(500)]
        book.append([*old, flow("young.example", end_ms=2 * DAY_MS)], [], [ALICE])
        assert book.forget(365 * DAY_MS + 1000, 365) == 0
        assert book.forget(365 * DAY_MS + 1001, 365) == 500
        assert book.ask(select(FLOW.c.site_name)) == [("young.example",)]
        left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"young.example" in left
        assert b"old-" not in left


def test_the_file_becomes_smaller_when_rows_go(tmp_path: Path) -> None:
    file = tmp_path / "records.sqlite"
    with Book(file) as book:
        book.append([flow(f"old-{n}.example") for n in range(5000)], [], [ALICE])
    before = file.stat().st_size
    with Book(file) as book:
        book.forget(400 * DAY_MS, 365)
    assert file.stat().st_size < before / 10


def test_one_file_is_left_behind(tmp_path: Path) -> None:
    with Book(tmp_path / "records.sqlite") as book:
        book.append([flow()], subscribers=[ALICE])
    assert [path.name for path in tmp_path.iterdir()] == ["records.sqlite"]


def test_a_subscriber_is_known_again_when_the_book_is_opened_again(
    tmp_path: Path,
) -> None:
    file = tmp_path / "records.sqlite"
    with Book(file) as book:
        book.append(subscribers=[ALICE])
    with Book(file) as book:
        book.append([flow()], [Session("alice", 0, 9, "100.64.0.2", 1, 2)])
        assert book.ask(select(FLOW.c.subscriber_id)) == [(1,)]
        assert book.ask(select(SESSION.c.subscriber_id)) == [(1,)]


def test_what_is_known_of_a_subscriber_grows_and_does_not_shrink(
    tmp_path: Path,
) -> None:
    with Book(tmp_path / "r.sqlite") as book:
        book.append(subscribers=[ALICE])
        book.append(subscribers=[Subscriber("alice", device="02:00:00:00:00:07")])
        columns = (SUBSCRIBER.c.name, SUBSCRIBER.c.device)
        row = book.ask(select(*columns))
        assert row == [("Alice Example", "02:00:00:00:00:07")]


def test_a_flow_of_nobody_is_kept(tmp_path: Path) -> None:
    with Book(tmp_path / "r.sqlite") as book:
        book.append([flow(line=None)])
        assert book.ask(select(FLOW.c.subscriber_id)) == [(None,)]


def test_a_clock_that_jumps_back_loses_nothing(tmp_path: Path) -> None:
    with Book(tmp_path / "r.sqlite") as book:
        book.append([flow(start_ms=9000, end_ms=100)], subscribers=[ALICE])
        totals = select(func.count(), func.sum(FLOW.c.bytes_down))
        assert book.ask(totals) == [(1, 9000)]


def test_a_hundred_thousand_sessions_have_the_right_totals(tmp_path: Path) -> None:
    lines = [Subscriber(f"line{n}") for n in range(100)]
    sessions = [
        Session(f"line{n % 100}", n, n + 5, "100.64.0.2", n, 2 * n)
        for n in range(100_000)
    ]
    with Book(tmp_path / "r.sqlite") as book:
        book.append([], sessions, lines)
        totals = select(func.sum(SESSION.c.bytes_up), func.sum(SESSION.c.bytes_down))
        every = 100_000 * 99_999 // 2
        assert book.ask(totals) == [(every, 2 * every)]
        per_line = select(func.count(SESSION.c.id)).group_by(SESSION.c.subscriber_id)
        assert book.ask(per_line) == [(1000,)] * 100


def test_a_batch_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with Book(tmp_path / "r.sqlite") as book:
        book.append([flow()], subscribers=[ALICE])
        with pytest.raises(NotWrittenError):
            book.append([flow(), flow(site_ip=None)])
        assert book.ask(select(func.count()).select_from(FLOW)) == [(1,)]


def test_a_locked_book_says_so_and_takes_the_rows_later(tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite"
    with Book(file) as book:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NotWrittenError, match="locked"):
            book.append([flow()], subscribers=[ALICE])
        other.execute("ROLLBACK")
        other.close()
        book.append([flow()], subscribers=[ALICE])
        assert book.ask(select(FLOW.c.subscriber_id)) == [(1,)]


def test_a_book_that_is_no_book_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite"
    file.write_text("this is no database, but it is long enough to be read as one")
    with pytest.raises(NotWrittenError, match="not a database"):
        Book(file)
    with pytest.raises(NotWrittenError, match="unable to open"):
        Book(tmp_path / "none.sqlite", create=False)


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, "{tests}")
from test_book import ALICE, flow
from filterlab.records.book import Book
book = Book(Path("{file}"))
book.append([flow()], subscribers=[ALICE])
number = 1
while True:
    book.append([flow()] * 100)
    number += 100
    os.write(1, f"{{number}}\\n".encode())
"""


def test_no_accepted_row_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite"
    program = KILLED.format(tests=Path(__file__).parent, file=file)
    writer = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert writer.stdout is not None
    accepted = [int(writer.stdout.readline()) for _ in range(20)][-1]
    writer.kill()
    accepted = max([accepted, *(int(line) for line in writer.stdout if line.strip())])
    writer.wait()
    writer.stdout.close()
    with Book(file, create=False) as book:
        [(kept,)] = book.ask(select(func.count()).select_from(FLOW))
        assert book.ask(select(func.sum(FLOW.c.bytes_up))) == [(700 * kept,)]
    assert kept >= accepted
    assert kept % 100 == 1
