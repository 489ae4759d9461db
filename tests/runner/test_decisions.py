"""decisions.jsonl, read while somebody writes it."""

from __future__ import annotations

from pathlib import Path

from filterlab.runner.decisions import DecisionReader


def test_lines_are_read_once_and_only_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    reader = DecisionReader(path)
    assert reader.read() == []
    path.write_text('{"n": 0}\n{"n": 1}\n{"n"')
    assert [line["n"] for line in reader.read()] == [0, 1]
    with path.open("a") as file:
        file.write(': 2}\n{"n": 3}\n')
    assert reader.since(1) == {1: {"n": 1}, 2: {"n": 2}, 3: {"n": 3}}
    assert [line["n"] for line in reader.read()] == [0, 1, 2, 3]
