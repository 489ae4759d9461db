"""The sealed machine a run lives in: made from outside, made ready from inside.

Outside, `run_sealed` starts unshare(1) and stays as its supervisor: util-linux's
unshare ignores SIGINT and SIGTERM while it waits, so ending it is our business. All
of the machine hangs from one process that dies with us (PR_SET_PDEATHSIG, prctl(2)),
with `--kill-child` its first process dies with it, and a pid namespace ends with its
first process (pid_namespaces(7)): nothing is ever left to clean. One moment is not
covered by that: unshare's child asks for its signal only after it has been forked. An
orphan of that moment comes to us, and is ended; and should we be gone as well, it
finds at its start that nobody holds the other end of its pipe.

Inside, the first process is a shell: it adopts and reaps orphans, which Python as
pid 1 could not do without taking exit statuses from its own subprocess module.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from filterlab.lab.namespace import mount
from filterlab.lab.obstacle import Obstacle, namespace_obstacle

# Set inside, to a word of this run: children inherit it.
SEAL_VARIABLE = "FILTERLAB_SEAL"
# Debian keeps daemons and `ip` where an ordinary user's PATH does not look.
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

# include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
# Set inside: the file descriptor of a pipe whose other end the supervisor holds.
_LIFELINE = "FILTERLAB_LIFELINE"
_SI_KERNEL = 0x80  # sigaction(2): the terminal sent it, to everyone at once
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # netdevice(7)
_TYPED = (signal.SIGINT, signal.SIGQUIT)  # Ctrl-C and Ctrl-\ (termios(3))
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

# Two commands, so that the shell stays and does not become the first of them. A shell
# that has not caught SIGINT itself would end by it afterwards, whatever the status.
_FIRST_PROCESS = 'trap : INT; "$@"; exit $?'


def sealed() -> bool:
    """Say whether this process runs in a seal."""
    return SEAL_VARIABLE in os.environ


def rootless() -> bool:
    """Say whether a seal started here must bring its own user namespace."""
    return os.geteuid() != 0


def seal_command(argv: Sequence[str], rootless: bool) -> list[str]:
    """Turn a command into the one that runs it as the only program of a sealed machine.

    Raises `Obstacle` where unshare(1) is missing.
    """
    unshare = shutil.which("unshare", path=search_path())
    if unshare is None:
        raise Obstacle("there is no unshare", "apt-get install util-linux")
    command = [unshare]
    if rootless:
        command += ["--user", "--map-root-user"]
        if subordinate_ids():
            command.append("--map-auto")
    command += ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    return [*command, "sh", "-c", _FIRST_PROCESS, "sh", *argv]


def subordinate_ids() -> bool:
    """Say whether this user has a range of subordinate ids that can be mapped.

    The answer to a real attempt counts: unshare may be older than `--map-auto`
    (util-linux 2.38), and in a container newuidmap may be forbidden to map a range, or
    the range may not be the container's.
    """
    attempt = ["unshare", "--user", "--map-root-user", "--map-auto", "true"]
    try:
        return subprocess.run(attempt, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def search_path() -> str:
    """PATH, and after it the folders where the lab's programs may be besides."""
    given = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*given, *(f for f in SYSTEM_FOLDERS if f not in given)])


