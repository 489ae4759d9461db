"""Programs that behave, and all the ways in which programs misbehave."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from filterlab.lab.clock import wait_for
from filterlab.lab.logs import LOG_LIMIT_BYTES
from filterlab.lab.processes import NotReady, Process, Supervisor
from filterlab.lab.readiness import (
    All,
    Exits,
    InterfaceExists,
    Listening,
    LogLine,
    Readiness,
)

SOON = 10.0  # generous: only a failure waits so long
FOREVER = "while :; do sleep 3600; done"


@dataclass(frozen=True)
class Here:
    """The node that this very process is in."""

    name: str = "here"
    pid: int = os.getpid()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path) as supervisor:
        yield supervisor


def shell(
    supervisor: Supervisor, script: str, ready: Readiness, name: str = "program"
) -> Process:
    """Start a shell script as a program of the lab."""
    folder = supervisor.logs.parent
    return supervisor.start(
        name, ["sh", "-c", script], Here(), ready=ready, folder=folder
    )


def gone(pid: int) -> bool:
    """Whether no process, or only an unreaped one, has this pid."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_a_log_line_makes_ready(supervisor: Supervisor) -> None:
    process = shell(supervisor, f"echo now up; {FOREVER}", LogLine("now up"))
    process.wait_ready(SOON)
    assert process.alive
    assert process.log_tail() == ["now up"]
    assert (supervisor.logs / "program.log").read_text() == "now up\n"
    assert supervisor.died() == []


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_socket_makes_ready(supervisor: Supervisor, kind: str) -> None:
    script = f"""
import socket, time
channel = socket.socket(type=socket.SOCK_{"STREAM" if kind == "tcp" else "DGRAM"})
channel.bind(("127.0.0.1", PORT))
{"channel.listen()" if kind == "tcp" else ""}
time.sleep(3600)
"""
    port = free_port()
    condition = Listening(tcp=port) if kind == "tcp" else Listening(udp=port)
    process = supervisor.start(
        kind,
        [sys.executable, "-c", script.replace("PORT", str(port))],
        Here(),
        ready=condition,
        folder=supervisor.logs,
    )
    process.wait_ready(SOON)
    assert condition.met(process)


def test_all_needs_each_of_its_conditions(supervisor: Supervisor) -> None:
    ready = All((LogLine("up"), InterfaceExists("lo")))
    shell(supervisor, f"echo up; {FOREVER}", ready).wait_ready(SOON)
    never = All((LogLine("up"), InterfaceExists("nosuch0")))
    with pytest.raises(NotReady, match="interface nosuch0"):
        shell(supervisor, f"echo up; {FOREVER}", never).wait_ready(0.1)


def test_a_command_may_end_and_its_words_are_the_answer(supervisor: Supervisor) -> None:
    said = supervisor.run("key", ["echo", "abc"], Here(), folder=supervisor.logs)
    assert said == "abc\n"
    assert supervisor.died() == []


def test_a_command_that_fails_says_what_it_was(supervisor: Supervisor) -> None:
    with pytest.raises(NotReady, match=r"`ls nosuch` on here left with status 2"):
        supervisor.run("key", ["ls", "nosuch"], Here(), folder=supervisor.logs)


def test_leaving_before_it_is_ready_shows_the_last_words(
    supervisor: Supervisor,
) -> None:
    process = shell(supervisor, "echo no such key >&2; exit 3", LogLine("up"))
    with pytest.raises(NotReady) as caught:
        process.wait_ready(SOON)
    assert caught.value.name == "program"
    assert "left with status 3 before it was ready" in caught.value.why
    assert caught.value.tail == ["no such key"]
    assert "    | no such key" in str(caught.value)


def test_leaving_cleanly_before_it_is_ready_is_no_readiness(
    supervisor: Supervisor,
) -> None:
    with pytest.raises(NotReady, match="left with status 0 before"):
        shell(supervisor, "exit 0", LogLine("up")).wait_ready(SOON)


def test_never_ready_names_what_was_waited_for(supervisor: Supervisor) -> None:
    process = shell(supervisor, f"echo trying; {FOREVER}", LogLine("up"))
    wait_for("its words", process.log_tail, SOON)
    with pytest.raises(NotReady, match=r"waited for the log line 'up'\n.*trying"):
        process.wait_ready(0.1)


def test_a_missing_program_says_so(supervisor: Supervisor) -> None:
    with pytest.raises(NotReady, match="ghost needs nosuchprogram, not installed"):
        supervisor.start(
            "ghost", ["nosuchprogram"], Here(), ready=Exits(), folder=supervisor.logs
        )
    assert supervisor.processes == []


