"""Every exercise is solved by its solution alone, and no answer does any harm."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from filterlab.exercises.checking import check
from filterlab.exercises.dealing import ways_of
from filterlab.exercises.faults import explained
from filterlab.exercises.shelf import exercise, exercises
from filterlab.exercises.verdict import Verdict
from filterlab.exercises.workspace import Workspace
from filterlab.lab.cage import Limits, run_caged
from filterlab.scenario.problem import BadInput

NAMES = [one.name for one in exercises()]
HAND = 4  # of "which way": not what the wrong answer says
WRONG = Path(__file__).parents[1] / "exercises" / "wrong"


def looked_at(name: str, folder: Path, files: dict[str, bytes]) -> Verdict:
    """What the check says of these answers."""
    workspace = Workspace(exercise(name), folder / name)
    workspace.start(HAND)
    for file, data in files.items():
        (workspace.folder / file).write_bytes(data)
    try:
        return check(workspace)
    except BadInput as bad:
        return Verdict(stopped=str(bad), bad_input=True)


@pytest.mark.parametrize("name", NAMES)
def test_its_solution_solves_it(
    name: str, needs: Callable[..., None], tmp_path: Path
) -> None:
    needs()
    command = [sys.executable, "-m", "filterlab.cli", "exercise", name]
    subprocess.run([*command, "start"], cwd=tmp_path, check=True, capture_output=True)
    for file, path in solution(name, tmp_path / name).items():
        (tmp_path / name / file).write_bytes(path)
    done = subprocess.run(
        [*command, "check"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Solved." in done.stdout


def solution(name: str, folder: Path) -> dict[str, bytes]:
    """The files that solve it."""
    chosen = exercise(name)
    if chosen.file.check == "ways":
        dealt = ways_of(Workspace(chosen, folder).hand)
        lines = [f"  {site}: {way}\n" for site, way in dealt.items()]
        return {"answers.yaml": "".join(["sites:\n", *lines]).encode()}
    found = chosen.files("solution")
    return {file: path.read_bytes() for file, path in found.items()}


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_answer_does_not(
    name: str, needs: Callable[..., None], tmp_path: Path
) -> None:
    needs()
    verdict = looked_at(name, tmp_path, dict.fromkeys(exercise(name).file.answers, b""))
    assert not verdict.passed
    assert str(verdict)


@pytest.mark.parametrize("name", NAMES)
def test_a_plausible_wrong_answer_is_told_why(
    name: str, needs: Callable[..., None], tmp_path: Path
) -> None:
    needs()
    files = {
        path.name: path.read_bytes()
        for path in (WRONG / name).iterdir()
        if path.name != "said.txt"
    }
    verdict = looked_at(name, tmp_path, files)
    assert not verdict.passed
    golden = WRONG / name / "said.txt"
    if os.environ.get("FILTERLAB_WRITE_GOLDENS"):
        golden.write_text(f"{verdict}\n")
    assert f"{verdict}\n" == golden.read_text()


# --- what nobody trusts ------------------------------------------------------------

SMALL = Limits(10, 1, memory_bytes=96 << 20, processes=6, disk_bytes=1 << 20)
# Each tries something, and what is said of it.
HARM = {
    "a fork bomb": (
        "import os\nwhile True:\n    os.fork()",
        "6 processes or threads at once, the limit",
    ),
    "a fork bomb that does not give up": (
        "import os\nwhile True:\n    try:\n        os.fork()\n"
        "    except OSError:\n        pass",
        "6 processes or threads at once, the limit, and was ended",
    ),
    "a full disk": (
        "for n in range(99):\n    open(str(n), 'wb').write(bytes(99_999))",
        "wanted to write more than 1 MB, the limit of its disk",
    ),
    "one large file": (
        "open('large', 'wb').write(bytes(2 << 20))",
        "wanted to write more than 1 MB, the limit of its disk",
    ),
    "all memory": ("x = bytearray(1 << 30)", "more than 96 MB of memory, the limit"),
    "an endless loop": (
        "while True: pass",
        "still computing after 1 s, the limit of time, and was ended",
    ),
    "to wait for ever": (
        "import threading\nthreading.Event().wait()",
        "still running after 10 s, the limit of time, and was ended",
    ),
    "the home folder": (
        f"open({str(Path.home() / '.profile')!r})",
        f"wanted to read {Path.home() / '.profile'}: home folders are empty in here",
    ),
    "a file of this machine": (
        "open('/etc/hosts', 'a')",
        "wanted to write to /etc/hosts: the files of this machine can only be read",
    ),
    "the network by address": (
        "import socket\nsocket.create_connection(('192.0.2.1', 80))",
        "wanted to reach a network: in here there is none",
    ),
    "the network by name": (
        "import socket\nsocket.getaddrinfo('news.example', 80)",
        "wanted to reach a network: in here there is none",
    ),
    "what is mounted over its home": (
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "tries = [libc.umount2(b'/home', 2), libc.unshare(0x10000000)]\n"
        "raise SystemExit(tries != [-1, -1])",
        None,
    ),
    "to be asked nicely": ("print(open('a file').read())", None),
}


@pytest.mark.parametrize("what", HARM)
def test_an_answer_can_do_no_harm(what: str, needs: Callable[..., None]) -> None:
    needs()
    program, says = HARM[what]
    argv = [sys.executable, "-c", program]
    ended = run_caged(argv, {"a file": b"text"}, SMALL)
    said = explained("answer.py", ended, SMALL)
    if says is None:
        assert said is None, said
    else:
        assert said is not None
        assert says in said, said
