"""The commands of the documentation that need a seal, run as the pages tell it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from filterlab.pytest_plugin import Run
from filterlab.scenario.content import scenarios
from tests.docs.blocks import blocks, follow, name_of, pages

SEALED = [
    page
    for page in pages()
    if any("sealed" in block.words for block in blocks(page, "console"))
]


def is_plain_run(words: list[str]) -> bool:
    """Whether a command runs a shipped scenario as it is: `run NAME --out FOLDER`."""
    verb, name, *rest = words
    return verb == "run" and name in scenarios() and rest[:-1] == ["--out"]


@pytest.mark.parametrize("page", SEALED, ids=name_of)
def test_each_sealed_command_runs(
    page: Path,
    needs: Callable[..., None],
    filterlab_run: Callable[[Path], Run],
    tmp_path: Path,
) -> None:
    needs()

    def run(words: list[str]) -> tuple[int, str]:
        if is_plain_run(words):
            # The one that the scenario's expectations look at, in the page's folder.
            one = filterlab_run(scenarios()[words[1]])
            shutil.copytree(one.folder, tmp_path / words[3])
            said = one.stdout + one.stderr
            return one.status, said.replace(str(one.folder), words[3])
        command = [sys.executable, "-m", "filterlab.cli", *words]
        wide = {**os.environ, "COLUMNS": "200"}
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, env=wide
        )
        return done.returncode, done.stdout + done.stderr

    assert follow(page, tmp_path, sealed=True, run=run)
