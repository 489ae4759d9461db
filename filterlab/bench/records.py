"""Measures a provider's records: written while filtering, and asked when many.

In the seal: what records cost bulk traffic that is decided, and how many connections a
second become rows. Outside it: a question among ten million rows, and their size.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from filterlab.bench import goodput, load
from filterlab.bench.exchange import POLICY, OneExchange
from filterlab.policy.rules import Records
from filterlab.records.book import Book
from filterlab.records.entries import Flow
from filterlab.records.keeping import Keeper, Passed
from filterlab.records.questions import who_had
from filterlab.records.writer import Writer
from filterlab.scenario import content
from filterlab.scenario.policies import load_policy

ROWS = 10_000_000
_LOOKUPS = 200
_ALONE = 200_000  # seconds of work, and forty transactions
_START_MS = 1_456_790_400_000  # 1 March 2016, as the story's log begins
_GAP_MS = 25  # between two connections: ten million fill three days
_PORTS = 64_512  # 1024 to 65535, each used again and again
_POOL = 250  # public addresses

_FILL = f"""
WITH RECURSIVE number(n) AS (
  SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ?
)
INSERT INTO flow (subscriber_id, start_ms, end_ms, transport, internal_ip,
  internal_port, external_ip, external_port, site_name, site_ip, site_port,
  bytes_up, bytes_down, protocol, hidden)
SELECT 1 + n % 1000, {_START_MS} + n * {_GAP_MS}, {_START_MS} + n * {_GAP_MS} + 30000,
  'tcp', '100.64.' || (n % 1000 / 250) || '.' || (n % 250),
  1024 + n * 31 % {_PORTS}, '198.51.100.' || (n * 7 % {_POOL}),
  1024 + n * 31 % {_PORTS}, 'site' || (n * 13 % 20000) || '.example',
  '198.18.' || (n % 200) || '.' || (n * 3 % 250), 443, 1200, 45000, 'tls', NULL
FROM number
"""


def sealed(folder: Path) -> dict[str, Any]:
    """One round: bulk without and with records, then connections that become rows."""
    plain = load_policy(content.policies()[POLICY])
    recording = replace(plain, records=Records())
    writer = Writer(folder / "records.sqlite", folder / "left.jsonl")
    keeper = Keeper({}, writer.add, 120.0)
    with OneExchange(folder) as lab:
        lab.controller.passed = lambda said: keeper.passed(Passed(**said["passed"]))
        lab.put(plain, "plain")
        without = goodput.mbit_s(lab)
        lab.put(recording, "recording")
        with_records = goodput.mbit_s(lab)
        measured = load.measure(lab)
        began = time.monotonic()
        lab.network.openvswitch.credit_entries()
        lab.controller.harvest()
        lab.controller.close_records()
        trouble = writer.close()
        # Until the last of them is on the disk. The pauses of the load, which measures
        # latency as well, are no work of the records.
        seconds = writer.written / measured.per_second + time.monotonic() - began
    if trouble is not None:
        raise RuntimeError(trouble)
    return {
        "plain_mbit_s": without,
        "recorded_mbit_s": with_records,
        "connections_per_second": measured.per_second,
        "rows_per_second": writer.written / seconds,
    }


def alone(folder: Path) -> float:
    """Rows a second that the writer takes when nothing else is done."""
    writer = Writer(folder / "alone.sqlite", folder / "left.jsonl")
    row = Flow("line", _START_MS, _START_MS + 1, "tcp", "100.64.0.2", 40000,
               "198.51.100.1", 40000, "news.example", "198.18.0.5", 443,
               1200, 45000, "tls")  # fmt: skip
    began = time.monotonic()
    for _ in range(_ALONE):
        writer.add([row])
    trouble = writer.close()
    if trouble is not None:
        raise RuntimeError(trouble)
    return writer.written / (time.monotonic() - began)


def large_book(folder: Path, rows: int = ROWS) -> dict[str, float]:
    """How long a question takes among so many rows, and how large they are."""
    file = folder / "many.sqlite"
    Book(file).close()
    began = time.monotonic()
    _fill(file, rows)
    filled = time.monotonic() - began
    chance = random.Random(1)
    took = []
    with Book(file, create=False) as book:
        for _ in range(_LOOKUPS):
            n = chance.randrange(rows)
            address = f"198.51.100.{n * 7 % _POOL}"
            port = 1024 + n * 31 % _PORTS
            at_ms = _START_MS + n * _GAP_MS + 1
            started = time.perf_counter()
            answer = who_had(book, address, port, at_ms)
            took.append(1000 * (time.perf_counter() - started))
            if not answer.rows:
                raise RuntimeError(f"nobody had {address}:{port} at {at_ms}")
    return {
        "lookup_ms": median(took),
        "slowest_ms": max(took),
        "row_bytes": file.stat().st_size / rows,
        "fill_seconds": filled,
    }


def _fill(file: Path, rows: int) -> None:
    """Write rows in one go, and build the indexes behind them, as for a copy."""
    with sqlite3.connect(file) as book:
        book.execute("PRAGMA synchronous = OFF")
        # A copy that fails is made anew; a journal would write everything twice.
        book.execute("PRAGMA journal_mode = OFF")
        indexes = book.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' "
            "AND tbl_name = 'flow' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            book.execute(f"DROP INDEX {name}")
        book.executemany(
            "INSERT INTO subscriber (line) VALUES (?)",
            [(f"line {number}",) for number in range(1000)],
        )
        book.execute(_FILL, (rows,))
        for _, made in indexes:
            book.execute(made)
    book.close()


if __name__ == "__main__":
    place = Path(sys.argv[1])
    rate = {"alone_per_second": alone(place)}
    Path(sys.argv[2]).write_text(json.dumps(rate | large_book(place)))
