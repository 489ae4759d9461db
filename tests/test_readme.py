"""What the README shows is true: its YAML is sound, its verbs exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_scenario_is_sound(text: str, tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    command = [sys.executable, "-m", "filterlab.cli", "check", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_verb_exists() -> None:
    command = [sys.executable, "-m", "filterlab.cli", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    verbs = set(re.findall(r"(?:\./lab|filterlab) ([a-z]+)", README)) - {"help"}
    assert {"run", "test", "check", "explain", "map"} <= verbs
    lab = re.findall(r"^([a-z]+)\)$", (ROOT / "lab").read_text(), re.MULTILINE)
    for verb in verbs - set(lab):
        assert re.search(rf"\b{verb}\b", said), verb


def test_every_folder_it_names_is_there() -> None:
    named = re.findall(r"^\| `([a-z]+/)` \|", README, re.MULTILINE)
    assert named
    assert all((ROOT / name).is_dir() for name in named)
