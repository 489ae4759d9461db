"""`filterlab records`: an authority's questions to what an operator has recorded.

Every question is written into the records before its answer is given; one that cannot
be written down is not answered.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from filterlab.records import questions
from filterlab.records.book import Book, NotWrittenError
from filterlab.records.questions import Answer
from filterlab.records.tables import FLOW, REQUEST, RETENTION, SESSION, SUBSCRIBER

FILE_NAME = "records.sqlite"
_BAD_INPUT = 2
# What a row of an answer shows, and under which heading.
_COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "subscriber": lambda row: row["name"] or row["line"] or "unknown",
    "contract": lambda row: row["contract"] or "",
    "from": lambda row: _time(row["start_ms"]),
    "to": lambda row: _time(row["end_ms"]),
    "internal": lambda row: _end(row["internal_ip"], row["internal_port"]),
    "external": lambda row: _end(row["external_ip"], row["external_port"]),
    "site": lambda row: _site(row),
    "up": lambda row: f"{row['bytes_up']:,}",
    "down": lambda row: f"{row['bytes_down']:,}",
    "known as": lambda row: row["protocol"] or "",
}


class _AskError(Exception):
    """What is wrong with the question."""


def records(
    place: Annotated[
        str,
        typer.Argument(help="A run's folder, a SQLite file, or a database's URL."),
    ],
    address: Annotated[
        str | None, typer.Option(help="Who had this external address? Needs --at.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="... and this port?")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="When: 2016-03-01T10:00:00, UTC.")
    ] = None,
    subscriber: Annotated[
        str | None, typer.Option(help="What did this subscriber visit?")
    ] = None,
    site: Annotated[str | None, typer.Option(help="Who visited this site?")] = None,
    vpn: Annotated[bool, typer.Option("--vpn", help="Who used a VPN?")] = False,
    since: Annotated[str | None, typer.Option(help="Not before this time.")] = None,
    until: Annotated[str | None, typer.Option(help="Not after this time.")] = None,
    authority: Annotated[
        str, typer.Option(help="Who asks; it is written down.")
    ] = "an authority",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask what the operators recorded; each question is recorded as well."""
    try:
        ask = _question(address, port, at, subscriber, site, vpn, since, until)
        with Book(_database(place), create=False) as book:
            if ask is None:
                _print_summary(_summary(book), as_json)
                return
            answer = ask(book)
            now_ms = int(time.time() * 1000)
            rows = len(answer.rows)
            book.note_request(now_ms, authority, answer.question, rows)
    except (_AskError, NotWrittenError) as error:
        print(f"filterlab: error: {place}: {error}", file=sys.stderr)
        raise typer.Exit(_BAD_INPUT) from None
    _print_answer(answer, as_json)


def _database(place: str) -> Path | str:
    if "://" in place:
        return place
    path = Path(place)
    if path.is_dir():
        path /= FILE_NAME
    if not path.exists():
        raise _AskError("no records are here; does the scenario's policy record?")
    return path


def _question(
    address: str | None,
    port: int | None,
    at: str | None,
    subscriber: str | None,
    site: str | None,
    vpn: bool,
    since: str | None,
    until: str | None,
) -> Callable[[Book], Answer] | None:
    """The one question that the options ask; None for none."""
    asked = [wish for wish in (address, subscriber, site, vpn or None) if wish]
    if len(asked) > 1:
        raise _AskError("one of --address, --subscriber, --site, --vpn at a time")
    if (address is None) != (at is None) or (port is not None and address is None):
        raise _AskError("--address and --at belong together, and --port to them")
    first, last = _ms(since), _ms(until)
    if address is not None:
        moment = _ms(at)
        assert moment is not None
        return lambda book: questions.who_had(book, address, port, moment)
    if subscriber is not None:
        return lambda book: questions.visited(book, subscriber, first, last)
    if site is not None:
        return lambda book: questions.visitors(book, site, first, last)
    if vpn:
        return lambda book: questions.tunnel_users(book, first, last)
    return None


def _ms(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _AskError(
            f"{text!r} is no time; expected one such as 2016-03-01T10:00:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _time(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def _end(address: str | None, port: int | None) -> str:
    if address is None:
        return "not kept"
    host = f"[{address}]" if ":" in address else address
    return host if port is None else f"{host}:{port}"


def _site(row: dict[str, Any]) -> str:
    name = row["site_name"]
    where = _end(row["site_ip"], row["site_port"])
    if name is None:
        return where
    return (
        f"{name} (a cover), {where}" if row["hidden"] == "ech" else f"{name}, {where}"
    )


def _summary(book: Book) -> dict[str, Any]:
    def count(table: Any) -> int:
        return int(book.ask(select(func.count()).select_from(table))[0][0])

    sums = (func.min(FLOW.c.start_ms), func.max(FLOW.c.end_ms))
    sizes = (func.sum(FLOW.c.bytes_up), func.sum(FLOW.c.bytes_down))
    [(first, last, up, down)] = book.ask(select(*sums, *sizes))
    gone = (func.sum(RETENTION.c.flows), func.max(RETENTION.c.limit_ms))
    [(forgotten, limit)] = book.ask(select(*gone))
    return {
        "subscribers": count(SUBSCRIBER),
        "sessions": count(SESSION),
        "connections": count(FLOW),
        "from": None if first is None else _time(first),
        "to": None if last is None else _time(last),
        "bytes_up": up or 0,
        "bytes_down": down or 0,
        "requests": count(REQUEST),
        "forgotten": int(forgotten or 0),
        "forgotten_before": None if limit is None else _time(limit),
    }


def _print_summary(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary))
        return
    for name, value in summary.items():
        shown = f"{value:,}" if isinstance(value, int) else value or "never"
        print(f"{name.replace('_', ' '):16} {shown}")


def _print_answer(answer: Answer, as_json: bool) -> None:
    if as_json:
        told = {"question": answer.question, "rows": answer.rows}
        print(json.dumps({**told, "unknown": answer.unknown}, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for heading in _COLUMNS:
        table.add_column(heading, overflow="fold")
    for row in answer.rows:
        table.add_row(*(show(row) for show in _COLUMNS.values()))
    console = Console(highlight=False)
    if answer.rows:
        console.print(table)
    rows = len(answer.rows)
    console.print(f"{rows} connection{'' if rows == 1 else 's'}")
    for unknown in answer.unknown:
        console.print(f"not known: {unknown}")
