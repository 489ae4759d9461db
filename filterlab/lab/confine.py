"""Runs one command that nobody trusts, in a machine of its own that can do little.

A script of the standard library alone (`filterlab.lab.cage` starts it with `-I -S`).
Its order is one JSON object on standard input; what ended the command is told, as JSON,
on the descriptor that the order names.

    unshare(2): user (an ordinary user), mount, pid, ipc, and mostly network
      every mount read-only (mount_setattr(2)); homes, /run, /tmp and more hidden
      one small tmpfs to write to; only the lab's own code is shown again
        the first process watches: time, memory, processes (proc(5))
          the command: no capabilities (capabilities(7)), no new ones, setrlimit(2)

RLIMIT_NPROC counts by user and user namespace (since Linux 5.14), and never counts the
real root: started by root, the command is given a user id that nobody has.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any, NoReturn

# include/uapi/linux/sched.h
_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    *(0x00020000, 0x08000000),
    *(0x10000000, 0x20000000, 0x40000000),
)
# include/uapi/linux/mount.h
_BIND, _REC, _PRIVATE = 0x1000, 0x4000, 1 << 18
_NOSUID, _NODEV = 2, 4
_ATTR_RDONLY, _ATTR_NOSUID = 1, 2
_MOUNT_SETATTR = 442  # the same on every architecture (since Linux 5.12)
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000  # include/uapi/linux/fcntl.h
# include/uapi/linux/prctl.h
_PDEATHSIG, _DUMPABLE, _CAPBSET_DROP, _NO_NEW_PRIVS, _SECUREBITS = 1, 4, 24, 38, 28
_ALL_SECURE = 0b101111  # no capabilities by being root, and locked (securebits.h)
_CAPABILITIES = 64  # of which not all exist
_LOOK_SECONDS = 0.02  # a watch that costs nothing, and is in time for a laptop's memory
# Above all that systemd hands out (systemd.io/UIDS-GIDS), one for each caged command.
_STRANGERS, _STRANGERS_COUNT = 0x70000000, 100_000
_NARROW_STRANGER = 65_533
_PAGE = os.sysconf("SC_PAGE_SIZE")

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str) -> None:
    words = (source.encode(), target.encode(), kind.encode() if kind else None)
    flagged = ctypes.c_ulong(flags)
    _checked(_libc.mount(*words, flagged, data.encode()), f"mount on {target}")


def main() -> int:
    """Make the namespaces, and wait for what ends in them."""
    order = json.load(sys.stdin)
    stranger = _stranger()
    kinds = _NEWNS | _NEWPID | _NEWIPC
    if not order["network"]:
        kinds |= _NEWNET
    user, group = os.geteuid(), os.getegid()
    if stranger is None:
        kinds |= _NEWUSER
    _checked(_libc.unshare(kinds), "unshare")
    if stranger is None:
        _map_self(user, group)
    pid = os.fork()
    if pid == 0:
        # Its end is the end of everything in its pid namespace.
        _libc.prctl(_PDEATHSIG, signal.SIGKILL)
        _first_process(order, stranger)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGKILL))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _stranger() -> int | None:
    """The user id for the command; None for one's own, in a new user namespace."""
    if os.geteuid() != 0:
        return None
    with open("/proc/self/uid_map") as lines:
        spans = [tuple(map(int, line.split())) for line in lines]
    if any(first == 0 and outside != 0 for first, outside, _ in spans):
        return None  # root only in here, of some user's seal
    top = max(first + count for first, _, count in spans)
    if top > _STRANGERS + _STRANGERS_COUNT:
        return _STRANGERS + os.getpid() % _STRANGERS_COUNT
    return _NARROW_STRANGER if top > _NARROW_STRANGER else None


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _first_process(order: dict[str, Any], stranger: int | None) -> NoReturn:
    status = 1
    try:
        _libc.prctl(_DUMPABLE, 0)  # nobody in here looks into us
        _make_room(order, stranger)
        status = _watch(order, _start(order, stranger))
    except OSError as error:
        os.write(order["report"], json.dumps({"broken": str(error)}).encode())
    finally:
        os._exit(status)