def test_a_port_in_use_is_told_before_anything_starts(supervisor: Supervisor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(NotReady, match=rf"needs port {port}/tcp, in use on here"):
            shell(supervisor, FOREVER, All((Listening(tcp=port),)))
    assert supervisor.processes == []


def test_a_daemon_that_dies_is_known_with_its_last_words(
    supervisor: Supervisor,
) -> None:
    living = shell(supervisor, f"echo up; {FOREVER}", LogLine("up"), "living")
    dying = shell(
        supervisor, "echo up; read x; echo bye; exit 7", LogLine("up"), "dying"
    )
    living.wait_ready(SOON)
    wait_for("its end", lambda: not dying.alive, SOON)
    (death,) = supervisor.died()
    assert (death.name, death.node) == ("dying", "here")
    assert death.why == "left with status 7"
    assert death.tail == ["up", "bye"]
    assert str(death).startswith("dying on here left with status 7\n    | up")


def test_a_daemon_that_is_killed_names_the_signal(supervisor: Supervisor) -> None:
    process = shell(supervisor, f"echo up; {FOREVER}", LogLine("up"))
    process.wait_ready(SOON)
    os.kill(process.pid, signal.SIGSEGV)
    wait_for("its end", lambda: not process.alive, SOON)
    assert supervisor.died()[0].why == "was ended by SIGSEGV"


def test_a_flooded_log_is_cut_and_its_program_ended(supervisor: Supervisor) -> None:
    process = shell(supervisor, "yes flood", LogLine("up"))
    with pytest.raises(NotReady, match="flooded its log"):
        process.wait_ready(SOON)
    (death,) = supervisor.died()
    assert death.why.startswith("flooded its log")
    size = (supervisor.logs / "program.log").stat().st_size
    assert LOG_LIMIT_BYTES < size < LOG_LIMIT_BYTES + 100


def test_a_program_that_ignores_sigterm_is_ended(supervisor: Supervisor) -> None:
    process = shell(supervisor, f"trap '' TERM; echo up; {FOREVER}", LogLine("up"))
    process.wait_ready(SOON)
    supervisor.stop([process], grace_seconds=0.05)
    assert process.exit_status == -signal.SIGKILL
    assert supervisor.died() == []


def test_stopping_uses_the_programs_own_signal(supervisor: Supervisor) -> None:
    process = supervisor.start(
        "own",
        ["sh", "-c", f"trap 'exit 5' INT; echo up; sleep 3600 & wait; {FOREVER}"],
        Here(),
        ready=LogLine("up"),
        folder=supervisor.logs,
        stop_signal=signal.SIGINT,
    )
    process.wait_ready(SOON)
    supervisor.stop([process])
    assert process.exit_status == 5


def test_a_daemon_that_left_its_session_is_ended_too(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    script = "setsid sh -c 'echo $$ > pid; exec sleep 3600' & echo up; " + FOREVER
    process = shell(supervisor, script, LogLine("up"))
    process.wait_ready(SOON)
    text = wait_for(
        "its pid",
        lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(),
        SOON,
    )
    supervisor.stop([process])
    wait_for("the straggler's end", lambda: gone(int(text)), SOON)


def test_stopping_one_leaves_the_others(supervisor: Supervisor) -> None:
    first = shell(supervisor, f"echo up; {FOREVER}", LogLine("up"), "first")
    second = shell(supervisor, f"echo up; {FOREVER}", LogLine("up"), "second")
    second.wait_ready(SOON)
    supervisor.stop([first])
    assert not first.alive
    assert second.alive


def test_two_programs_of_one_name_have_two_logs(supervisor: Supervisor) -> None:
    for word in ("one", "two"):
        shell(supervisor, f"echo {word}", Exits(0), "a/b").wait_ready(SOON)
    supervisor.stop_all()
    logs = [(supervisor.logs / name).read_text() for name in ("a_b.log", "a_b.2.log")]
    assert logs == ["one\n", "two\n"]


def test_the_users_environment_does_not_reach_a_program(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    said = supervisor.run("env", ["env"], Here(), folder=tmp_path)
    assert "proxy.example" not in said
    assert f"HOME={tmp_path}\n" in said
    assert f"PWD={tmp_path}" in supervisor.run(
        "pwd", ["sh", "-c", "echo PWD=$(pwd)"], Here(), folder=tmp_path
    )


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as channel:
        channel.bind(("127.0.0.1", 0))
        return int(channel.getsockname()[1])
