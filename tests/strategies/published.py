"""Strategies as they were published, and texts at the edge of the notation."""

from __future__ import annotations

from ast import literal_eval
from pathlib import Path


def _lines(name: str) -> list[str]:
    lines = Path(__file__).with_name(name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


ALL = _lines("published.txt")
# What Geneva's parser takes, and what it prints for it; and what it refuses.
TAKEN = [tuple(map(literal_eval, line.split(" => "))) for line in _lines("taken.txt")]
REFUSED = [literal_eval(line) for line in _lines("refused.txt")]
