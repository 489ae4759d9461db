"""Runs the lab's benchmarks, each round in a seal of its own, and prints their table.

Every figure is a median of rounds; every ratio compares two measurements of the same
round, on the same switches, so that the machine's own speed falls out of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from filterlab.bench import matrix, replay
from filterlab.bench.figure import Figure


class Benchmark(StrEnum):
    """What can be measured."""

    NETWORK = "network"  # up to the first ping, and down
    GOODPUT = "goodput"  # bulk TCP through a filtering exchange
    CONNECTIONS = "connections"  # new connections a second, and their latency
    MEMORY = "memory"  # of the controller, with many open flows
    MATRIX = "matrix"  # cells a minute, and what a cell takes
    RECORDS = "records"  # written while filtering, and asked among ten million
    REPLAY = "replay"  # frames of a capture, without a network


def run(which: Sequence[Benchmark], rounds: int, out: Path) -> int:
    """Measure, print a table, and write the same as JSON to `out`."""
    figures: list[Figure] = []
    for benchmark in which:
        figures += _MEASURES[benchmark](rounds)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("what", "median", "from", "to", "unit", "aim"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for figure in figures:
        ends = min(figure.rounds), max(figure.rounds)
        numbers = [_number(value) for value in (figure.value, *ends)]
        table.add_row(figure.name, *numbers, figure.unit, figure.aim)
    Console(highlight=False).print(table)
    out.write_text(json.dumps([f.as_json() for f in figures], indent=1) + "\n")
    print(f"wrote {out}", file=sys.stderr)
    return 0


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _measured(what: Benchmark) -> tuple[dict[str, Any], float]:
    """One round in a new seal: what it measured, and when the seal was gone."""
    with tempfile.TemporaryDirectory(prefix="filterlab-bench-") as folder:
        answer = Path(folder) / "answer.json"
        program = "country" if what is Benchmark.NETWORK else "sealed"
        module = f"filterlab.bench.{program}"
        command = [sys.executable, "-m", module, what, str(answer)]
        subprocess.run(command, check=True)
        ended = time.monotonic()
        values: dict[str, Any] = json.loads(answer.read_text())
        return values, ended


def _rounds(what: Benchmark, rounds: int) -> list[dict[str, Any]]:
    found = []
    for number in range(1, rounds + 1):
        print(f"{what}: round {number} of {rounds}", file=sys.stderr)
        values, ended = _measured(what)
        found.append({**values, "ended": ended})
    return found


def _network(rounds: int) -> list[Figure]:
    found = _rounds(Benchmark.NETWORK, rounds)
    up = tuple(r["answered"] - r["started"] for r in found)
    down = tuple(r["gone"] - r["leaving"] for r in found)
    return [
        Figure("default topology, from nothing to its first ping", "s", up, "<= 1"),
        Figure("default topology, taken down", "s", down, "<= 0.3"),
    ]


def _goodput(rounds: int) -> list[Figure]:
    found = _rounds(Benchmark.GOODPUT, rounds)
    plain = tuple(r["plain_mbit_s"] for r in found)
    filtered = tuple(r["filtered_mbit_s"] for r in found)
    ratio = tuple(f / p for f, p in zip(filtered, plain, strict=True))
    return [
        Figure("bulk TCP, plain forwarding", "Mbit/s", plain),
        Figure("bulk TCP, filtering exchange", "Mbit/s", filtered),
        Figure("bulk TCP, filtering / plain", "", ratio, ">= 0.95"),
    ]


def _connections(rounds: int) -> list[Figure]:
    found = _rounds(Benchmark.CONNECTIONS, rounds)

    def column(name: str) -> tuple[float, ...]:
        return tuple(r[name] for r in found)

    return [
        Figure("new TLS connections, plain", "1/s", column("plain_per_second")),
        Figure(
            "new TLS connections, inspected in the path",
            "1/s",
            column("inspected_per_second"),
            ">= 1,000",
        ),
        Figure("latency added, median", "ms", column("added_median_ms"), "<= 2"),
        Figure("latency added, 99th percentile", "ms", column("added_p99_ms")),
    ]


def _memory(rounds: int) -> list[Figure]:
    found = _rounds(Benchmark.MEMORY, rounds)
    peak = tuple(r["memory_bytes"] / 1e6 for r in found)
    flows = tuple(float(r["flows"]) for r in found)
    return [
        Figure("flows open at the controller", "", flows),
        Figure("controller's peak memory with them", "MB", peak),
    ]


def _records(rounds: int) -> list[Figure]:
    found = _rounds(Benchmark.RECORDS, rounds)
    ratio = tuple(r["recorded_mbit_s"] / r["plain_mbit_s"] for r in found)
    with tempfile.TemporaryDirectory(prefix="filterlab-bench-") as name:
        print("records: ten million rows, some minutes", file=sys.stderr)
        answer = Path(name) / "answer.json"
        command = [sys.executable, "-m", "filterlab.bench.records", name, str(answer)]
        subprocess.run(command, check=True)
        asked = json.loads(answer.read_text())

    def column(key: str) -> tuple[float, ...]:
        return tuple(r[key] for r in found)

    return [
        Figure("bulk TCP, recorded / not recorded", "", ratio, ">= 0.95"),
        Figure(
            "new TLS connections, inspected and recorded",
            "1/s",
            column("connections_per_second"),
        ),
        Figure("rows written of them, to the last", "1/s", column("rows_per_second")),
        Figure("rows the writer takes alone", "1/s", (asked["alone_per_second"],)),
        Figure(
            "address, port and time among ten million rows",
            "ms",
            (asked["lookup_ms"],),
            "<= 10",
        ),
        Figure("the same, the slowest of 200", "ms", (asked["slowest_ms"],)),
        Figure("file, a row", "B", (asked["row_bytes"],)),
    ]


def _replay(rounds: int) -> list[Figure]:
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="filterlab-bench-") as name:
        folder = Path(name)
        replay.prepare(folder)
        for number in range(1, rounds + 1):
            print(f"replay: round {number} of {rounds}", file=sys.stderr)
            answer = folder / "answer.json"
            module = "filterlab.bench.replay"
            command = [sys.executable, "-m", module, str(folder), str(answer)]
            subprocess.run(command, check=True)
            found.append(json.loads(answer.read_text()))
    return [
        Figure(shown, unit, tuple(r[key] / scale for r in found), aim)
        for key, shown, unit, scale, aim in replay.FIGURES
    ]


def _matrix(rounds: int) -> list[Figure]:
    found = []
    for number in range(1, rounds + 1):
        print(f"matrix: round {number} of {rounds}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="filterlab-bench-") as name:
            found.append(matrix.measure(Path(name)))
    return [
        Figure(shown, unit, tuple(r[key] for r in found), aim)
        for key, shown, unit, aim in matrix.FIGURES
    ]


_MEASURES: dict[Benchmark, Callable[[int], list[Figure]]] = {
    Benchmark.NETWORK: _network,
    Benchmark.GOODPUT: _goodput,
    Benchmark.CONNECTIONS: _connections,
    Benchmark.MEMORY: _memory,
    Benchmark.MATRIX: _matrix,
    Benchmark.RECORDS: _records,
    Benchmark.REPLAY: _replay,
}
