"""Records of real traffic: to the byte, as long as they are kept, none of it lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.clock import wait_for
from filterlab.records.command import FILE_NAME
from filterlab.runner.bookkeeping import UNWRITTEN
from filterlab.runner.exposure import connections
from filterlab.scenario import content
from filterlab.scenario.policies import load_policy

SCENARIO = Path(__file__).parent / "scenarios" / "recorded.yaml"
WITHIN_SECONDS = 90.0


@pytest.fixture(autouse=True)
def everything_is_there(needs: Callable[..., None]) -> None:
    needs("conntrack")


def start(scenario: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "filterlab.cli", "run", str(scenario)]
    return subprocess.Popen(
        [*command, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(out: Path, question: str) -> list[Any]:
    with sqlite3.connect(out / FILE_NAME) as book:
        found = book.execute(question).fetchall()
    book.close()
    return found


def test_the_bytes_of_every_connection_are_those_of_the_captures(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    running = start(SCENARIO, out)
    said, complained = running.communicate(timeout=WITHIN_SECONDS)
    assert running.returncode == 0, said + complained
    result = json.loads((out / "result.json").read_text())
    began = result["timeline"][0]["began"]
    log = load_policy(content.policies()["by-2016-click-log"])
    captured: dict[Any, list[list[int]]] = defaultdict(list)
    for one in connections(out / "provider-inside.pcapng", log):
        if one.start >= began and one.ends[0] in ("tcp", "udp"):
            captured[one.ends].append(one.sums)
    columns = "transport, internal_ip, internal_port, site_ip, site_port"
    kept: dict[Any, list[list[int]]] = defaultdict(list)
    for row in rows(out, f"SELECT {columns}, bytes_up, bytes_down FROM flow"):
        kept[row[:5]].append(list(row[5:]))
    assert len(captured) >= 8
    assert max(down for sums in captured.values() for _, down in sums) > 3_000_000
    assert {ends: kept[ends] for ends in captured} == captured
    external = rows(out, "SELECT external_ip, external_port FROM flow")
    assert {address for address, _ in external} == {"198.51.100.1"}
    assert len(set(external)) == len(external)
    flows = rows(out, "SELECT SUM(bytes_up), SUM(bytes_down) FROM flow")
    assert rows(out, "SELECT SUM(bytes_up), SUM(bytes_down) FROM session") == flows
    assert rows(out, "SELECT line, name FROM subscriber ORDER BY line") == [
        ("alice", "Alice Example"),
        ("boris", None),
    ]
    assert {row["seen"] for row in result["exposure"]} == {"site"}


def test_a_year_later_the_rows_are_gone(tmp_path: Path) -> None:
    late = tmp_path / "late.yaml"
    late.write_text(SCENARIO.read_text().replace("at: 1h", "at: 366d"))
    out = tmp_path / "run"
    running = start(late, out)
    said, complained = running.communicate(timeout=WITHIN_SECONDS)
    assert running.returncode == 0, said + complained
    [(first,)] = rows(out, "SELECT MIN(end_ms) FROM flow")
    [(gone, limit)] = rows(out, "SELECT SUM(flows), MAX(limit_ms) FROM retention")
    assert gone >= 4
    assert first >= limit
    asked = [sys.executable, "-m", "filterlab.cli", "records", str(out), "--json"]
    summary = json.loads(subprocess.run(asked, capture_output=True, text=True).stdout)
    assert summary["forgotten"] == gone


def test_a_database_that_somebody_holds_costs_no_row_and_is_said(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    running = start(SCENARIO, out)
    file = out / FILE_NAME
    wait_for("the records", file.exists, WITHIN_SECONDS)

    def hold() -> sqlite3.Connection | None:
        other = sqlite3.connect(file, isolation_level=None, timeout=0.1)
        try:
            other.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            other.close()
            return None
        return other

    other = wait_for("the lock", hold, WITHIN_SECONDS)
    said, _ = running.communicate(timeout=WITHIN_SECONDS)
    other.execute("ROLLBACK")
    other.close()
    assert running.returncode == 3
    assert "could not tell" in said
    words = " ".join(said.split())
    assert "the records could not be written: database is locked" in words
    aside = [json.loads(line) for line in (out / UNWRITTEN).read_text().splitlines()]
    flows = [row["flow"] for row in aside if "flow" in row]
    assert len(flows) >= 8
    assert "session" in {name for row in aside for name in row}


def test_a_run_that_is_cut_off_leaves_whole_rows(tmp_path: Path) -> None:
    out = tmp_path / "run"
    running = start(SCENARIO, out)
    file = out / FILE_NAME
    wait_for("the records", file.exists, WITHIN_SECONDS)
    wait_for(
        "a subscriber",
        lambda: (
            rows(out, "SELECT name FROM sqlite_master WHERE name = 'subscriber'")
            and rows(out, "SELECT line FROM subscriber")
        ),
        WITHIN_SECONDS,
    )
    os.kill(running.pid, signal.SIGKILL)
    running.communicate(timeout=WITHIN_SECONDS)
    assert rows(out, "PRAGMA integrity_check") == [("ok",)]
    assert len(rows(out, "SELECT line FROM subscriber")) == 2