def _make_room(order: dict[str, Any], stranger: int | None) -> None:
    """Hide what is nobody's business, and make the rest read-only."""
    _mount("none", "/", None, _REC | _PRIVATE, "")
    if stranger is None:
        _mount("proc", "/proc", "proc", _NOSUID | _NODEV, "")
        _write("/proc/sys/user/max_user_namespaces", "0")
    read_only = (ctypes.c_uint64 * 4)(_ATTR_RDONLY | _ATTR_NOSUID, 0, 0, 0)
    _checked(
        _libc.syscall(
            _MOUNT_SETATTR,
            _AT_FDCWD,
            b"/",
            _AT_RECURSIVE,
            ctypes.byref(read_only),
            ctypes.sizeof(read_only),
        ),
        "mount_setattr",
    )
    if stranger is not None:  # who will forbid itself namespaces in its own
        _mount("proc", "/proc", "proc", _NOSUID | _NODEV, "")
    shown = {path: os.open(path, os.O_PATH) for path in order["shown"]}
    for folder in order["hidden"]:
        if os.path.isdir(folder):
            _mount("none", folder, "tmpfs", _NOSUID | _NODEV, "size=64k,mode=0755")
    owner = stranger or 0
    room = (
        f"size={order['disk_bytes']},nr_inodes=1000,mode=0700,uid={owner},gid={owner}"
    )
    _mount("none", order["folder"], "tmpfs", _NOSUID | _NODEV, room)
    # After its room, which hides a folder too: the code may lie in there.
    for path, handle in shown.items():
        os.makedirs(path, exist_ok=True)
        # What is mounted below it would not come along, and need not.
        _mount(f"/proc/self/fd/{handle}", path, None, _BIND, "")
        os.close(handle)
    for folder in order["emptied"]:
        if os.path.isdir(folder):
            _mount("none", folder, "tmpfs", _NOSUID | _NODEV, "size=64k,mode=0755")
    os.chdir(order["folder"])
    for name, text in order["files"].items():
        with open(name, "wb") as file:
            file.write(base64.b64decode(text))
        os.chown(name, owner, owner)


def _start(order: dict[str, Any], stranger: int | None) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.close(order["report"])
        os.setsid()
        if stranger is not None:
            _become(stranger)
        for number in range(_CAPABILITIES):
            _libc.prctl(_CAPBSET_DROP, number, 0, 0, 0)
        _libc.prctl(_SECUREBITS, _ALL_SECURE, 0, 0, 0)
        _give_up_capabilities()
        _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        _limit(order)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.execve(order["argv"][0], order["argv"], order["environment"])
    except OSError as error:
        os.write(2, f"{order['argv'][0]}: {error}\n".encode())
    os._exit(127)


def _become(stranger: int) -> None:
    """Be nobody, in a user namespace in which there can be no further ones.

    Those would bring back the right to mount, and so memory that nobody counts.
    """
    os.setgroups([])
    os.setresgid(stranger, stranger, stranger)
    os.setresuid(stranger, stranger, stranger)
    _libc.prctl(_DUMPABLE, 1)  # or /proc/self would be root's
    _checked(_libc.unshare(_NEWUSER), "unshare")
    _map_self(stranger, stranger)
    _write("/proc/sys/user/max_user_namespaces", "0")


def _map_self(user: int, group: int) -> None:
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {user} 1")
    _write("/proc/self/gid_map", f"0 {group} 1")


def _give_up_capabilities() -> None:
    """capset(2) to nothing; version 3 has two words of each set."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(sets)), "capset")


def _limit(order: dict[str, Any]) -> None:
    for kind, most in (
        (resource.RLIMIT_AS, order["memory_bytes"] * 2),
        # A little more than the watch allows, which tells the reason best.
        (resource.RLIMIT_NPROC, order["processes"] + 8),
        (resource.RLIMIT_FSIZE, order["disk_bytes"]),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    # At the first it is told (SIGXCPU), at the second it is ended without a word.
    seconds = order["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _watch(order: dict[str, Any], command: int) -> int:
    """Wait for the command's end, or for what ends it; say which it was."""
    until = time.monotonic() + order["seconds"]
    handle = os.pidfd_open(command)
    limit = None
    while not select.select([handle], [], [], _LOOK_SECONDS)[0]:
        tasks, resident = _used()
        if time.monotonic() > until:
            limit = "time"
        elif tasks >= order["processes"]:
            limit = "processes"
        elif resident > order["memory_bytes"] < _shared_out():
            limit = "memory"
        if limit is not None:
            break
    status = None
    if limit is None:
        status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        if status == -signal.SIGXCPU:
            limit = "cpu"
    line = json.dumps({"status": status, "limit": limit})
    os.write(order["report"], line.encode())
    return 0 if status == 0 else 1


def _used() -> tuple[int, int]:
    """Tasks, and bytes of memory, of all that runs in here but ourselves."""
    tasks = pages = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or entry == "1":
            continue
        try:
            tasks += len(os.listdir(f"/proc/{entry}/task"))
            with open(f"/proc/{entry}/statm") as file:
                pages += int(file.read().split()[1])
        except OSError:
            continue  # it has ended meanwhile
    return tasks, pages * _PAGE


def _shared_out() -> int:
    """Bytes of memory, what several processes share counted once (proc(5))."""
    kib = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or entry == "1":
            continue
        try:
            with open(f"/proc/{entry}/smaps_rollup") as file:
                lines = [line.split() for line in file]
        except OSError:
            continue
        kib += sum(int(words[1]) for words in lines if words[0] == "Pss:")
    return kib * 1024


if __name__ == "__main__":
    sys.exit(main())
