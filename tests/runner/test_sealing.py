"""The outside of a run: which folder it gets, and whose exit status it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from filterlab.lab.obstacle import Obstacle
from filterlab.runner import sealing

ROOT = Path(__file__).parents[2]
FIRST_STEPS = ROOT / "scenarios" / "first-steps.yaml"


@pytest.mark.parametrize(
    ("inner", "outer"),
    [(0, 0), (1, 1), (2, 2), (3, 3), (70, 3), (5, 3), (130, 130), (143, 143), (137, 3)],
)
def test_only_our_own_statuses_mean_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inner: int, outer: int
) -> None:
    monkeypatch.setattr(sealing, "run_sealed", lambda command, **_: inner)
    assert sealing.run(FIRST_STEPS, tmp_path / "out", None, False) == outer


def test_each_run_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sealing, "run_sealed", lambda command, **_: 0)
    for _ in range(3):
        assert sealing.run(FIRST_STEPS, None, None, False) == 0
    made = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert made == ["first-steps-1", "first-steps-2", "first-steps-3"]


def test_an_obstacle_is_told_with_what_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(command: Sequence[str], **_: object) -> int:
        raise Obstacle("user namespaces are forbidden", "sysctl -w allow=1")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sealing, "run_sealed", refuse)
    assert sealing.run(FIRST_STEPS, None, None, False) == 3
    assert list(tmp_path.glob("runs/*")) == []
    said = capsys.readouterr()
    assert said.out == ""
    assert "user namespaces are forbidden" in said.err
    assert "sysctl -w allow=1" in said.err


def test_a_file_in_the_way_of_the_folder_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("mine")
    assert sealing.run(FIRST_STEPS, tmp_path / "out", None, False) == 2
    assert f"filterlab: error: {tmp_path / 'out'}" in capsys.readouterr().err
