"""The program that labs are forked from: everything is imported here, once.

Run by `filterlab.matrix.slot` as the only program of a seal. It reads one JSON order a
line on its standard input, gives each a lab of its own - a fork in new network, mount
and pid namespaces (clone(2), namespaces(7)) - and writes one JSON line when that lab
has ended, been too slow, or died: {"id", "status", "late"}. When its input is closed,
it ends, and everything with it.

The first process of a lab only adopts and reaps (pid_namespaces(7)); the lab itself is
its child, so that Python's subprocess module keeps the exit statuses of its own.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from filterlab.lab.interpreter import set_aside
from filterlab.lab.namespace import CLONE_NEWNET, CLONE_NEWNS, mount
from filterlab.lab.seal import prepare_seal
from filterlab.matrix.inside import play_cells
from filterlab.openflow import exchange, launch
from filterlab.probes import zygote

_CLONE_NEWPID = 0x20000000  # include/uapi/linux/sched.h
_MS_PRIVATE_TREE = 1 << 18 | 0x4000  # MS_PRIVATE | MS_REC, include/uapi/linux/mount.h
_PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h
# A lab has two programs of its own that are worth a fork: probes and controller.
_PROGRAMS = 2
# They are imported for what is forked from here.
PRELOADED = (exchange, launch, zygote)

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    """Serve orders until the input is closed."""
    prepare_seal()
    import_late()
    # The terminal's Ctrl-C is for whoever gives the orders.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # so that a fork's collections do not copy the shared pages
    _say({"ready": os.getpid()})
    unread = b""
    while data := os.read(0, 65_536):
        *lines, unread = (unread + data).split(b"\n")
        for line in lines:
            _say(_serve(json.loads(line)))
    return 0


def import_late() -> None:
    """Import what must not be imported outside a seal."""
    import mininet.cli
    import mininet.net  # noqa: F401


def _say(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _serve(order: Mapping[str, Any]) -> dict[str, Any]:
    """Play one lab to its end, which is ours as well if our input is closed."""
    first = _fork(lambda: _be_namespace(order))
    handle = os.pidfd_open(first)
    end = time.monotonic() + order["seconds"]
    late = False
    try:
        while True:
            left = end - time.monotonic()
            if left <= 0 and not late:
                # With its first process a lab's whole pid namespace ends.
                late = True
                os.kill(first, signal.SIGKILL)
            waiting = [handle] if late else [handle, 0]
            told, _, _ = select.select(waiting, [], [], None if late else left)
            if handle in told:
                break
            if 0 in told:  # no second order is given before the answer: it is the end
                os._exit(0)
    finally:
        os.close(handle)
    status = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    return {"id": order["id"], "status": status, "late": late}


def _be_namespace(order: Mapping[str, Any]) -> int:
    """Make the namespaces; stay only to end with the lab's status, or with ours."""
    if _libc.unshare(CLONE_NEWNET | CLONE_NEWNS | _CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    first = _fork(lambda: _be_first(order))
    return _status_of(first)


def _be_first(order: Mapping[str, Any]) -> int:
    """Be the lab's pid 1: adopt, reap, and end when the lab does."""
    os.setsid()
    mount("none", "/", None, _MS_PRIVATE_TREE)
    mount("proc", "/proc", "proc")
    lab = _fork(lambda: _be_lab(order))
    return _status_of(lab)


def _be_lab(order: Mapping[str, Any]) -> int:
    folder = Path(order["folder"])
    said = os.open(folder / "lab.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for place, fd in ((0, nothing), (1, said), (2, said)):
        os.dup2(fd, place)
    os.close(said)
    os.close(nothing)
    set_aside(_PROGRAMS)
    return play_cells(order)


def _fork(act: Callable[[], int]) -> int:
    """Fork; the child does `act` and ends with its status, or with its parent."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # A new namespace's first process has no parent that it could see.
        if os.getppid() in (parent, 0):
            status = act()
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(status)


def _leave(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _status_of(child: int) -> int:
    """Reap whatever comes until this child has ended; its status as a shell's."""
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
