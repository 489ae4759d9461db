"""The database of an operator's records: whole transactions, kept for a time.

A row that `append` has taken is on the disk: SQLite's journal is synchronised before
it returns. What was deleted for its age is overwritten, not only forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Executable,
    create_engine,
    delete,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError

from filterlab.records.entries import Flow, Session, Subscriber
from filterlab.records.loading import SetAside
from filterlab.records.tables import (
    FLOW,
    LOADED,
    METADATA,
    REQUEST,
    RETENTION,
    SESSION,
    SUBSCRIBER,
)

DAY_MS = 24 * 60 * 60 * 1000
# How long another program may hold the file before a write is given up for now.
_BUSY_SECONDS = 1.0


class NotWrittenError(Exception):
    """The database did not take the rows; the text says why, in its own words."""


class Book:
    """The records, open for writing and asking."""

    def __init__(self, place: Path | str, *, create: bool = True) -> None:
        """Open a SQLite file, or a database by its URL (`postgresql+psycopg://...`).

        Raises NotWrittenError if it cannot be opened.
        """
        self.place = place
        try:
            self._engine = _engine(place, create)
        except (ArgumentError, ImportError) as error:  # no such kind, or no driver
            raise NotWrittenError(str(error)) from None
        self._ids: dict[str, int] = {}
        try:
            if create and not inspect(self._engine).has_table("flow"):
                METADATA.create_all(self._engine)
            elif not create:
                self.ask(select(FLOW.c.id).limit(1))
            enrolled = self.ask(select(SUBSCRIBER.c.line, SUBSCRIBER.c.id))
        except DBAPIError as error:
            self._engine.dispose()
            raise NotWrittenError(_reason(error)) from None
        self._ids.update((line, number) for line, number in enrolled)

    def append(
        self,
        flows: Sequence[Flow] = (),
        sessions: Sequence[Session] = (),
        subscribers: Iterable[Subscriber] = (),
    ) -> None:
        """Write all or nothing; raises NotWrittenError, and then nothing was."""
        try:
            with self._engine.begin() as connection:
                ids = self._write(connection, flows, sessions, subscribers)
        except DBAPIError as error:
            raise NotWrittenError(_reason(error)) from None
        self._ids = ids

    def load(self, found: SetAside, now_ms: int) -> int | None:
        """Write what a run had set aside, all or nothing, and once.

        Returns when it was written before (ms), and None if it was written now.
        """
        known = select(LOADED.c.loaded_ms).where(LOADED.c.digest == found.digest)
        line = {"digest": found.digest, "loaded_ms": now_ms, "rows": found.rows}
        try:
            LOADED.create(self._engine, checkfirst=True)  # records may be older than it
            with self._engine.begin() as connection:
                before = connection.execute(known).scalar_one_or_none()
                if before is not None:
                    return int(before)
                # First of all: who loads the same file meanwhile, waits and fails here.
                connection.execute(LOADED.insert().values(**line))
                ids = self._write(
                    connection, found.flows, found.sessions, found.subscribers
                )
        except DBAPIError as error:
            raise NotWrittenError(_reason(error)) from None
        self._ids = ids
        return None

    def _write(
        self,
        connection: Connection,
        flows: Sequence[Flow],
        sessions: Sequence[Session],
        subscribers: Iterable[Subscriber],
    ) -> dict[str, int]:
        """Write rows; returns the numbers of all lines that are known then."""
        ids = dict(self._ids)
        for subscriber in subscribers:
            ids[subscriber.line] = self._enrol(connection, subscriber)
        _insert(connection, SESSION, sessions, ids)
        _insert(connection, FLOW, flows, ids)
        return ids

    def _enrol(self, connection: Connection, subscriber: Subscriber) -> int:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        values = asdict(subscriber)
        told = {k: v for k, v in values.items() if k == "line" or v is not None}
        wish = dialect.insert(SUBSCRIBER).values(**values)
        # What is known of a subscriber is not unlearnt.
        wish = wish.on_conflict_do_update(index_elements=["line"], set_=told)
        connection.execute(wish)
        known = select(SUBSCRIBER.c.id).where(SUBSCRIBER.c.line == subscriber.line)
        return int(connection.execute(known).scalar_one())

    def forget(self, now_ms: int, days: float) -> int:
        """Delete what ended more than `days` before now; returns how many flows.

        The requests stay: who asked is not what the rule lets go. That something was
        let go, when and how much, is written down as well.
        """
        limit = now_ms - round(days * DAY_MS)
        try:
            with self._engine.begin() as connection:
                ended = delete(SESSION).where(SESSION.c.end_ms < limit)
                sessions = connection.execute(ended).rowcount
                gone = connection.execute(delete(FLOW).where(FLOW.c.end_ms < limit))
                if gone.rowcount:
                    line = {
                        "done_ms": now_ms,
                        "limit_ms": limit,
                        "flows": gone.rowcount,
                    }
                    connection.execute(RETENTION.insert().values(**line))
            if gone.rowcount or sessions:
                self._tidy()
        except DBAPIError as error:
            raise NotWrittenError(_reason(error)) from None
        return gone.rowcount

    def _tidy(self) -> None:
        """Give free pages back; the log of changes must not keep what is gone."""
        if self._engine.dialect.name == "postgresql":
            self._rewrite()
            return
        script = "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)"
        with self._engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            # Only as a script it runs to its end: it gives a page back at each step.
            try:
                driver.executescript(script)
            except driver.OperationalError as error:
                raise NotWrittenError(str(error)) from None

    def _rewrite(self) -> None:
        """Have PostgreSQL write its tables anew: a plain vacuum leaves bytes behind.

        Its own log of changes goes on for a while, as `wal_keep_size` and the
        checkpoints have it.
        """
        with self._engine.connect() as connection:
            freely = connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in (FLOW, SESSION):
                freely.execute(text(f"VACUUM FULL {table.name}"))

    def note_request(
        self, asked_ms: int, authority: str, question: str, rows: int
    ) -> None:
        """Write down that an authority asked; an answer is given only after it."""
        wish = REQUEST.insert().values(
            asked_ms=asked_ms, authority=authority, question=question, rows=rows
        )
        try:
            with self._engine.begin() as connection:
                connection.execute(wish)
        except DBAPIError as error:
            raise NotWrittenError(_reason(error)) from None

    def ask(self, question: Executable) -> list[Any]:
        """The rows that a query gives."""
        with self._engine.connect() as connection:
            return list(connection.execute(question).all())

    def close(self) -> None:
        """Leave one file behind, without a log beside it."""
        if self._engine.dialect.name == "sqlite":
            # Read-only, or held by another: then the log beside it is read as well.
            with suppress(NotWrittenError):
                self._tidy()
        self._engine.dispose()

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _insert(
    connection: Connection,
    table: Any,
    entries: Sequence[Flow] | Sequence[Session],
    ids: dict[str, int],
) -> None:
    if not entries:
        return
    rows = []
    for entry in entries:
        row = {name: getattr(entry, name) for name in entry.__slots__}
        line = row.pop("line")
        row["subscriber_id"] = ids.get(line) if line is not None else None
        rows.append(row)
    connection.execute(table.insert(), rows)


def _engine(place: Path | str, create: bool) -> Engine:
    if isinstance(place, str) and "://" in place:
        url: URL = make_url(place)
    else:
        query = {} if create else {"mode": "rw", "uri": "true"}
        name = str(place) if create else f"file:{place}"
        url = URL.create("sqlite", database=name, query=query)
    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _set_up)
    return engine


def _set_up(connection: Any, _: object) -> None:
    """SQLite's settings: they belong to the connection, most of them."""
    cursor = connection.cursor()
    for setting in (
        "auto_vacuum = INCREMENTAL",
        "secure_delete = ON",  # deleted rows are overwritten with zeros
        "journal_mode = WAL",  # readers and the writer do not wait for each other
        "synchronous = FULL",  # a committed row survives a cut of power
        "foreign_keys = ON",
    ):
        try:
            cursor.execute(f"PRAGMA {setting}")
        except connection.OperationalError:
            continue  # a file that only may be read keeps the settings that it has
    cursor.close()


def _reason(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if error.orig else str(error)
