"""The seal: nothing gets out, nothing is left, whoever is killed and when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.clock import wait_for
from filterlab.lab.network import Network
from filterlab.lab.seal import children_of, prepare_seal, sealed
from filterlab.lab.topology import load_topology

MARK = "FILTERLAB_TEST_MARK"
SEAL = (
    "import sys; from filterlab.lab.seal import run_sealed as r;"
    "sys.exit(r(sys.argv[2:], without_root=sys.argv[1] == 'rootless' or None))"
)
WITHIN_SECONDS = 20.0


def bring_up_and_wait() -> None:
    """The program of a seal that is to be killed; says how far it has come."""
    prepare_seal()
    print("sealed", flush=True)
    topo = load_topology("national")()
    network = Network(topo, Path(tempfile.mkdtemp(dir="/run")), controller_port=None)
    network.up()
    print("up", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        network.down()
        print("ended gently", flush=True)


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


class Started:
    """A sealed run, and everything that carries its mark."""

    def __init__(self, kind: str, argv: list[str]) -> None:
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-c", SEAL, kind, *argv],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, MARK: self.mark},
        )

    def reads(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def alive(self) -> list[int]:
        """Every process of this machine that was started with our mark."""
        needle = f"{MARK}={self.mark}".encode()
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    environment = Path(f"/proc/{entry}/environ").read_bytes()
                except OSError:
                    continue
                if needle in environment:
                    found.append(int(entry))
        return found

    def gone(self) -> None:
        wait_for("the end of all", lambda: not self.alive(), WITHIN_SECONDS)

    def unshare(self) -> int:
        """The one that makes the seal; the supervisor's first one is only a trial."""

        def lasting() -> list[int]:
            below = children_of(self.process.pid)
            return [pid for pid in below if b"--kill-child" in command_line(pid)]

        return wait_for("unshare", lasting, WITHIN_SECONDS)[0]

    def first_process(self) -> int:
        unshare = self.unshare()
        return wait_for("the shell", lambda: children_of(unshare), WITHIN_SECONDS)[0]

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(params=["as we are", "rootless"])
def start(
    request: pytest.FixtureRequest, needs: Callable[..., None]
) -> Iterator[Callable[..., Started]]:
    needs()
    started: list[Started] = []

    def begin(*argv: str) -> Started:
        words = argv or (sys.executable, __file__)
        started.append(Started(request.param, list(words)))
        return started[-1]

    yield begin
    for run in started:
        run.end()


def host_mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("moment", ["at once", "sealed", "up"])
@pytest.mark.parametrize("victim", ["supervisor", "unshare", "first process"])
def test_killed_at_any_moment_nothing_is_left(
    start: Callable[..., Started], moment: str, victim: str
) -> None:
    mounts, links = host_mounts(), sorted(os.listdir("/sys/class/net"))
    run = start()
    if moment != "at once":
        run.reads("sealed")
    if moment == "up":
        run.reads("up")
        assert len(run.alive()) > 30
    pid = run.process.pid
    if victim != "supervisor":
        pid = run.unshare()
    if victim == "first process":
        pid = run.first_process()
    os.kill(pid, signal.SIGKILL)
    run.process.communicate(timeout=WITHIN_SECONDS)
    run.gone()
    assert host_mounts() == mounts
    assert sorted(os.listdir("/sys/class/net")) == links


def test_a_first_interrupt_ends_gently(start: Callable[..., Started]) -> None:
    run = start()
    run.reads("sealed")
    run.reads("up")
    run.process.send_signal(signal.SIGINT)
    run.reads("ended gently")
    assert run.process.wait(WITHIN_SECONDS) == 0
    run.gone()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_terminated_it_ends_at_once(
    start: Callable[..., Started], number: signal.Signals
) -> None:
    run = start()
    run.reads("sealed")
    run.process.send_signal(number)
    run.process.communicate(timeout=WITHIN_SECONDS)
    assert run.process.returncode == 128 + number
    run.gone()


