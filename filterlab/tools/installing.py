"""Installs what tools need, from the system's packages and from PyPI.

No daemon of a package is started (`packages.sh`): the lab starts its own, sealed.
What a tool file pins by hash is held to it. Runs as a program too:
`python -m filterlab.tools.installing [TOOL...]`.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from filterlab.lab.programs import find_program
from filterlab.scenario.content import root
from filterlab.tools.shelf import Shelf
from filterlab.tools.tool import Tool

Say = Callable[[str], None]


def install(tools: Iterable[Tool], say: Say) -> list[str]:
    """Install what these tools lack, as far as it can be had.

    Returns a line for each tool that still lacks something afterwards.
    """
    wanted = list(tools)
    lacking = [tool for tool in wanted if not tool.installed]
    if lacking:
        _install_from_system(lacking, say)
        _install_from_pypi(lacking, say)
        # Modules that came with pip were not there a moment ago.
        importlib.invalidate_caches()
    return [
        f"{tool.name}: still without {', '.join(tool.missing())}; {tool.command}"
        for tool in wanted
        if not tool.installed
    ]


def _install_from_system(tools: Sequence[Tool], say: Say) -> None:
    packages = sorted({name for tool in tools for name in tool.file.packages.apt})
    if not packages:
        return
    if find_program("apt-get") is None:
        say("this system has no apt; its own package tool has: " + " ".join(packages))
        return
    with as_file(files("filterlab.tools") / "packages.sh") as script:
        # What cannot be installed is named at the end, tool by tool.
        subprocess.run(
            ["bash", "-euo", "pipefail", str(script), *packages], check=False
        )


def _install_from_pypi(tools: Sequence[Tool], say: Say) -> None:
    hashes = {
        name: sums for tool in tools for name, sums in tool.file.packages.hashes.items()
    }
    packages = sorted({name for tool in tools for name in tool.file.packages.pip})
    plain = [name for name in packages if _name(name) not in hashes]
    for name in packages:
        if _name(name) in hashes:
            say(f"installing {name} (PyPI), held to its hash")
            line = " ".join([name, *(f"--hash={one}" for one in hashes[_name(name)])])
            _pip(["--no-deps", "--require-hashes"], [line])
    if plain:
        say("installing " + " ".join(plain) + " (PyPI)")
        _pip(_constraints(), plain)


def _pip(options: Sequence[str], lines: Sequence[str]) -> None:
    """Have pip install; what it says goes to the user, who may have to act on it."""
    with tempfile.TemporaryDirectory(prefix="filterlab-") as folder:
        wishes = Path(folder) / "requirements.txt"
        wishes.write_text("\n".join(lines) + "\n")
        pip = [sys.executable, "-m", "pip", "install", "-q"]
        pip += ["--disable-pip-version-check", *options, "-r", str(wishes)]
        subprocess.run(pip, stdout=sys.stderr, check=False)


def _constraints() -> list[str]:
    """In a checkout, the versions that its tests are run with."""
    file = root() / "constraints.txt"
    return ["-c", str(file)] if file.exists() else []


def _name(package: str) -> str:
    return package.partition("==")[0]


def install_all() -> None:
    """Install what every tool of the lab needs, and say what cannot be had."""
    for line in install(Shelf().values(), _say):
        _say(line)


InstallTools = Annotated[
    bool,
    typer.Option(
        "--install-tools",
        help="First install the tools' programs: all that apt and PyPI have. No"
        " daemon is started.",
    ),
]


def _say(text: str) -> None:
    print(f"filterlab: {text}", file=sys.stderr)


def main(names: Sequence[str]) -> int:
    """Install for the tools of these names, or for all; 1 if something is lacking.

    What no package brings (`by_hand`) is named, and is no failure.
    """
    shelf = Shelf()
    tools = [shelf[name] for name in names or shelf]
    left = install(tools, _say)
    for line in left:
        _say(line)
    by_hand = {t.name for t in tools if any(n.by_hand for n in t.file.needs)}
    return int(any(line.partition(":")[0] not in by_hand for line in left))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
