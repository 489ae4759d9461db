"""Figures: medians and percentiles, and the table and JSON that they become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from filterlab.bench import suite
from filterlab.bench.figure import Figure, percentile


def test_a_figure_is_the_median_of_its_rounds() -> None:
    figure = Figure("latency", "ms", (3.0, 1.0, 100.0, 2.0, 4.0), "<= 5")
    assert figure.value == 3.0
    assert figure.as_json() == {
        "name": "latency",
        "unit": "ms",
        "median": 3.0,
        "rounds": [3.0, 1.0, 100.0, 2.0, 4.0],
        "aim": "<= 5",
    }


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert percentile(values, 0.99) == 100.0
    assert percentile(values, 0.5) == 51.0
    assert percentile([7.0], 0.99) == 7.0


def test_a_table_and_the_same_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    figure = Figure("bulk TCP", "Mbit/s", (1234.5, 0.9, 2000.0), ">= 0.95")
    measures = {suite.Benchmark.GOODPUT: lambda rounds: [figure]}
    monkeypatch.setattr(suite, "_MEASURES", measures)
    out = tmp_path / "bench.json"
    assert suite.run([suite.Benchmark.GOODPUT], 3, out) == 0
    said = capsys.readouterr()
    row = said.out.splitlines()[1].split()
    assert row == ["bulk", "TCP", "1,234", "0.9", "2,000", "Mbit/s", ">=", "0.95"]
    assert json.loads(out.read_text()) == [figure.as_json()]
    assert str(out) in said.err
