"""Finding the commit that lost a cell, in repositories made for it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from filterlab.matrix.bisect import Known, Lost, Repository, bisect
from filterlab.matrix.finding import Word
from filterlab.matrix.refusal import Refusal
from tests.matrix.cells import cell, tally


class Toy:
    """A repository whose commits each write one word into a file."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")
        self.commits = []
        for number, word in enumerate(words):
            (folder / "state").write_text(f"{word} {number}\n")
            self.git("add", "state")
            author = ["-c", "user.name=Toy", "-c", "user.email=toy@toy.example"]
            self.git(*author, "commit", "--quiet", "-m", f"{number}: {word}")
            self.commits.append(self.git("rev-parse", "HEAD"))

    def git(self, *words: str) -> str:
        command = ["git", "-C", str(self.folder), *words]
        return subprocess.check_output(command, text=True).strip()

    def word(self) -> str:
        return (self.folder / "state").read_text().split()[0]

    def bisected(
        self, command: str = "true", good: str = "", bad: str = "HEAD"
    ) -> Lost:
        ends = good or self.commits[0], bad
        lost = bisect(Repository(self.folder), command, *ends, self.play, self.say)
        return lost

    def play(self, commit: str) -> Known:
        words = {"good": Word.WORKS, "bad": Word.BLOCKED, "odd": Word.UNKNOWN}
        word = words[self.word()]
        return {
            cell(): tally([word]),
            cell("ssh"): tally([Word.WORKS], cell=cell("ssh")),
        }

    def say(self, text: str) -> None:
        assert text


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., Toy]:
    return lambda *words: Toy(tmp_path / "toy", list(words))


@pytest.mark.parametrize("first_bad", [1, 2, 3, 4, 5])
def test_the_first_bad_commit_is_found_and_all_is_as_it_was(
    toy: Callable[..., Toy], first_bad: int
) -> None:
    one = toy(*["good"] * first_bad, *["bad"] * (6 - first_bad))
    before = one.git("rev-parse", "HEAD"), one.git("branch", "--show-current")
    lost = one.bisected()
    assert lost.commit == one.commits[first_bad]
    assert lost.title.endswith(f"{first_bad}: bad")
    assert lost.cells == (cell(),)
    assert (one.git("rev-parse", "HEAD"), one.git("branch", "--show-current")) == before
    assert one.git("status", "--porcelain") == ""
    assert not (one.folder / ".git" / "BISECT_LOG").exists()


def test_a_commit_that_cannot_be_built_is_passed_over(toy: Callable[..., Toy]) -> None:
    one = toy("good", "good", "broken", "bad", "bad")
    lost = one.bisected(f"! grep -q broken {one.folder}/state")
    assert lost.commit is None
    assert "could not be built" in lost.why
    later = Toy(one.folder.parent / "later", ["good", "broken", "good", "bad", "bad"])
    lost = later.bisected(f"! grep -q broken {later.folder}/state")
    assert lost.commit == later.commits[3]


def test_a_commit_whose_cells_cannot_be_told_is_passed_over(
    toy: Callable[..., Toy],
) -> None:
    one = toy("good", "odd", "good", "bad", "bad")
    assert one.bisected().commit == one.commits[3]


def test_what_a_build_writes_over_is_put_back(toy: Callable[..., Toy]) -> None:
    one = toy("good", "good", "good", "bad", "bad")
    lost = one.bisected(f"echo built >> {one.folder}/state")
    assert lost.commit == one.commits[3]
    assert one.git("status", "--porcelain") == ""


def test_a_detached_head_is_put_back(toy: Callable[..., Toy]) -> None:
    one = toy("good", "bad", "bad")
    one.git("checkout", "--quiet", "--detach", one.commits[1])
    assert one.bisected(bad="main").commit == one.commits[1]
    assert one.git("rev-parse", "HEAD") == one.commits[1]


def test_nothing_lost_is_said(toy: Callable[..., Toy]) -> None:
    lost = toy("good", "good").bisected()
    assert lost.commit is None
    assert "no cell works at" in lost.why


def test_a_build_that_fails_at_the_good_end_is_told(toy: Callable[..., Toy]) -> None:
    lost = toy("good", "bad").bisected("echo no compiler; exit 2")
    assert lost.commit is None
    assert "ended with status 2\n    | no compiler" in lost.why


def test_what_cannot_be_begun_is_refused(
    toy: Callable[..., Toy], tmp_path: Path
) -> None:
    one = toy("good", "bad")
    with pytest.raises(Refusal, match="no such commit"):
        one.bisected(good="v9.9")
    with pytest.raises(Refusal, match="expected a revision"):
        one.bisected(good="--upload-pack=x")
    (one.folder / "state").write_text("my own work\n")
    with pytest.raises(Refusal, match="uncommitted changes"):
        one.bisected()
    assert (one.folder / "state").read_text() == "my own work\n"
    one.git("checkout", "--quiet", "state")
    one.git("bisect", "start")
    with pytest.raises(Refusal, match="being bisected already"):
        one.bisected()
    assert (one.folder / ".git" / "BISECT_LOG").exists()
    nowhere = Repository(tmp_path)
    with pytest.raises(Refusal, match="no git repository"):
        bisect(nowhere, "true", "a", "b", one.play, one.say)
