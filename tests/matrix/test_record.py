"""`cells.jsonl`: a line is whole or not there, and an interrupted file goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.matrix.finding import Word
from filterlab.matrix.record import CELLS, Record, read
from filterlab.matrix.refusal import Refusal
from tests.matrix.cells import finding


def test_what_was_told_is_known_and_what_was_not_is_tried_again(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.write(finding(key="told"))
    record.write(finding(Word.UNKNOWN, key="untold"))
    record.close()
    again = Record(tmp_path)
    again.close()
    assert again.known("told") == finding(key="told")
    assert again.known("untold") is None
    assert again.known("another") is None


def test_a_line_cut_short_counts_as_unwritten_and_spoils_no_other(
    tmp_path: Path,
) -> None:
    record = Record(tmp_path)
    record.write(finding(key="first"))
    record.close()
    with (tmp_path / CELLS).open("a") as file:
        file.write('{"id": "matrix::ssh::op')
    again = Record(tmp_path)
    again.write(finding(key="second"))
    again.close()
    assert [one.key for one in read(tmp_path)] == ["first", "second"]


def test_words_of_any_kind_stay_in_their_line(tmp_path: Path) -> None:
    record = Record(tmp_path)
    # NEL and LINE SEPARATOR end a line for str.splitlines.
    odd = finding(Word.UNKNOWN, why="one\x85two\u2028three\nfour")
    record.write(odd)
    record.close()
    assert read(tmp_path) == [odd]


@pytest.mark.parametrize("text", ["{}\n", "[]\n", "no JSON\n", '{"cell": 1}\n'])
def test_a_file_that_is_no_matrix_is_refused_with_its_line(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text(text)
    with pytest.raises(Refusal, match=r"other.jsonl:1: error: this line is no cell"):
        read(file)


def test_a_baseline_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot be read"):
        read(tmp_path / "nowhere.jsonl")
