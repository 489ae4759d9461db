"""The commands of the documentation that need a seal, run as the pages tell it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.blocks import blocks, follow, name_of, pages

SEALED = [
    page
    for page in pages()
    if any("sealed" in block.words for block in blocks(page, "console"))
]


@pytest.mark.parametrize("page", SEALED, ids=name_of)
def test_each_sealed_command_runs(
    page: Path, needs: Callable[..., None], tmp_path: Path
) -> None:
    needs()

    def run(words: list[str]) -> tuple[int, str]:
        command = [sys.executable, "-m", "filterlab.cli", *words]
        wide = {**os.environ, "COLUMNS": "200"}
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, env=wide
        )
        return done.returncode, done.stdout + done.stderr

    assert follow(page, tmp_path, sealed=True, run=run)
