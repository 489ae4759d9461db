"""The questions on the command line, and that each of them is written down."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from filterlab.cli import app
from filterlab.records.book import Book
from filterlab.records.entries import Flow, Subscriber
from filterlab.records.tables import REQUEST

TEN = 1456826400_000  # 2016-03-01T10:00:00Z


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    flow = Flow("alice", TEN, TEN + 5000, "tcp", "100.64.0.2", 40000, "203.0.113.9",
                5001, "news.example", "198.18.0.5", 443, 700, 9000, "tls")  # fmt: skip
    with Book(tmp_path / "records.sqlite") as book:
        book.append([flow], [], [Subscriber("alice", "Alice Example", "B-17")])
    return tmp_path


def ask(folder: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["records", str(folder), *options])
    return done.exit_code, done.output


WHO = ("--address", "203.0.113.9", "--port", "5001", "--at", "2016-03-01T10:00:01")


def test_who_had_an_address_is_told_with_name_and_contract(folder: Path) -> None:
    status, said = ask(folder, *WHO, "--json")
    assert status == 0
    [row] = json.loads(said)["rows"]
    assert (row["name"], row["contract"]) == ("Alice Example", "B-17")


def test_the_table_shows_site_and_bytes(folder: Path) -> None:
    status, said = ask(folder, "--site", "news.example")
    assert status == 0
    assert "9,000" in said and "1 connection\n" in said


def test_every_question_is_written_down_with_who_asked(folder: Path) -> None:
    ask(folder, *WHO, "--authority", "an investigator")
    ask(folder, "--vpn")
    with Book(folder / "records.sqlite") as book:
        columns = (REQUEST.c.authority, REQUEST.c.question, REQUEST.c.rows)
        first, second = book.ask(select(*columns))
    assert first[0] == "an investigator"
    assert "203.0.113.9 port 5001" in first[1] and first[2] == 1
    assert second[1] == "who used a VPN" and second[2] == 0


def test_without_a_question_it_says_what_there_is(folder: Path) -> None:
    status, said = ask(folder)
    assert status == 0
    assert "connections      1" in said and "requests         0" in said


def test_the_requests_are_shown_in_words(folder: Path) -> None:
    assert ask(folder, "--requests") == (0, "nobody has asked anything\n")
    ask(folder, *WHO, "--authority", "an investigator")
    _, said = ask(folder, "--requests")
    asked = "who had 203.0.113.9 port 5001 at 2016-03-01 10:00:01.000"
    assert f"an investigator: {asked} (1 connection)" in said
    _, told = ask(folder, "--requests", "--json")
    assert [one["rows"] for one in json.loads(told)] == [1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_question_that_cannot_be_written_down_is_not_answered(folder: Path) -> None:
    (folder / "records.sqlite").chmod(0o444)
    folder.chmod(0o555)
    status, said = ask(folder, "--vpn")
    folder.chmod(0o755)
    assert status == 2 and "readonly" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--address", "203.0.113.9"), "--address and --at belong together"),
        (("--port", "80"), "--port to them"),
        (("--site", "a.example", "--vpn"), "one of --address"),
        (("--vpn", "--since", "yesterday"), "'yesterday' is no time"),
    ],
)
def test_a_faulty_question_is_refused(
    folder: Path, options: tuple[str, ...], said: str
) -> None:
    status, output = ask(folder, *options)
    assert status == 2
    assert said in output


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nosuch://base", "nosuch"),
        ("postgresql+nosuch://base", "nosuch"),
        ("://", "Could not parse"),
    ],
)
def test_a_place_that_is_none_is_told(place: str, said: str) -> None:
    done = CliRunner().invoke(app, ["records", place])
    assert done.exit_code == 2
    assert said in done.output


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    status, said = ask(tmp_path, "--vpn")
    assert status == 2
    assert "no records are here" in said
