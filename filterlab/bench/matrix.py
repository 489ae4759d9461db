"""One round of the matrix: eight tools under four policies on two processors.

The whole command is timed, its start included. What it waited for nothing is what the
processors had left: the part of their time that no process of the matrix used.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

PROCESSORS = 2
TOOLS = (
    "openvpn-udp",
    "openvpn-tcp",
    "wireguard",
    "shadowsocks",
    "http-proxy",
    "shadowsocks-2022",
    "trojan",
    "vless-ws",
)
POLICIES = (
    "cn-sni-rst",
    "ru-2022-tspu-sni",
    "ru-2023-vpn-protocols",
    "ru-2025-freeze-16-20k",
)
# What is measured, its unit, and the aim (issue 4).
FIGURES = (
    ("per_minute", "cells a minute, 8 tools x 4 policies", "1/min", ">= 60"),
    ("works", "a cell that works, its tool's start included", "s", ""),
    ("blocked", "a cell that is blocked", "s", ""),
    ("waiting", "processor time left unused", "of all", ""),
    ("told", "cells that could be told", "of 32", "32"),
)


def measure(folder: Path) -> dict[str, float]:
    """Play the matrix once into a folder."""
    command = [sys.executable, "-m", "filterlab.cli", "matrix"]
    command += ["--tools", ",".join(TOOLS), "--policies", ",".join(POLICIES)]
    command += ["--workers", str(PROCESSORS), "--out", str(folder), "--json"]
    used, started = _processor_seconds(), time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    used = _processor_seconds() - used
    lines = (folder / "cells.jsonl").read_text().split("\n")[:-1]
    cells = [json.loads(line) for line in lines]
    told = [cell for cell in cells if cell["word"] != "could not tell"]
    took = {
        word: [cell["seconds"] for cell in cells if cell["word"] == word]
        for word in ("works", "blocked")
    }
    return {
        "per_minute": len(told) * 60 / seconds,
        "works": median(took["works"]),
        "blocked": median(took["blocked"]),
        "waiting": max(0.0, 1 - used / (seconds * PROCESSORS)),
        "told": float(len(told)),
    }


def _processor_seconds() -> float:
    """Of all processes that were started here, and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
