"""`filterlab exec`: any program inside a censored client, as its user would run it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

SCENARIO = Path(__file__).parents[2] / "scenarios" / "first-steps.yaml"
COMMAND = [sys.executable, "-m", "filterlab.cli", "exec", str(SCENARIO), "--as"]
WITHIN_SECONDS = 120
ROWS, COLUMNS = 33, 77
CTRL_C = b"\x03"


def test_a_program_meets_the_policy_and_its_status_is_returned(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("caddy", "unbound", "curl")
    script = """
curl -sS https://blocked.example/
curl -sS https://other.example/
pwd
exit 7
"""
    done = subprocess.run(
        [*COMMAND, "alice", "--", "sh", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=WITHIN_SECONDS,
        # Where it leads is nowhere in the lab, so curl would fail at it.
        env={**os.environ, "https_proxy": "http://127.0.0.1:9"},
    )
    assert done.returncode == 7, done.stderr
    assert "This is other.example" in done.stdout
    assert "blocked.example" not in done.stdout
    assert str(tmp_path) in done.stdout
    assert "reset by peer" in done.stderr
    assert '"list"  tls.sni = blocked.example' in done.stderr


def test_it_has_its_terminal_and_ctrl_c_is_its_own(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("caddy", "unbound")
    script = """
stty size
trap 'echo caught; n=x$n; [ "$n" != xx ] || exit 5' INT
echo ready
while :; do sleep 1; done
"""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(
            COMMAND[0],
            [*COMMAND, "alice", "--phase", "open", "--", "sh", "-c", script],
        )
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    said = read_until(terminal, b"ready")
    assert f"{ROWS} {COLUMNS}".encode() in said
    os.write(terminal, CTRL_C)
    read_until(terminal, b"caught")
    os.write(terminal, CTRL_C)
    read_until(terminal, b"caught")
    read_until(terminal, b"")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 5


def read_until(terminal: int, words: bytes) -> bytes:
    """What was written until the words came, or (no words) until the end."""
    said = b""
    while not words or words not in said:
        try:
            part = os.read(terminal, 1024)
        except OSError:  # Linux says so where nobody has the other end any more
            part = b""
        if not part:
            assert not words, said
            return said
        said += part
    return said


def test_unknown_clients_and_phases_are_told_before_anything_starts(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    done = subprocess.run(
        [*COMMAND, "alcie", "--phase", "opne", "--", "true"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "did you mean 'alice'?" in done.stderr
    assert "did you mean 'open'?" in done.stderr
    assert list(tmp_path.iterdir()) == []
