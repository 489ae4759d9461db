"""The writer loses no row, whatever becomes of the database."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import func, select

from filterlab.lab.clock import wait_for
from filterlab.records.book import Book
from filterlab.records.entries import Flow, Subscriber
from filterlab.records.tables import FLOW
from filterlab.records.writer import Writer

ALICE = Subscriber("alice", "Alice Example")


def flow(number: int) -> Flow:
    return Flow("alice", number, number + 1, "tcp", "100.64.0.2", 1, None, None,
                "news.example", "198.18.0.5", 443, 3, 4)  # fmt: skip


def count(file: Path) -> int:
    with Book(file, create=False) as book:
        return int(book.ask(select(func.count()).select_from(FLOW))[0][0])


def test_all_that_was_given_is_written(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "r.sqlite", tmp_path / "left.jsonl")
    writer.add([ALICE])
    for number in range(20_000):
        writer.add([flow(number)])
    assert writer.close() is None
    assert count(tmp_path / "r.sqlite") == 20_000
    assert [path.name for path in tmp_path.iterdir()] == ["r.sqlite"]


def test_a_lock_is_waited_out(tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite"
    Book(file).close()
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    writer = Writer(file, tmp_path / "left.jsonl")
    writer.add([ALICE, flow(1)])
    wait_for("the trouble", lambda: writer.trouble, within=10)
    other.execute("ROLLBACK")
    other.close()
    wait_for("the rows", lambda: writer.written == 2, within=10)
    assert writer.close() is None
    assert count(file) == 1


def test_what_is_never_taken_is_set_aside_and_said(tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite"
    file.write_text("no database at all, and long enough to be taken for one by size")
    writer = Writer(file, tmp_path / "left.jsonl")
    writer.add([ALICE, flow(1), flow(2)])
    trouble = writer.close()
    assert trouble is not None
    assert "not a database" in trouble and "3 rows are in left.jsonl" in trouble
    lines = (tmp_path / "left.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows[0] == {"subscriber": asdict(ALICE)}
    assert [row["flow"]["start_ms"] for row in rows[1:]] == [1, 2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_said_with_what_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite"
    os.symlink("/dev/full", file)
    writer = Writer(file, Path("/dev/full"))
    writer.add([flow(1)])
    trouble = writer.close()
    assert trouble is not None and "1 rows are lost" in trouble
