"""Finds the fenced blocks of the documentation: YAML, commands, Python.

A fence may carry words: a kind (`yaml policy`), `file=NAME` for a block that later
commands use by that name, `sealed` for commands that need namespaces, and `shown` if
what stands below them is what they say, numbers aside.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Made from content that has tests of its own.
MADE = ("reference", "policies")
CONTENT = ("scenarios", "topologies", "controllers")
Run = Callable[[list[str]], tuple[int, str]]
"""Runs one of the lab's commands; its exit status, and what it said."""

_FENCE = re.compile(r"^```([a-z]+)([^\n`]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# A command and its exit statuses: an examination may find that something is missing.
# A check of what an exercise begins with finds it unsolved.
_STATUSES = {"doctor": (0, 3), "exercise": (0, 1)}


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The name by which later commands know it."""
        return next((w[5:] for w in self.words if w.startswith("file=")), None)

    @property
    def commands(self) -> list[list[str]]:
        """The lab's commands in it, as words: `VERB ...`."""
        prompt = r"^\$ " if self.language == "console" else "^"
        lines = self.text.replace("\\\n", "")
        found = re.findall(prompt + r"(?:\./lab|filterlab) (.*)$", lines, re.MULTILINE)
        return [shlex.split(line, comments=True) for line in found]


def pages() -> list[Path]:
    """The written pages."""
    return [
        path
        for path in sorted(DOCS.rglob("*.md"))
        if path.relative_to(DOCS).parts[0] not in MADE
    ]


def name_of(page: Path) -> str:
    """A page as a test is called."""
    return page.relative_to(DOCS).with_suffix("").as_posix()


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """The blocks of a page in these languages, in order."""
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        if found[1] in languages:
            line = text.count("\n", 0, found.start()) + 1
            yield Block(found[1], tuple(found[2].split()), found[3], line)


def follow(page: Path, folder: Path, sealed: bool, run: Run) -> int:
    """Do what a page says, in a folder with the lab's content; how many commands.

    `sealed` chooses those that need the seal, or the others.
    """
    for name in CONTENT:
        (folder / name).symlink_to(ROOT / name)
    done = 0
    for block in blocks(page, "yaml", "python", "console"):
        if block.file is not None:
            (folder / block.file).write_text(block.text)
        if block.language == "console" and ("sealed" in block.words) is sealed:
            for words in block.commands:
                status, said = run(words)
                wanted = _STATUSES.get(words[0], (0,))
                assert status in wanted, f"{page}:{block.line}: {words}\n{said}"
                compare(block, said)
                done += 1
    return done


def compare(block: Block, said: str) -> None:
    """Hold a block that is `shown` to what its one command said, line by line."""
    if "shown" in block.words:
        lines = {_bare(line) for line in said.splitlines()}
        for line in block.text.splitlines()[1:]:
            assert line.strip() == "..." or _bare(line) in lines, f"{line}\n{said}"


def _bare(line: str) -> str:
    """A line without what differs from run to run: numbers, widths, who runs it."""
    line = line.replace(f"{ROOT}/", "").replace("as root", "without root")
    line = re.sub(r"\d[\d.,]*", "0", line)
    return " ".join(line.split())
