"""Records may go where a seal reaches, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.records.book import NotWrittenError
from filterlab.records.place import reachable


def test_a_file_gets_its_tables_and_its_whole_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert reachable("mine.sqlite") == str(tmp_path / "mine.sqlite")
    assert (tmp_path / "mine.sqlite").stat().st_size > 0


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("/run/records.sqlite", "a seal has a /run of its own"),
        ("postgresql+psycopg://lab@/base?host=/run/postgresql", "a /run of its own"),
        ("postgresql+psycopg://lab@database.example/base", "by its Unix socket alone"),
        ("postgresql+psycopg://lab@/base", "by its Unix socket alone"),
        ("://", "Could not parse"),
        ("/nowhere/at/all.sqlite", "unable to open"),
    ],
)
def test_a_place_that_no_seal_reaches_is_told(place: str, says: str) -> None:
    with pytest.raises(NotWrittenError, match=says):
        reachable(place)
