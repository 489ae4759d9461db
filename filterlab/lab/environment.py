"""The variables with which a program of the lab starts: none of them is the user's.

A proxy variable there would change what a probe means, and a home folder what a tool
remembers of another run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from filterlab.lab.programs import program_path


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment in which a program's home is the given folder."""
    home = str(folder)
    return {
        "PATH": program_path(),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": home,
        "TMPDIR": home,
        "XDG_CONFIG_HOME": home,
        "XDG_DATA_HOME": home,
        "XDG_CACHE_HOME": home,
        "XDG_STATE_HOME": home,
        **(more or {}),
    }
