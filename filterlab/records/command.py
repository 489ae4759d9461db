"""`filterlab records`: an authority's questions to what an operator has recorded.

Every question is written into the records before its answer is given; one that cannot
be written down is not answered.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from filterlab.records import questions
from filterlab.records.book import Book, NotWrittenError
from filterlab.records.loading import NotReadableError, read_back
from filterlab.records.moments import shown, span
from filterlab.records.questions import Answer
from filterlab.records.tables import FLOW, REQUEST, RETENTION, SESSION, SUBSCRIBER

FILE_NAME = "records.sqlite"
_BAD_INPUT = 2
# A line's length where nobody sees a terminal's end.
_WIDE = 120
# What a row of an answer shows, in two lines, and under which heading.
_COLUMNS: dict[str, Callable[[dict[str, Any]], tuple[str, str]]] = {
    "who": lambda row: (
        row["name"] or row["line"] or "unknown",
        row["contract"] or "no contract",
    ),
    "when": lambda row: (
        shown(row["start_ms"], "seconds"),
        "to " + shown(row["end_ms"], "seconds")[11:],
    ),
    "inside, outside": lambda row: (
        _end(row["internal_ip"], row["internal_port"]),
        _end(row["external_ip"], row["external_port"]),
    ),
    "site": lambda row: (_site(row), _end(row["site_ip"], row["site_port"])),
    "up, down": lambda row: (f"{row['bytes_up']:,}", f"{row['bytes_down']:,}"),
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
        str | None,
        typer.Option(help="When: 2016-03-01T10:00:00, UTC; all of that second."),
    ] = None,
    subscriber: Annotated[
        str | None, typer.Option(help="What did this subscriber visit?")
    ] = None,
    site: Annotated[str | None, typer.Option(help="Who visited this site?")] = None,
    vpn: Annotated[bool, typer.Option("--vpn", help="Who used a VPN?")] = False,
    since: Annotated[str | None, typer.Option(help="Not before this time.")] = None,
    until: Annotated[str | None, typer.Option(help="Not after this time.")] = None,
    requests: Annotated[
        bool, typer.Option("--requests", help="Who has asked what, and been told?")
    ] = False,
    load: Annotated[
        Path | None,
        typer.Option(help="Write what a run set aside (records-unwritten.jsonl)."),
    ] = None,
    authority: Annotated[
        str, typer.Option(help="Who asks; it is written down.")
    ] = "an authority",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask what the operators recorded; each question is recorded as well."""
    try:
        ask = _question(address, port, at, subscriber, site, vpn, since, until)
        if load is not None:
            print(_load(place, load, alone=ask is None and not requests))
            return
        with Book(_database(place), create=False) as book:
            if requests:
                _print_requests(book, as_json)
                return
            if ask is None:
                _print_summary(_summary(book), as_json)
                return
            answer = ask(book)
            now_ms = int(time.time() * 1000)
            book.note_request(now_ms, authority, answer.question, len(answer.rows))
    except NotReadableError as error:
        for problem in str(error).splitlines():
            print(f"{problem}; nothing was loaded", file=sys.stderr)
        raise typer.Exit(_BAD_INPUT) from None
    except (_AskError, NotWrittenError) as error:
        print(f"filterlab: error: {place}: {error}", file=sys.stderr)
        raise typer.Exit(_BAD_INPUT) from None
    _print_answer(answer, as_json)


def _place(place: str) -> Path | str:
    if "://" in place:
        return place
    path = Path(place)
    return path / FILE_NAME if path.is_dir() else path


def _database(place: str) -> Path | str:
    found = _place(place)
    if isinstance(found, Path) and not found.exists():
        raise _AskError("no records are here; does the scenario's policy record?")
    return found


def _load(place: str, file: Path, alone: bool) -> str:
    """Write what a run set aside; what came of it in words."""
    if not alone:
        raise _AskError("--load is no question; ask it afterwards")
    found = read_back(file)
    with Book(_place(place)) as book:
        before = book.load(found, int(time.time() * 1000))
        if before is not None:
            return f"{file} was loaded at {shown(before, 'seconds')}; nothing is added"
        told = f"{_connections(len(found.flows))} loaded, {found.rows:,} rows in all"
        if found.too_old is None:
            return told
        gone = book.forget(*found.too_old)
    return f"{told}; {_connections(gone)} let go as too old"


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
    first = None if since is None else _span(since)[0]
    last = None if until is None else _span(until)[1]
    if address is not None and at is not None:
        moment = _span(at)
        return lambda book: questions.who_had(book, address, port, *moment)
    if subscriber is not None:
        return lambda book: questions.visited(book, subscriber, first, last)
    if site is not None:
        return lambda book: questions.visitors(book, site, first, last)
    if vpn:
        return lambda book: questions.tunnel_users(book, first, last)
    return None


def _span(text: str) -> tuple[int, int]:
    try:
        return span(text)
    except ValueError:
        raise _AskError(
            f"{text!r} is no time; expected one such as 2016-03-01T10:00:00"
        ) from None


def _end(address: str | None, port: int | None) -> str:
    if address is None:
        return "not kept"
    host = f"[{address}]" if ":" in address else address
    return host if port is None else f"{host}:{port}"


def _site(row: dict[str, Any]) -> str:
    """The site's name as far as it is known, and what was spoken there."""
    name = row["site_name"] or "no name"
    if row["hidden"] == "ech":
        name += " (a cover)"
    return f"{name}, {row['protocol']}" if row["protocol"] else name


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
        "from": None if first is None else shown(first),
        "to": None if last is None else shown(last),
        "bytes_up": up or 0,
        "bytes_down": down or 0,
        "requests": count(REQUEST),
        "forgotten": int(forgotten or 0),
        "forgotten_before": None if limit is None else shown(limit),
    }


def _print_summary(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary))
        return
    for name, value in summary.items():
        if value is not None:
            told = f"{value:,}" if isinstance(value, int) else value
            print(f"{name.replace('_', ' '):16} {told}")


def _print_requests(book: Book, as_json: bool) -> None:
    columns = (REQUEST.c.asked_ms, REQUEST.c.authority, REQUEST.c.question)
    asked = book.ask(select(*columns, REQUEST.c.rows).order_by(REQUEST.c.id))
    if as_json:
        print(json.dumps([dict(row._mapping) for row in asked], ensure_ascii=False))
        return
    for row in asked:
        when = shown(row.asked_ms, "seconds")
        print(f"{when}  {row.authority}: {row.question} ({_connections(row.rows)})")
    if not asked:
        print("nobody has asked anything")


def _print_answer(answer: Answer, as_json: bool) -> None:
    if as_json:
        told = {"question": answer.question, "rows": answer.rows}
        print(json.dumps({**told, "unknown": answer.unknown}, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for heading in _COLUMNS:
        right = heading == "up, down"
        table.add_column(heading, overflow="fold", justify="right" if right else "left")
    for row in answer.rows:
        table.add_row(*("\n".join(show(row)) for show in _COLUMNS.values()))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    if answer.rows:
        console.print(table)
    console.print(_connections(len(answer.rows)))
    for unknown in answer.unknown:
        console.print(f"not known: {unknown}")


def _connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count:,} connections"