def test_a_second_interrupt_ends_it_at_once(start: Callable[..., Started]) -> None:
    trap = "trap 'echo interrupted' INT; echo ready;"
    stubborn = f"{trap} sleep 600 & while :; do wait; done"
    run = start("sh", "-c", stubborn)
    run.reads("ready")
    run.process.send_signal(signal.SIGINT)
    run.reads("interrupted")
    run.process.send_signal(signal.SIGINT)
    run.process.communicate(timeout=WITHIN_SECONDS)
    assert run.process.returncode == 128 + signal.SIGINT
    run.gone()


def test_the_exit_status_comes_out(start: Callable[..., Started]) -> None:
    assert start("sh", "-c", "exit 7").process.wait(WITHIN_SECONDS) == 7


def test_orphans_are_reaped(start: Callable[..., Started]) -> None:
    script = (
        "import os, subprocess;"
        "subprocess.run(['sh', '-c', '(true &) ; (true &)']);"
        "assert subprocess.run(['false']).returncode == 1;"
        "from filterlab.lab.clock import wait_for;"
        "states = lambda: [open(f'/proc/{p}/stat').read().rpartition(')')[2].split()[0]"
        " for p in os.listdir('/proc') if p.isdigit()];"
        "wait_for('no zombies', lambda: 'Z' not in states(), 10)"
    )
    assert start(sys.executable, "-c", script).process.wait(WITHIN_SECONDS) == 0


def test_two_labs_run_side_by_side(start: Callable[..., Started]) -> None:
    runs = [start(), start()]
    for run in runs:
        run.reads("sealed")
        run.reads("up")


TRY_TO_LEAVE = """
import errno, socket, sys
for family, address in ((socket.AF_INET, sys.argv[1]), (socket.AF_INET6, sys.argv[2])):
    with socket.socket(family, socket.SOCK_STREAM) as outward:
        outward.settimeout(5)
        print(errno.errorcode.get(outward.connect_ex((address, 9)), "connected"))
"""
# Documentation prefixes (RFC 5737, RFC 3849 is the lab's own, RFC 6666 discards):
# even a hole in the seal would lead nowhere.
STRANGERS = ("192.0.2.1", "100::1")


def look_for_a_way_out() -> dict[str, Any]:
    topo = load_topology("national")(delay_abroad_ms=0, delay_home_ms=0)
    network = Network(topo, Path(tempfile.mkdtemp(dir="/run")), controller_port=None)
    network.up()
    for exchange in network.exchanges:
        network.plain_forwarding(exchange)
    leave = [sys.executable, "-c", TRY_TO_LEAVE, *STRANGERS]
    own = {p.interface for e in network.exchanges for p in network.exchange_ports(e)}
    return {
        "sealed": sealed(),
        "root": subprocess.run(leave, capture_output=True, text=True).stdout.split(),
        "interfaces": [
            line.split(":")[0].strip()
            for line in Path("/proc/net/dev").read_text().splitlines()[2:]
        ],
        "ours": sorted(own | set(network.exchanges) | {"lo", "ovs-netdev"}),
        "routes": Path("/proc/net/route").read_text().splitlines()[1:],
        "run": sorted(os.listdir("/run")),
        "nodes": {name: network.run(name, leave).split() for name in network.nodes},
    }


def test_nothing_gets_out(in_seal: Callable[..., Any]) -> None:
    seen = in_seal(look_for_a_way_out)
    assert seen["sealed"]
    assert seen["root"] == ["ENETUNREACH", "ENETUNREACH"]
    assert seen["routes"] == []
    assert set(seen["interfaces"]) <= set(seen["ours"])
    assert [n for n in seen["run"] if n not in ("filterlab", "lock")] == [
        n for n in seen["run"] if n.startswith("tmp")
    ]
    refused = {"ENETUNREACH", "EHOSTUNREACH"}
    for name, answers in seen["nodes"].items():
        assert set(answers) <= refused, (name, answers)


if __name__ == "__main__":
    bring_up_and_wait()
