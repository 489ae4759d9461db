"""Moving into a node of the network: its network and mount namespaces.

A node is known by the pid of the process that holds its namespaces; see
namespaces(7) and setns(2). The C library is called directly, because Python has
`os.setns` only since 3.12.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from dataclasses import dataclass
from typing import Any

# include/uapi/linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
# include/uapi/linux/mount.h
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def setns(path: str, kind: int) -> None:
    """Move the calling thread into the namespace that `path` names."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.setns(handle, kind), f"setns {path}")
    finally:
        os.close(handle)


def mount(source: str, target: str, kind: str | None, flags: int = 0) -> None:
    """Call mount(2); raises OSError naming the target."""
    _checked(
        _libc.mount(
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            None,
        ),
        f"mount on {target}",
    )


def bind(source: str, target: str) -> None:
    """Let `target` show the file `source`, in this mount namespace only."""
    mount(source, target, None, MS_BIND)


def enter(pid: int) -> None:
    """Move this process (it must have one thread) into that pid's namespaces.

    The network first: the mount namespace changes what `/proc/PID` can be seen.
    """
    setns(f"/proc/{pid}/ns/net", CLONE_NEWNET)
    setns(f"/proc/{pid}/ns/mnt", CLONE_NEWNS)


def enter_network(pid: int) -> None:
    """Move the calling thread into that pid's network namespace."""
    setns(f"/proc/{pid}/ns/net", CLONE_NEWNET)


@dataclass(frozen=True, slots=True)
class Namespace:
    """The namespaces of a node, held by the process `pid`."""

    pid: int

    def enter_argv(self) -> list[str]:
        """The words that, before a command's own, run it in here (Mininet's mnexec)."""
        return ["mnexec", "-a", str(self.pid)]

    def run_in(
        self, argv: list[str], *, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in here to its end and return its output as text."""
        return subprocess.run(
            [*self.enter_argv(), *argv],
            check=check,
            text=True,
            capture_output=True,
            **options,
        )

    def popen(self, argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a command in here."""
        return subprocess.Popen([*self.enter_argv(), *argv], **options)
