"""Cuts a matrix into labs: which tools share a network, and what each try depends on.

Each tool has a device and servers of its own, and whatever an exchange remembers it
remembers by their addresses, so tools under one policy can share a network. They do
not where a rule strikes by chance or by load: there one tool's flows would change what
is drawn, or counted, for another's. `tests/seal/test_matrix.py` shows that sharing
changes no outcome. Whatever could not be told of a shared network is tried once more
in one of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

from filterlab.lab.programs import find_program
from filterlab.matrix.edition import edition
from filterlab.matrix.finding import CellId
from filterlab.matrix.script import Censor, Setting, script
from filterlab.tools.tool import Tool

# Programs of so many tools keep two cores busy, and their log lines can be read.
MOST_TOOLS = 8


@dataclass(frozen=True)
class Table:
    """The whole matrix: what is tried under what, and how often."""

    settings: tuple[Setting, ...]
    censors: tuple[Censor, ...]
    tools: Mapping[str, Tool]
    repeat: int = 1
    seed: int = 1
    tool_files: Mapping[str, str] | None = None  # text of those that are not shipped

    @property
    def cells(self) -> list[CellId]:
        """All cells, in the order of the table."""
        return [
            CellId(setting.name, tool, censor.name)
            for setting in self.settings
            for tool in self.tools
            for censor in self.censors
        ]


@dataclass(frozen=True)
class Job:
    """One lab: these tools under this policy, for the number-th time."""

    setting: Setting
    censor: Censor
    tools: tuple[str, ...]
    number: int

    @property
    def name(self) -> str:
        """What its folder is called."""
        stage = self.setting.name.replace("/", "-")
        more = f"-and-{len(self.tools) - 1}-more" if len(self.tools) > 1 else ""
        tools = f"{self.tools[0]}{more}"
        return f"{stage}--{self.censor.name}--{tools}--{self.number}"

    @property
    def cells(self) -> list[CellId]:
        """The cells that it is played for."""
        place, policy = self.setting.name, self.censor.name
        return [CellId(place, tool, policy) for tool in self.tools]


def cut(
    table: Table,
    workers: int,
    shard: tuple[int, int] = (1, 1),
    share: bool = True,
) -> list[Job]:
    """The labs of one shard, the same ones whenever the arguments are the same."""
    index, count = shard
    most = MOST_TOOLS if share else 1
    while True:
        jobs = list(_jobs(table, most))
        if most == 1 or len(jobs) >= max(workers, 1) * count:
            return jobs[index - 1 :: count]
        most = (most + 1) // 2


def _jobs(table: Table, most: int) -> Iterator[Job]:
    tools = list(table.tools)
    for number in range(1, table.repeat + 1):
        for stage in table.settings:
            for policy in table.censors:
                size = 1 if policy.by_chance else most
                for group in _even(tools, size):
                    yield Job(stage, policy, tuple(group), number)


def _even(names: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """Groups of nearly one size, none larger than `most`."""
    count = -(-len(names) // most)
    for index in range(count):
        start, end = (len(names) * n // count for n in (index, index + 1))
        yield names[start:end]


def order(table: Table, job: Job, seconds: float) -> dict[str, Any]:
    """All that a worker must know to play a job, wherever it is."""
    seed = table.seed + job.number - 1
    files = {f"policies/{name}": text for name, text in job.censor.files.items()}
    own = table.tool_files or {}
    for name in (name for name in job.tools if name in own):
        files[f"tools/{name}.yaml"] = own[name]
        # What its file says of `${here}` is about the folder that it was read from.
        files[f"tools/{name}.json"] = json.dumps(dict(table.tools[name].given))
    return {
        "edition": edition(),
        "name": job.name,
        "scenario": script(job.setting, job.censor, job.tools, seed),
        "files": files,
        "setting": job.setting.name,
        "policy": job.censor.name,
        "stages": [list(steps) for steps in job.censor.stages],
        "tools": list(job.tools),
        "seconds": seconds,
    }


def key(table: Table, job: Job, tool: str) -> str:
    """What a try of a cell depends on, as a hash: while it is the same, so is the try.

    Of a tool's programs it holds where they are, how large, and how old: a new build
    is another tool.
    """
    file, given = table.tools[tool].file, table.tools[tool].given
    named = [need.program for need in file.needs]
    named += [shlex.split(part.start)[0] for part in file.parts.values()]
    found = [
        _program(Template(name).safe_substitute(given)) for name in dict.fromkeys(named)
    ]
    parts = [
        edition(),
        job.setting.text,
        job.censor.path.read_text(),
        job.censor.files,
        file.model_dump_json(),
        found,
        table.seed + job.number - 1,
    ]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _program(name: str) -> list[Any]:
    path = find_program(name)
    if path is None:
        return [name]
    facts = os.stat(path)
    return [path, facts.st_size, facts.st_mtime_ns]
