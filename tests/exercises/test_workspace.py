"""A participant's folder: nothing that they wrote is lost, hints come one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.exercises.dealing import SITES, WAYS, ways_of
from filterlab.exercises.shelf import KINDS, Exercise, exercise, exercises
from filterlab.exercises.workspace import NotStarted, Workspace
from filterlab.scenario.content import scenarios
from filterlab.scenario.problem import BadInput

PAGES = ("task", "hints", "solution", "trainer")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    begun = Workspace(exercise("one-site"), tmp_path / "one-site")
    begun.start()
    return begun


@pytest.mark.parametrize("one", exercises(), ids=lambda one: one.name)
def test_every_exercise_is_whole(one: Exercise) -> None:
    assert one.file.check in KINDS
    assert all(one.text(page).startswith("# ") for page in PAGES)
    assert len(one.hints) >= 3
    assert f"filterlab exercise {one.name} check" in one.text("task")
    assert set(one.file.answers) <= set(one.files("given"))
    assert f"({one.file.minutes} minutes)" in one.text("trainer").splitlines()[0]
    assert sum(minutes(one)) == one.file.minutes


def minutes(one: Exercise) -> list[int]:
    """Of each step on the trainer's sheet."""
    rows = [line.split("|") for line in one.text("trainer").splitlines()]
    cells = [row[1].strip() for row in rows if len(row) > 2]
    return [int(cell) for cell in cells if cell.isdigit()]


def test_there_are_the_six_in_order() -> None:
    assert [one.name for one in exercises()] == [
        *("what-it-knows", "which-way", "one-site"),
        *("recogniser", "throttle", "own-controller"),
    ]


def test_what_a_participant_gets_is_no_scenario_of_the_lab() -> None:
    assert not [name for name in scenarios() if "exercises" in name]


def test_hints_come_one_by_one_and_end(workspace: Workspace) -> None:
    hints = [workspace.hint() for _ in range(5)]
    assert hints == [*enumerate(workspace.exercise.hints, start=1), (4, None)]
    workspace.reset()
    assert workspace.hint()[0] == 1


def test_a_reset_loses_nothing(workspace: Workspace) -> None:
    policy = workspace.folder / "policy.yaml"
    given = policy.read_bytes()
    assert workspace.reset() is None
    policy.write_text("mine")
    (workspace.folder / "notes.txt").write_text("mine, too")
    aside = workspace.reset()
    assert aside == workspace.folder / "earlier-1"
    assert (aside / "policy.yaml").read_text() == "mine"
    assert (aside / "notes.txt").read_text() == "mine, too"
    assert policy.read_bytes() == given
    policy.write_text("mine again")
    assert workspace.reset() == workspace.folder / "earlier-2"


def test_a_start_writes_over_nothing(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("two years of work")
    with pytest.raises(NotStarted, match="holds something else"):
        Workspace(exercise("one-site"), tmp_path).start()


def test_nothing_is_looked_at_before_a_start(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match="filterlab exercise one-site start"):
        Workspace(exercise("one-site"), tmp_path / "one-site").answers()


def test_a_name_that_is_nearly_right_is_told() -> None:
    with pytest.raises(BadInput, match="did you mean 'one-site'"):
        exercise("one-sight")


def test_hands_differ_and_hold_every_way() -> None:
    hands = [ways_of(number) for number in range(200)]
    assert all(list(hand) == list(SITES) for hand in hands)
    for site in SITES:
        assert {hand[site] for hand in hands} == set(WAYS)
    assert any(len(set(hand.values())) < len(WAYS) for hand in hands)


def test_all_that_can_be_dealt_is_there() -> None:
    hidden = exercise("which-way").files("hidden")
    for site in SITES:
        for way in WAYS:
            assert hidden[f"{site}-{way}.pcapng"].stat().st_size > 500
            assert site in hidden[f"{site}-{way}.txt"].read_text()
