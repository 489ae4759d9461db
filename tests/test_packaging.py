"""What `pip install .` brings is what the checkout has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from filterlab.runner.catalogue import Kind, entries

ROOT = Path(__file__).resolve().parents[1]
CONTENT = ("topologies/*.py", "controllers/*.py", "scenarios/**/*")
# The oldest interpreter that a supported system brings of itself: Debian 12's.
OLDEST_PYTHON = "3.11.2"
# All that `filterlab list` can list, from one process.
LISTS = """
import json
from filterlab.runner.catalogue import Kind, entries
print(json.dumps({kind: [[e.name, e.title] for e in entries(kind)] for kind in Kind}))
"""


def content() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for pattern in CONTENT
        for path in ROOT.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_pinned_package_installs_on_the_oldest_python() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower() for line in lines if "==" in line}
    demands = {
        f"{found.name}=={found.version}": found.metadata["Requires-Python"]
        for found in distributions()
        if found.name.lower() in pinned and "Requires-Python" in found.metadata
    }
    assert demands
    assert not {
        package: demand
        for package, demand in demands.items()
        if not SpecifierSet(demand).contains(OLDEST_PYTHON)
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what is in the checkout now."""
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, because setuptools leaves its build folders beside what it builds.
    source = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, tracked):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
    command += ["--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


def test_a_wheel_has_all_content_and_the_whole_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    marker = "/data/share/filterlab/"
    shipped = {name.partition(marker)[2] for name in names if marker in name}
    assert shipped == content()
    modules = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("filterlab/**/*.py")}
    assert modules <= set(names)


def test_an_empty_environment_lists_what_the_checkout_lists(
    wheel: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    venv.create(empty, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(empty), "install", "-q"]
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True, capture_output=True)
    # What it depends on is lent by this environment: no network is asked. A folder
    # named so has its own .pth files passed over, an editable FilterLab's among them.
    (here,) = empty.glob("lib/python*/site-packages")
    (here / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    own = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    ask: dict[str, Any] = {
        "cwd": empty,
        "env": own,
        "capture_output": True,
        "check": True,
    }
    program = str(empty / "bin" / "filterlab")
    said = subprocess.run([program, "list", "policies"], text=True, **ask).stdout
    assert said.split()[0] == min(entry.name for entry in entries(Kind.POLICIES))
    python = str(empty / "bin" / "python")
    told = subprocess.run([python, "-c", LISTS], text=True, **ask).stdout
    lists = {kind: [[e.name, e.title] for e in entries(kind)] for kind in Kind}
    assert json.loads(told) == lists
    assert all(lists.values())
