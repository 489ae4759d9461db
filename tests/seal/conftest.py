"""Sealed tests: real namespaces and programs, or a skip that names what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.doctor import examine, missing
from filterlab.lab.programs import find_program
from filterlab.tools.tool import Tool

HERE = Path(__file__).parent
SEAL = (
    "import sys; from filterlab.lab import seal;sys.exit(seal.run_sealed(sys.argv[1:]))"
)
# A sealed function that hangs is ended after this many seconds.
PATIENCE_SECONDS = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("seal")


def lacking(what: str) -> None:
    """Skip, or fail where the environment says that nothing may be skipped."""
    if "seal" in os.environ.get("FILTERLAB_REQUIRE", "").split(","):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def first_lack() -> str | None:
    lacks = missing(examine())
    return f"{lacks[0].name}: {lacks[0].found}; {lacks[0].mend}" if lacks else None


@pytest.fixture
def needs(first_lack: str | None) -> Callable[..., None]:
    """Skip the test unless the seal can be made and these programs are there."""

    def check(*programs: str, tool: Tool | None = None) -> None:
        if first_lack is not None:
            lacking(first_lack)
        for program in programs:
            if find_program(program) is None:
                lacking(f"there is no {program}")
        if tool is not None and (missing := tool.missing()):
            what = f"{tool.name} needs {', '.join(missing)}: {tool.command}"
            if any(need.by_hand for need in tool.file.needs):
                pytest.skip(what)  # nobody can be required to have it
            lacking(what)

    return check


@pytest.fixture
def in_seal(needs: Callable[..., None], tmp_path: Path) -> Callable[..., Any]:
    """Run a module-level function of the test's file in a seal; return its answer.

    Arguments and answer travel as JSON. A script (a path) gets its arguments as
    words, and what it prints is returned.
    """
    needs()
    count = 0

    def run(what: Callable[..., Any] | Path | str, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        result = tmp_path / f"sealed-{count}.json"
        if callable(what):
            words = [str(HERE / "inside.py"), what.__code__.co_filename]
            words += [what.__name__, json.dumps(arguments), str(result)]
        else:
            words = [str(what), *map(str, arguments)]
        done = subprocess.run(
            [sys.executable, "-c", SEAL, sys.executable, *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        if done.returncode != 0:
            said = f"{done.stdout}\n{done.stderr}".strip()
            raise AssertionError(f"in the seal (status {done.returncode}):\n{said}")
        return json.loads(result.read_text()) if callable(what) else done.stdout

    return run
