"""What a program of the lab starts with: nothing of it is the user's.

A proxy variable there would change what a probe means, and a home folder what a tool
remembers of another run; what ignores SIGINT cannot be ended by it.
"""

from __future__ import annotations

import signal
import threading
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


def pass_no_ignorance_on() -> None:
    """Let programs meet SIGINT as they are made to, though this process ignores it.

    A shell's background job ignores it (POSIX, 2.11), and so does all that it starts,
    until somebody has a handler: that is not inherited.
    """
    mine = threading.current_thread() is threading.main_thread()
    if mine and signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)
