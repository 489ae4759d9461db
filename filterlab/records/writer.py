"""Writes records beside the exchange: in a thread, in batches, losing nothing.

A database that is full, locked or read-only costs the traffic nothing and the records
no row: what it does not take is tried again, and at the end written to a file of its
own, which the run names.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from filterlab.records.book import Book, NotWrittenError
from filterlab.records.entries import Flow, Session, Subscriber
from filterlab.records.loading import FORGET

# Often enough that a reader sees what has just ended; seldom enough that a disk's
# synchronisation is shared by many rows.
_EVERY_SECONDS = 0.25
# Rows of one transaction: it must not hold the file for long.
_BATCH = 5_000

Entry = Flow | Session | Subscriber


class Writer:
    """Takes entries from any thread, and has them written."""

    def __init__(self, place: Path | str, unwritten: Path) -> None:
        """`unwritten` is the file for what the database never took (JSON lines)."""
        self._place = place
        self._unwritten = unwritten
        self._waiting: deque[Entry] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._book: Book | None = None
        self.trouble: str | None = None
        self.written = 0
        self.forgotten = 0
        self._too_old: tuple[int, float] | None = None
        self._thread = threading.Thread(target=self._run, name="records")
        self._thread.start()

    def add(self, entries: Iterable[Entry]) -> None:
        """Have entries written soon; returns at once."""
        self._waiting.extend(entries)

    def forget(self, now_ms: int, days: float) -> None:
        """Have what ended more than `days` before now deleted soon."""
        self._too_old = now_ms, days

    def close(self) -> str | None:
        """Write what is left; says what went wrong, if anything did."""
        self._closing = True
        self._wake.set()
        self._thread.join()
        return self.trouble

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(_EVERY_SECONDS)
            self._write()
        while (self._waiting or self._too_old) and self._write():
            pass
        if self._waiting:
            self._set_aside()
        if self._book is not None:
            self._book.close()

    def _write(self) -> bool:
        """Write one batch; whether it was taken."""
        batch = [self._waiting[n] for n in range(min(_BATCH, len(self._waiting)))]
        if not batch:
            return self._let_go()
        try:
            if self._book is None:
                self._book = Book(self._place)
            self._book.append(
                [e for e in batch if isinstance(e, Flow)],
                [e for e in batch if isinstance(e, Session)],
                [e for e in batch if isinstance(e, Subscriber)],
            )
        except NotWrittenError as error:
            self.trouble = f"the records could not be written: {error}"
            return False
        for _ in batch:
            self._waiting.popleft()
        self.written += len(batch)
        self.trouble = None
        return True

    def _let_go(self) -> bool:
        """Delete what is too old, once nothing waits; whether that was done."""
        wish = self._too_old
        if wish is None:
            return True
        try:
            if self._book is None:
                self._book = Book(self._place)
            self.forgotten += self._book.forget(*wish)
        except NotWrittenError as error:
            self.trouble = f"what is too old could not be deleted: {error}"
            return False
        self.trouble = None
        if self._too_old == wish:
            self._too_old = None
        return True

    def _set_aside(self) -> None:
        rows = list(self._waiting)
        lines = [
            json.dumps({type(row).__name__.lower(): asdict(row)}, ensure_ascii=False)
            for row in rows
        ]
        if self._too_old is not None:
            now_ms, days = self._too_old
            lines.append(json.dumps({FORGET: {"now_ms": now_ms, "days": days}}))
        try:
            self._unwritten.write_text("\n".join(lines) + "\n")
        except OSError as error:
            self.trouble = f"{self.trouble}; {len(rows)} rows are lost: {error}"
        else:
            self.trouble = (
                f"{self.trouble}; {len(rows)} rows are in {self._unwritten.name}"
            )
