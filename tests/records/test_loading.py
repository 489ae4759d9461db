"""What a run set aside is loaded once, and whole or not at all."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from filterlab.cli import app
from filterlab.records.book import DAY_MS, Book
from filterlab.records.entries import Flow, Session, Subscriber
from filterlab.records.loading import NotReadableError, read_back
from filterlab.records.tables import FLOW, RETENTION, SUBSCRIBER
from filterlab.records.writer import Writer

ALICE = Subscriber("alice", "Alice Example")
NEW_YEAR_MS = 1_451_606_400_000
SESSION = Session("alice", NEW_YEAR_MS, NEW_YEAR_MS + 9, "100.64.0.2", 3, 4)


def flow(number: int) -> Flow:
    start = NEW_YEAR_MS + number
    return Flow("alice", start, start + 1, "tcp", "100.64.0.2", 1, None, None,
                "news.example", "198.18.0.5", 443, 3, 4)  # fmt: skip


def set_aside(folder: Path, days: float | None = None) -> Path:
    """What a writer leaves whose database is none; two rows of it are the same."""
    file = folder / "left.jsonl"
    place = folder / "no database"
    place.write_text("no database at all, and long enough to be taken for one by size")
    writer = Writer(place, file)
    writer.add([ALICE, SESSION, flow(1), flow(2), flow(2)])
    if days is not None:
        writer.forget(NEW_YEAR_MS + 400 * DAY_MS, days)
    assert writer.close() is not None
    return file


def load(place: Path | str, file: Path) -> tuple[int, str]:
    command = ["records", str(place), "--load", str(file)]
    done = CliRunner().invoke(app, command)
    return done.exit_code, done.output


def starts(place: Path | str) -> list[int]:
    with Book(place, create=False) as book:
        joined = select(FLOW.c.start_ms).join(SUBSCRIBER)
        return [row[0] - NEW_YEAR_MS for row in book.ask(joined)]


def test_what_was_set_aside_is_loaded_once(tmp_path: Path) -> None:
    file = set_aside(tmp_path)
    status, said = load(tmp_path / "r.sqlite", file)
    assert (status, said) == (0, "3 connections loaded, 5 rows in all\n")
    assert sorted(starts(tmp_path / "r.sqlite")) == [1, 2, 2]
    # By another name it is the same.
    other = file.rename(tmp_path / "other.jsonl")
    status, said = load(tmp_path / "r.sqlite", other)
    assert status == 0 and "nothing is added" in said
    assert sorted(starts(tmp_path / "r.sqlite")) == [1, 2, 2]


def test_it_goes_into_records_that_hold_something_and_are_older_than_this(
    tmp_path: Path,
) -> None:
    place = tmp_path / "records.sqlite"
    with Book(place) as book:
        book.append([flow(0)], [], [ALICE])
    with sqlite3.connect(place) as old:
        old.execute("DROP TABLE loaded")
    old.close()
    assert load(tmp_path, set_aside(tmp_path))[0] == 0
    assert sorted(starts(place)) == [0, 1, 2, 2]


def test_what_the_run_would_have_let_go_is_let_go(tmp_path: Path) -> None:
    place = tmp_path / "r.sqlite"
    status, said = load(place, set_aside(tmp_path, days=365))
    assert status == 0 and "3 connections let go as too old" in said
    assert starts(place) == []
    with Book(place) as book:
        assert book.ask(select(RETENTION.c.flows)) == [(3,)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"flow": {"line": "alice", "sta', "no JSON, or not all of it"),
        ("[]", "expected one of flow, session, subscriber"),
        ('{"visit": {}}', "there is no 'visit'"),
        ('{"flow": 7}', "expected the fields line, start_ms"),
        ('{"subscriber": {"line": "a", "shoe": "7"}}', "there is no field 'shoe'"),
        ('{"subscriber": {"line": null}}', "'line' is null"),
        ('{"subscriber": {"line": true}}', "'line' is true"),
        ('{"forget": 7}', "expected now_ms and days"),
        ('{"forget": {"now_ms": 1}}', "'days' is missing"),
        ("", "no JSON"),
        (json.dumps({"session": {**asdict(SESSION), "bytes_up": 2**63}}), "'bytes_up'"),
    ],
)
def test_a_line_that_is_none_is_named_and_nothing_is_loaded(
    tmp_path: Path, line: str, reason: str
) -> None:
    file = set_aside(tmp_path)
    file.write_text(f"{file.read_text()}{line}\n")
    status, said = load(tmp_path / "r.sqlite", file)
    assert status == 2 and f"{file}:6: " in said and reason in said
    assert not (tmp_path / "r.sqlite").exists()


def test_all_problems_of_a_file_are_named_and_an_empty_one_is_one(
    tmp_path: Path,
) -> None:
    file = tmp_path / "left.jsonl"
    file.write_text("nothing\nnothing\n")
    with pytest.raises(NotReadableError, match=r"jsonl:1: .*\n.*jsonl:2: "):
        read_back(file)
    file.write_text("")
    with pytest.raises(NotReadableError, match="no row"):
        read_back(file)
    with pytest.raises(NotReadableError, match="No such file"):
        read_back(tmp_path / "none")


def test_what_fails_in_between_is_not_loaded_at_all_and_can_be_loaded_later(
    tmp_path: Path,
) -> None:
    file, place = set_aside(tmp_path), tmp_path / "r.sqlite"
    Book(place).close()
    with sqlite3.connect(place) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON flow"
            f" WHEN NEW.start_ms = {NEW_YEAR_MS + 2}"
            " BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    status, said = load(place, file)
    assert status == 2 and "no room" in said
    assert starts(place) == []
    other.execute("DROP TRIGGER full")
    other.close()
    assert load(place, file)[0] == 0
    assert sorted(starts(place)) == [1, 2, 2]


def test_loading_is_no_question(tmp_path: Path) -> None:
    file = set_aside(tmp_path)
    command = ["records", str(tmp_path), "--load", str(file), "--vpn"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2 and "--load is no question" in done.output
