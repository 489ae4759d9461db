"""One round of one benchmark: `python -m filterlab.bench.sealed WHAT ANSWER.json`.

The rounds that need an exchange and its controller; `country` has the other one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.bench import goodput, load, records
from filterlab.bench.country import one_round
from filterlab.bench.exchange import OneExchange


def bulk(folder: Path) -> dict[str, Any]:
    """Bulk TCP over the same switches, without and with an exchange that filters."""
    with OneExchange(folder) as lab:
        lab.pass_everything(True)
        plain = goodput.mbit_s(lab)
        lab.pass_everything(False)
        filtered = goodput.mbit_s(lab)
    return {"plain_mbit_s": plain, "filtered_mbit_s": filtered}


def connections(folder: Path) -> dict[str, Any]:
    """TLS connections without and with an exchange that inspects each of them."""
    with OneExchange(folder) as lab:
        lab.pass_everything(True)
        plain = load.measure(lab)
        lab.pass_everything(False)
        inspected = load.measure(lab)
    return {
        "plain_per_second": plain.per_second,
        "inspected_per_second": inspected.per_second,
        "added_median_ms": inspected.median_ms - plain.median_ms,
        "added_p99_ms": inspected.p99_ms - plain.p99_ms,
    }


def memory(folder: Path) -> dict[str, Any]:
    """The controller's peak memory with many undecided flows."""
    with OneExchange(folder) as lab, load.open_flows(lab, 10_000):
        counted = lab.controller.counters()
    flows = counted["exchanges"]["exchange"]["flows"]
    return {"memory_bytes": counted["memory_bytes"], "flows": flows}


_ROUNDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "goodput": bulk,
    "connections": connections,
    "memory": memory,
    "records": records.sealed,
}


if __name__ == "__main__":
    sys.exit(one_round("filterlab.bench.sealed", _ROUNDS))
