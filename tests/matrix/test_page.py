"""The heat map says every cell's word and rate, and escapes what strangers wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from filterlab.matrix.finding import Finding, Word
from filterlab.matrix.page import render, write_report
from filterlab.matrix.record import CELLS
from filterlab.matrix.refusal import Refusal
from tests.matrix.cells import cell, finding

HOSTILE = "<script>alert(1)</script>"


def folder_of(folder: Path, *findings: Finding) -> Path:
    lines = [json.dumps(one.as_json()) + "\n" for one in findings]
    (folder / CELLS).write_text("".join(lines))
    return folder


def test_rates_words_and_rules_stand_in_it(tmp_path: Path) -> None:
    tries = [
        finding(word, number=number)
        for number, word in enumerate([Word.WORKS] * 3 + [Word.BLOCKED] * 2, start=1)
    ]
    other = finding(Word.EXPOSED, cell=cell(tool="obfs4", policy="ir-2023"))
    page = write_report(folder_of(tmp_path, *tries, other)).read_text()
    assert "2 tools under 2 policies, 2 cells: 1 works, 1 exposed." in page
    assert "worked 3 of 5, 23% to 88%" in page
    assert 'style="width: 60%"' in page
    assert "reset after hello" in page
    assert "cn-sni-rst.yaml:26" in page
    assert page.count("not tried") == 2


def test_a_finished_matrix_has_its_verdict_and_what_was_skipped(tmp_path: Path) -> None:
    folder_of(tmp_path, finding())
    summary = {
        "verdict": "as expected",
        "cells": [{"id": str(cell()), "standing": "as expected"}],
        "skipped": {"matrix::tor::cn-sni-rst": "needs tor: apt-get install tor"},
        "changes": [{"id": "x", "text": "it was blocked", "better": False}],
    }
    (tmp_path / "matrix.json").write_text(json.dumps(summary))
    page = render(tmp_path)
    assert "As expected: 1 tool under 1 policy, 1 cell: 1 works." in page
    assert "<strong>tor</strong>: needs tor: apt-get install tor" in page
    assert "<strong>worse</strong>: it was blocked" in page


def test_no_word_of_a_stranger_becomes_markup(tmp_path: Path) -> None:
    hostile = finding(Word.UNKNOWN, cell=cell(tool=HOSTILE), why=HOSTILE)
    page = render(folder_of(tmp_path, hostile))
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_folder_without_cells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"cells\.jsonl"):
        render(tmp_path)
