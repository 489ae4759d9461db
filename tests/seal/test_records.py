"""Records of real traffic: to the byte, as long as they are kept, none of it lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from filterlab.lab.clock import wait_for
from filterlab.lab.seal import children_of
from filterlab.records.book import Book
from filterlab.records.command import FILE_NAME
from filterlab.runner.bookkeeping import UNWRITTEN
from filterlab.runner.exposure import connections
from filterlab.scenario import content
from filterlab.scenario.policies import load_policy
from tests.records.postgresql import PROGRAMS, serving

SCENARIOS = Path(__file__).parent / "scenarios"
FULL, BRIEF = SCENARIOS / "recorded.yaml", SCENARIOS / "recorded-briefly.yaml"
FILTERLAB = [sys.executable, "-m", "filterlab.cli"]
WITHIN_SECONDS = 240.0
# For SQLite's shared memory beside a file (32 KiB), and for hardly anything else.
LITTLE_BYTES = 44 * 1024

Facts = tuple[Any, ...]  # transport, inside, its port, outside, its port, up, down


@pytest.fixture(autouse=True)
def everything_is_there(needs: Callable[..., None]) -> None:
    needs("conntrack")


def start(scenario: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*FILTERLAB, "run", str(scenario), "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(file: Path, question: str) -> list[Any]:
    with sqlite3.connect(file) as book:
        found = book.execute(question).fetchall()
    book.close()
    return found


COLUMNS = (
    "transport, internal_ip, internal_port, site_ip, site_port, bytes_up, bytes_down"
)
FLOWS = f"SELECT {COLUMNS} FROM flow"


def captured(out: Path, side: str = "inside") -> Counter[Facts]:
    """The connections that a capture holds since the first policy."""
    result = json.loads((out / "result.json").read_text())
    began = result["timeline"][0]["began"]
    log = load_policy(content.policies()["by-2016-click-log"])
    return Counter(
        (*one.ends, *one.sums)
        for one in connections(out / f"provider-{side}.pcapng", log)
        if one.start >= began and one.ends[0] in ("tcp", "udp")
    )


def ends_of(connections: Counter[Facts]) -> set[Facts]:
    return {one[:5] for one in connections}


def set_aside(out: Path) -> Counter[Facts]:
    """The connections that no database took."""
    lines = map(json.loads, (out / UNWRITTEN).read_text().splitlines())
    flows = [line["flow"] for line in lines if "flow" in line]
    return Counter(tuple(flow[name] for name in COLUMNS.split(", ")) for flow in flows)


def said_by(running: subprocess.Popen[str]) -> str:
    """All that a run says, on lines as long as they want to be."""
    said, complained = running.communicate(timeout=WITHIN_SECONDS)
    return " ".join(f"{said} {complained}".split())


def test_the_bytes_of_every_connection_are_those_of_the_captures(
    tmp_path: Path, needs: Callable[..., None]
) -> None:
    needs("wg", "wireguard-go")
    out = tmp_path / "run"
    running = start(FULL, out)
    said = said_by(running)
    assert running.returncode == 0, said
    on_the_wire = captured(out)
    kept = Counter(rows(out / FILE_NAME, f"{FLOWS} WHERE transport IN ('tcp', 'udp')"))
    # A flow that was led elsewhere went in by the one end, and came by another: what
    # the client then saw, the exchange had made of it.
    answers = captured(out, "outside")
    others = {"198.18.2.2": "198.18.3.2", "2001:db8:8000:2::2": "2001:db8:8000:3::2"}
    led = [
        one for one in kept if (*one[:3], others.get(one[3]), 8080) in ends_of(answers)
    ]
    assert {one[3] for one in led} == set(others)
    for one in led:
        [asked] = [seen for seen in on_the_wire if seen[:5] == one[:5]]
        [answered] = [
            seen for seen in answers if seen[:5] == (*one[:3], others[one[3]], 8080)
        ]
        assert (asked[5], answered[6]) == one[5:]
        on_the_wire[asked] -= 1
        on_the_wire[one] += 1
    assert kept == +on_the_wire
    kinds = {(one[0], ":" in one[3], one[4]) for one in kept}
    assert kinds >= {
        *(("tcp", False, port) for port in (80, 443)),
        *(("tcp", True, port) for port in (80, 443)),
        *(("udp", False, port) for port in (53, 51820)),
    }
    # Bulk, which the switch alone has seen; a busy machine may not get all of it.
    assert max(one[6] for one in kept) > 500_000
    translated = (
        "FROM flow WHERE transport IN ('tcp', 'udp') AND site_ip NOT LIKE '%:%'"
    )
    ends = rows(out / FILE_NAME, f"SELECT external_ip, external_port {translated}")
    assert {address for address, _ in ends} == {"198.51.100.1"}
    assert len(set(ends)) == len(ends)
    sums = [
        rows(out / FILE_NAME, f"SELECT SUM(bytes_up), SUM(bytes_down) FROM {table}")
        for table in ("flow", "session")
    ]
    assert sums[0] == sums[1]
    assert rows(out / FILE_NAME, "SELECT line, name FROM subscriber ORDER BY line") == [
        ("alice", "Alice Example"),
        ("boris", None),
    ]


def test_a_year_later_the_rows_are_gone_from_the_file(tmp_path: Path) -> None:
    shutil.copytree(SCENARIOS / "policies", tmp_path / "policies")
    late = tmp_path / "late.yaml"
    # No name is kept any more: what there is of one is of the year before.
    moment = "{at: 366d, phase: late, policy: led-and-recorded}"
    early = "phase: early, policy: by-2016-click-log}"
    late.write_text(BRIEF.read_text().replace(early, f"{early}\n  - {moment}"))
    out = tmp_path / "run"
    running = start(late, out)
    said = said_by(running)
    assert running.returncode == 0, said
    file = out / FILE_NAME
    [(first,)] = rows(file, "SELECT MIN(end_ms) FROM flow")
    [(gone, limit)] = rows(file, "SELECT SUM(flows), MAX(limit_ms) FROM retention")
    assert gone >= 6
    assert first >= limit
    left = b"".join(path.read_bytes() for path in out.glob(f"{FILE_NAME}*"))
    assert b"Alice Example" in left
    assert b"news.example" not in left
    asked = subprocess.run(
        [*FILTERLAB, "records", str(out), "--json"], capture_output=True, text=True
    )
    assert json.loads(asked.stdout)["forgotten"] == gone


def test_a_database_that_somebody_holds_costs_no_row_and_is_said(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    running = start(BRIEF, out)
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
    said = said_by(running)
    other.execute("ROLLBACK")
    other.close()
    assert running.returncode == 3
    assert "could not tell" in said
    assert "the records could not be written: database is locked" in said
    assert f"rows are in {UNWRITTEN}" in said
    kept = Counter(rows(file, FLOWS)) if rows(file, "PRAGMA table_info(flow)") else 0
    assert set_aside(out) + (kept or Counter()) == captured(out)
    # Loaded, and loaded again: all rows are there, and none of them twice.
    load = [*FILTERLAB, "records", str(out), "--load", str(out / UNWRITTEN)]
    for word in ("loaded, ", "nothing is added"):
        done = subprocess.run(load, capture_output=True, text=True)
        assert done.returncode == 0 and word in done.stdout, done.stderr
        assert Counter(rows(file, FLOWS)) == captured(out)
    named = rows(file, "SELECT DISTINCT name FROM subscriber JOIN flow"
                 " ON flow.subscriber_id = subscriber.id")  # fmt: skip
    assert ("Alice Example",) in named


def play_in_trouble(scenario: str, folder: str, trouble: str) -> list[Any]:
    """A run whose database stands on a small disk, or may only be read."""
    disk = Path(folder) / "disk"
    disk.mkdir()
    file = disk / FILE_NAME
    subprocess.run(["mount", "-t", "tmpfs", "none", str(disk)], check=True)
    Book(file).close()
    if trouble == "full":
        used = os.statvfs(disk)
        size = (used.f_blocks - used.f_bfree) * used.f_frsize + LITTLE_BYTES
        remount = ["mount", "-o", f"remount,size={size}", str(disk)]
    else:
        subprocess.run(["mount", "--bind", str(file), str(file)], check=True)
        remount = ["mount", "-o", "remount,bind,ro", str(file)]
    subprocess.run(remount, check=True)
    running = start(Path(scenario), Path(folder) / "run", "--records", str(file))
    said = said_by(running)
    if trouble == "full":
        subprocess.run(["mount", "-o", "remount,size=9M", str(disk)], check=True)
    return [running.returncode, said, rows(file, FLOWS)]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("full", "database or disk is full"),
        ("read-only", "attempt to write a readonly database"),
    ],
)
def test_a_database_that_takes_no_more_costs_no_row_and_is_said(
    in_seal: Callable[..., Any], tmp_path: Path, trouble: str, reason: str
) -> None:
    status, said, kept = in_seal(play_in_trouble, str(BRIEF), str(tmp_path), trouble)
    out = tmp_path / "run"
    assert status == 3, said
    assert "could not tell" in said
    assert f"the records could not be written: {reason}" in said
    assert f"rows are in {UNWRITTEN}" in said
    aside = set_aside(out)
    assert aside
    assert aside + Counter(map(tuple, kept)) == captured(out)


def test_a_run_that_is_killed_while_it_writes_says_so_and_leaves_whole_rows(
    tmp_path: Path,
) -> None:
    long = tmp_path / "long.yaml"
    long.write_text(BRIEF.read_text().replace("repeat: 3", "repeat: 3000"))
    out = tmp_path / "run"
    running = start(long, out)
    file = out / FILE_NAME

    def accepted() -> int:
        if not (file.exists() and rows(file, "PRAGMA table_info(flow)")):
            return 0
        return int(rows(file, "SELECT COUNT(*) FROM flow")[0][0])

    seen = wait_for("some rows", accepted, WITHIN_SECONDS)
    # Below it unshare, below that one the shell of the seal, and below it the lab.
    lab = running.pid
    for _ in range(3):
        lab = children_of(lab)[0]
    os.kill(lab, signal.SIGKILL)
    said = said_by(running)
    assert running.returncode == 3, said
    assert "could not tell: the lab was ended by SIGKILL" in said
    assert str(out) in said.replace(" ", "")
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
    assert accepted() >= seen
    assert rows(file, "SELECT line FROM subscriber") == [("alice",), ("boris",)]


@pytest.mark.skipif(not PROGRAMS, reason="postgresql is not installed")
def test_a_run_writes_its_records_into_postgresql(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with serving() as url:
        running = start(BRIEF, out, "--records", url)
        said = said_by(running)
        assert running.returncode == 0, said
        with Book(url, create=False) as book:
            kept = book.ask(text(FLOWS))
        asked = subprocess.run(
            [*FILTERLAB, "records", url, "--site", "news.example", "--json"],
            capture_output=True,
            text=True,
        )
    assert Counter(map(tuple, kept)) == captured(out)
    assert not (out / FILE_NAME).exists()
    names = {row["name"] for row in json.loads(asked.stdout)["rows"]}
    assert names == {"Alice Example", None}
