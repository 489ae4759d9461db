"""Finds the commit that lost a cell: git's own bisection, judged by the matrix.

The user's repository is checked out commit by commit where it stands, because the
command that builds the tool names it; what was checked out before is put back,
whatever happens. A commit whose command fails, or whose cells cannot be told, is
skipped (git bisect's 125).
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filterlab.matrix.finding import CellId, Word
from filterlab.matrix.refusal import Refusal
from filterlab.matrix.tally import Tally

Known = Mapping[CellId, Tally]
# Plays the matrix with what was built last, into a folder for the commit.
Play = Callable[[str], Known]
Say = Callable[[str], None]
_LAST_LINES = 12


@dataclass(frozen=True)
class Lost:
    """The commit that lost cells, or why it could not be found."""

    cells: tuple[CellId, ...]
    commit: str | None
    title: str = ""
    why: str = ""
    before: Known | None = None
    after: Known | None = None


class Repository:
    """The repository of a tool, as bisecting it needs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self) -> None:
        """Raise Refusal unless commits can be checked out here without loss."""
        if self._status("rev-parse", "--is-inside-work-tree") != 0:
            help_ = "run it there, or name the repository: --repo DIR"
            raise Refusal(f"{self.folder} is no git repository", help_)
        if changed := self.git("status", "--porcelain", "--untracked-files=no"):
            first = changed.splitlines()[0]
            help_ = "commit or stash it: each commit is checked out here in turn"
            raise Refusal(f"{self.folder} has uncommitted changes: {first}", help_)
        log = self.folder / self.git("rev-parse", "--git-path", "BISECT_LOG")
        if log.exists():
            help_ = f"git -C {self.folder} bisect reset"
            raise Refusal(f"{self.folder} is being bisected already", help_)

    def commit(self, revision: str, option: str) -> str:
        """The commit that a revision means; raises Refusal."""
        if revision.startswith("-"):
            raise Refusal(f"{option} {revision}: expected a revision")
        named = f"{revision}^{{commit}}"
        done = self._run("rev-parse", "--verify", "--quiet", named)
        if done.returncode != 0:
            raise Refusal(f"{option} {revision}: no such commit in {self.folder}")
        return done.stdout.strip()

    def title(self, commit: str) -> str:
        """A commit as people name it."""
        return self.git("log", "-1", "--format=%h %s", commit)

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Check out what you like; in the end all is as it was."""
        branch = self._run("symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip()
        place = branch or self.git("rev-parse", "HEAD")
        try:
            yield
        finally:
            self._status("bisect", "reset")
            # A build may have written over files that are kept in the repository.
            self.git("checkout", "--quiet", "--force", place)

    def check_out(self, commit: str) -> None:
        """Make the working tree that of a commit."""
        self.git("checkout", "--quiet", "--force", "--detach", commit)

    def git(self, *words: str) -> str:
        """What git says; raises Refusal with its complaint."""
        done = self._run(*words)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise Refusal(f"git {words[0]} in {self.folder}: {said}")
        return done.stdout.strip()

    def _status(self, *words: str) -> int:
        return self._run(*words).returncode

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-C", str(self.folder), *words], capture_output=True, text=True
        )


def bisect(
    repository: Repository, command: str, good: str, bad: str, play: Play, say: Say
) -> Lost:
    """Build and play commit by commit; raises Refusal before anything is built."""
    repository.check()
    ends = repository.commit(good, "--good"), repository.commit(bad, "--bad")
    try_ = _Tries(repository, command, play, say)
    with repository.borrowed():
        before = try_.at(ends[0])
        if before is None:
            return Lost((), None, why=f"{good} (good): {try_.why}")
        after = try_.at(ends[1])
        if after is None:
            return Lost((), None, why=f"{bad} (bad): {try_.why}")
        lost = tuple(
            cell
            for cell, tally in before.items()
            if tally.word is Word.WORKS
            and cell in after
            and after[cell].word not in (Word.WORKS, Word.UNKNOWN)
        )
        if not lost:
            return Lost((), None, why=f"no cell works at {good} and is lost at {bad}")
        return _search(repository, try_, ends, lost, before)


def _search(
    repository: Repository,
    try_: _Tries,
    ends: tuple[str, str],
    lost: tuple[CellId, ...],
    before: Known,
) -> Lost:
    """git chooses the commits; each is judged by the cells that were lost."""
    good, bad = ends
    # git only names the commits: it would not write over what a build has changed.
    said = repository.git("bisect", "start", "--no-checkout", bad, good)
    while "is the first bad commit" not in said:
        commit = repository.git("rev-parse", "BISECT_HEAD")
        known = try_.at(commit)
        words = [known[c].word for c in lost if c in known] if known else []
        word = "skip"
        if len(words) == len(lost) and Word.UNKNOWN not in words:
            word = "good" if set(words) == {Word.WORKS} else "bad"
        # git ends with a complaint where only skipped commits are left.
        done = subprocess.run(
            ["git", "-C", str(repository.folder), "bisect", word],
            capture_output=True,
            text=True,
        )
        said = done.stdout
        if done.returncode != 0:
            why = "only commits are left that could not be built, or not be told"
            return Lost(lost, None, why=why, before=before)
    first = repository.git("rev-parse", "refs/bisect/bad")
    title = repository.title(first)
    return Lost(lost, first, title, before=before, after=try_.known.get(first))


class _Tries:
    """Commits as they are tried, each once."""

    def __init__(
        self, repository: Repository, command: str, play: Play, say: Say
    ) -> None:
        self._repository = repository
        self._command = command
        self._play = play
        self._say = say
        self.known: dict[str, Known] = {}
        self.why = ""

    def at(self, commit: str) -> Known | None:
        """The cells at a commit; None where it cannot be built."""
        if commit in self.known:
            return self.known[commit]
        self._repository.check_out(commit)
        title = self._repository.title(commit)
        done = subprocess.run(
            self._command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if done.returncode != 0:
            last = done.stdout.strip().splitlines()[-_LAST_LINES:]
            said = "".join(f"\n    | {line}" for line in last)
            self.why = f"`{self._command}` ended with status {done.returncode}{said}"
            self._say(f"{title}: {self.why}")
            return None
        known = self._play(commit)
        self.known[commit] = known
        words = ", ".join(f"{cell} {tally.text}" for cell, tally in known.items())
        self._say(f"{title}: {words}")
        return known
