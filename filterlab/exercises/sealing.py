"""Runs a part of a check in a seal of its own, and brings back what it told."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filterlab.lab.cage import Limits
from filterlab.lab.obstacle import Obstacle
from filterlab.lab.seal import run_sealed


def in_seal(
    module: str,
    name: str,
    files: Mapping[str, bytes],
    facts: Mapping[str, Any],
    limits: Limits,
) -> dict[str, Any]:
    """What `python -m MODULE FOLDER` wrote there; raises Obstacle if it did not.

    The folder has the files, and an order of the facts, the limits, and which of the
    files is nobody's to trust.
    """
    with tempfile.TemporaryDirectory(prefix="filterlab-exercise-") as scratch:
        folder = Path(scratch)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        order = {**facts, "name": name, "limits": asdict(limits)}
        (folder / "order.json").write_text(json.dumps(order))
        status = run_sealed([sys.executable, "-m", module, scratch])
        result = folder / "result.json"
        if not result.exists():
            raise Obstacle(
                f"the check broke off (status {status}): nothing can be told",
                "filterlab doctor",
            )
        told: dict[str, Any] = json.loads(result.read_text())
        return told
