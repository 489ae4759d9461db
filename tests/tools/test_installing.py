"""What is installed for tools, by which commands, and what is said of the rest."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from filterlab.scenario.content import root
from filterlab.tools import installing
from filterlab.tools.shelf import Shelf
from filterlab.tools.tool import Tool, load_tool

SCRIPT = root() / "filterlab" / "tools" / "packages.sh"
TOOL = """
title: A tool that nobody has
packages:
  apt: [nosuch-daemon]
  pip: [nosuch-package==1.0]
  hashes:
    nosuch-package: [sha256:{sum}]
needs: [nosuch-program]
parts:
  client: {{on: client, start: nosuch-program, ready: {{tcp: 1080}}}}
enters: {{socks5: 127.0.0.1:1080}}
"""
# Stand-ins for the system's package tools: they write down how they were called.
STAND_IN = """#!/bin/sh
echo "$(basename $0) $*" >> {log}
case "$(basename $0) $*" in
"apt-cache show nosuch"*) exit 100;;
"dpkg -s there"*) echo "Status: install ok installed";;
"dpkg -s "*) exit 1;;
esac
"""


@pytest.fixture
def called(tmp_path: Path) -> Callable[..., list[str]]:
    """Run the script with stand-ins; what they were called with."""
    log, folder = tmp_path / "log", tmp_path / "bin"
    folder.mkdir()
    for name in ("apt-get", "apt-cache", "dpkg", "sudo", "tee", "chmod", "rm"):
        (folder / name).write_text(STAND_IN.format(log=log))
        (folder / name).chmod(0o755)

    def run(*packages: str) -> list[str]:
        subprocess.run(
            ["bash", "-euo", "pipefail", str(SCRIPT), *packages],
            env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
            check=True,
            capture_output=True,
        )
        return log.read_text().splitlines() if log.exists() else []

    return run


def test_only_what_is_lacking_and_known_is_installed(
    called: Callable[..., list[str]],
) -> None:
    lines = called("there", "lacking", "nosuch")
    install = [line for line in lines if "install -y" in line]
    assert len(install) == 1
    assert install[0].endswith(" lacking")


def test_nothing_is_asked_for_when_nothing_lacks(
    called: Callable[..., list[str]],
) -> None:
    assert not [line for line in called("there") if "apt-get" in line]


def test_a_pinned_package_is_held_to_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[tuple[list[str], list[str]]] = []
    monkeypatch.setattr(
        installing, "_pip", lambda o, lines: wanted.append((list(o), list(lines)))
    )
    monkeypatch.setattr(installing, "_install_from_system", lambda tools, say: None)
    said: list[str] = []
    left = installing.install([_tool(tmp_path)], said.append)
    [(options, lines)] = wanted
    assert options == ["--no-deps", "--require-hashes"]
    assert lines == [f"nosuch-package==1.0 --hash=sha256:{'a' * 64}"]
    assert "still without nosuch-program" in left[0]


def test_what_a_tool_lacks_is_named_with_its_command(tmp_path: Path) -> None:
    tool = _tool(tmp_path)
    assert tool.missing() == ["nosuch-program"]
    assert "apt-get install nosuch-daemon" in tool.command


def _tool(folder: Path) -> Tool:
    path = folder / "nobody.yaml"
    path.write_text(TOOL.format(sum="a" * 64))
    return load_tool(path)


def test_every_tool_says_what_brings_it() -> None:
    """A tool that nothing brings could not be installed by `--install-tools`."""
    shelf = Shelf()
    bare = [
        name
        for name in shelf
        if shelf[name].file.needs
        and not shelf[name].file.packages.apt
        and not shelf[name].file.packages.pip
        and not any(need.by_hand for need in shelf[name].file.needs)
    ]
    assert bare == []