def run_sealed(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    without_root: bool | None = None,
    terminal_is_theirs: Callable[[], bool] | None = None,
) -> int:
    """Run a command in a seal of its own and return its exit status.

    `without_root` makes a user namespace for it; None: where this user needs one.
    A first SIGINT goes on to the command, so that it can end gently; a second one,
    and SIGTERM, SIGHUP or SIGQUIT, end the seal at once (status 128 + signal). While
    `terminal_is_theirs`, what is typed at the terminal (Ctrl-C, Ctrl-\\) is no order
    to us.
    Raises `Obstacle` where the seal cannot be made.
    """
    if without_root is None:
        without_root = rootless()
    if (obstacle := namespace_obstacle(without_root)) is not None:
        raise obstacle
    inner = {**(os.environ if env is None else env)}
    inner["PATH"] = search_path()
    inner[SEAL_VARIABLE] = f"{os.getpid()}"
    watched = {signal.SIGINT, signal.SIGCHLD, *_ENDING}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    parent = os.getpid()
    others = set(children_of(parent))
    theirs, ours = os.pipe()
    inner[_LIFELINE] = str(theirs)
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def dies_with_us() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGKILL)

    try:
        with subprocess.Popen(
            seal_command(argv, without_root),
            env=inner,
            preexec_fn=dies_with_us,
            pass_fds=[theirs],
        ) as process:
            return _supervise(process, watched, terminal_is_theirs or (lambda: False))
    finally:
        _end_orphans(others)
        prctl(_PR_SET_CHILD_SUBREAPER, 0)
        os.close(theirs)
        os.close(ours)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_orphans(others: set[int]) -> None:
    """End what an unshare that was killed at a bad moment has left to us."""
    while orphans := set(children_of(os.getpid())) - others:
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _supervise(
    process: subprocess.Popen[bytes],
    watched: set[signal.Signals],
    terminal_is_theirs: Callable[[], bool],
) -> int:
    interrupted = False
    while process.poll() is None:
        news = signal.sigwaitinfo(watched)
        if news.si_signo == signal.SIGCHLD:
            continue
        typed = news.si_signo in _TYPED and news.si_code == _SI_KERNEL
        if typed and terminal_is_theirs():
            continue
        if news.si_signo == signal.SIGINT and not interrupted:
            interrupted = True
            if news.si_code != _SI_KERNEL:
                _pass_on(process.pid, signal.SIGINT)
            continue
        process.kill()
        process.wait()
        return 128 + news.si_signo
    status = process.returncode
    return status if status >= 0 else 128 - status


def _pass_on(unshare: int, number: signal.Signals) -> None:
    """Send a signal to the command: below unshare the shell, and below that one it."""
    for shell in children_of(unshare):
        for command in children_of(shell):
            os.kill(command, number)


def children_of(pid: int) -> list[int]:
    """The processes whose parent is `pid`, the oldest first (proc(5), stat)."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _parent_of(int(entry)) == pid:
            found.append(int(entry))
    return sorted(found)


def _parent_of(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name before it may hold anything, even a closing bracket.
    return int(stat.rpartition(")")[2].split()[1])


def prepare_seal() -> None:
    """Make a fresh seal's root habitable; run once, first, by the sealed program.

    Loopback up; a private, empty /run (the host's sockets live there) in which the
    file that /etc/resolv.conf may point to exists again; no waiting for IPv6
    duplicate address detection.
    """
    if not sealed():
        raise RuntimeError("only a seal's own first program prepares it")
    _check_lifeline()
    os.environ["PATH"] = search_path()
    mount("tmpfs", "/run", "tmpfs")
    for folder in ("/run/lock", "/run/filterlab"):
        os.mkdir(folder)
    for name in ("/etc/resolv.conf", "/etc/hosts"):
        _ensure_file(name)
    for scope in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{scope}/accept_dad").write_text("0")
    bring_up("lo")


def _check_lifeline() -> None:
    """End at once if whoever started this seal is gone already."""
    number = os.environ.pop(_LIFELINE, None)
    if number is None:  # this seal has been prepared before
        return
    lifeline = int(number)
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    if poll.poll(0):
        os._exit(128 + signal.SIGKILL)
    os.close(lifeline)


def _ensure_file(name: str) -> None:
    target = Path(os.path.realpath(name))
    if target.exists():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    except OSError as error:
        raise Obstacle(f"{name} does not exist", f"as root: touch {target}") from error


def bring_up(interface: str) -> None:
    """Set an interface of this namespace up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        request = struct.pack("16sH14x", interface.encode(), 0)
        answer = fcntl.ioctl(channel, _SIOCGIFFLAGS, request)
        flags = struct.unpack("16sH14x", answer)[1]
        request = struct.pack("16sH14x", interface.encode(), flags | _IFF_UP)
        fcntl.ioctl(channel, _SIOCSIFFLAGS, request)
