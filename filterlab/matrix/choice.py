"""Turns the words of the command line into the table of a matrix.

Tools, policies and scenarios are named by the names that `filterlab list` shows, with
`*`, or by files. Everything that cannot be found is told at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from filterlab.matrix.finding import CellId
from filterlab.matrix.fitting import unfit
from filterlab.matrix.jobs import Table
from filterlab.matrix.refusal import Refusal
from filterlab.matrix.script import Censor, Setting, censor, setting
from filterlab.scenario import content
from filterlab.scenario.problem import BadInput, Problem, did_you_mean
from filterlab.tools.bring import Commands, brought, loaded
from filterlab.tools.shelf import Shelf, put
from filterlab.tools.tool import Tool, load_tool

_Read = TypeVar("_Read")

DEFAULT_SCENARIO = "matrix"
ALL = "all"
_NO_COMMANDS = Commands()


@dataclass
class Choice:
    """What was chosen, and what of it cannot be played here."""

    table: Table
    skipped: dict[str, str] = field(default_factory=dict)  # tool -> what installs it

    @property
    def skipped_cells(self) -> list[CellId]:
        """The cells that are not played."""
        return [
            CellId(stage.name, tool, policy.name)
            for stage in self.table.settings
            for tool in self.skipped
            for policy in self.table.censors
        ]


def choose(
    tools: str,
    policies: str,
    scenarios: str = DEFAULT_SCENARIO,
    own_tools: Sequence[Path] = (),
    repeat: int = 1,
    seed: int = 1,
    commands: Commands = _NO_COMMANDS,
) -> Choice:
    """Read what is named; raises Refusal for names, BadInput for files."""
    complaints: list[str] = []
    shelf = dict(content.tools())
    names = _named("--tools", tools, shelf, complaints) if tools else {}
    kept = _named("--policies", policies, content.policies(), complaints)
    staged = _named("--scenarios", scenarios, content.scenarios(), complaints)
    for file in own_tools:
        names[file.stem] = file
        if not file.is_file():
            complaints.append(f"--tool {file}: there is no such file")
    if not names and not commands.any and not complaints:
        complaints.append("no tool is chosen; see: filterlab list tools")
    if complaints:
        raise Refusal("; ".join(complaints))
    read_tools, settings, censors = _read(names, staged, kept)
    texts = {n: p.read_text() for n, p in names.items() if p != shelf.get(n)}
    for described in brought([], commands):
        (tool,) = loaded([described])
        read_tools[tool.name], texts[tool.name] = tool, described["text"]
    for name in texts:
        put(read_tools[name])
    missing = {name: tool for name, tool in read_tools.items() if tool.missing()}
    there = {name: tool for name, tool in read_tools.items() if name not in missing}
    skipped = {name: _mend(tool) for name, tool in missing.items()}
    for stage in settings if there else ():
        skipped |= unfit(stage, censors[0], list(there))
    fit = {name: tool for name, tool in there.items() if name not in skipped}
    texts = {name: text for name, text in texts.items() if name in fit}
    return Choice(Table(settings, censors, fit, repeat, seed, texts), skipped)


def _mend(tool: Tool) -> str:
    lacks = ", ".join(tool.missing())
    return f"{lacks} missing; {tool.command or 'put it on the PATH'}"


def _named(
    option: str, words: str, there: Mapping[str, Path], complaints: list[str]
) -> dict[str, Path]:
    """The files that a list of names, patterns and paths means, in its order."""
    found: dict[str, Path] = {}
    for word in filter(None, (part.strip() for part in words.split(","))):
        if word in there:
            found[word] = there[word]
        elif word.endswith((".yaml", ".yml")) or (os.sep in word and "*" not in word):
            if os.path.isfile(word):
                found[Path(word).stem] = Path(word)
            elif word not in there:
                complaints.append(f"{option} {word}: there is no such file")
        else:
            pattern = "*" if word == ALL else word
            meant = {n: path for n, path in there.items() if fnmatchcase(n, pattern)}
            if not meant:
                near = did_you_mean(word, list(there))
                complaints.append(
                    f"{option}: nothing is called {word!r}"
                    + (f" ({near})" * bool(near))
                )
            found |= meant
    return found


def _read(
    tools: Mapping[str, Path],
    scenarios: Mapping[str, Path],
    policies: Mapping[str, Path],
) -> tuple[dict[str, Tool], tuple[Setting, ...], tuple[Censor, ...]]:
    """All that is named, read; raises BadInput with the problems of all files."""
    problems: list[Problem] = []
    shelf = Shelf()
    shipped = content.tools()
    read_tools = _each(
        tools,
        lambda n, p: shelf[n] if shipped.get(n) == p else load_tool(p),
        problems,
    )
    settings = _each(scenarios, lambda n, p: setting(p, n), problems)
    censors = _each(policies, lambda _, p: censor(p), problems)
    if problems:
        raise BadInput(problems)
    return read_tools, tuple(settings.values()), tuple(censors.values())


def _each(
    files: Mapping[str, Path],
    read: Callable[[str, Path], _Read],
    problems: list[Problem],
) -> dict[str, _Read]:
    found = {}
    for name, path in files.items():
        try:
            found[name] = read(name, path)
        except BadInput as bad:
            problems += bad.problems
    return found


def shard_of(text: str) -> tuple[int, int]:
    """`2/5` as numbers; raises Refusal."""
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise Refusal(f"--shard {text}: expected i/n, such as 1/4")
    return int(index), int(count)
