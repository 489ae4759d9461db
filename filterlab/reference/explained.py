"""What people say of each key: its meaning and an example, kept in docs/keys.

The schema knows which keys there are and what they may hold, but not what they are
for. A file there maps a model to its keys, and each key to `means` and `example`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterlab.scenario import source

# What needs no quotes in a flow mapping (YAML 1.1, 9.1), by a wide margin.
_PLAIN = re.compile(r"[A-Za-z0-9_./+][A-Za-z0-9_./+*() -]*(?<! )|-?\d+")


@dataclass(frozen=True, slots=True)
class Explanation:
    """One key in words, with a value that it may have, as written."""

    means: str
    example: Any


Explained = dict[str, dict[str, Explanation]]
"""Explanations by model, then by key."""


def explained(path: Path) -> Explained:
    """Read one file of explanations."""
    return {
        model: {
            key: Explanation(said["means"], said["example"])
            for key, said in keys.items()
        }
        for model, keys in source.read(path).plain().items()
    }


def flow(value: Any) -> str:
    """A value as YAML on one line; texts are quoted only where they must be."""
    if isinstance(value, dict):
        inside = (f"{flow(key)}: {flow(part)}" for key, part in value.items())
        return "{" + ", ".join(inside) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if _PLAIN.fullmatch(value):
        return str(value)
    if "\\" in value and "'" not in value:
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)
