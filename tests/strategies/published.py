"""Strategies as they were published, read from the list beside this file."""

from __future__ import annotations

from pathlib import Path

_LINES = Path(__file__).with_name("published.txt").read_text().splitlines()
ALL = [line for line in _LINES if line and not line.startswith("#")]
