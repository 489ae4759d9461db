"""The launcher: every request gets a result, whatever becomes of its probe."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.clock import wait_for
from filterlab.probes.launcher import Launcher
from filterlab.probes.request import ProbeRequest, Timeouts

LONG = Timeouts(http=60.0)


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def test_many_at_once(launcher: Launcher, servers: Any, kit: Any) -> None:
    port = servers.tcp(kit.web(kit.response()), backlog=64)
    request = ProbeRequest("fetch", f"http://127.0.0.1:{port}/")
    futures = [launcher.submit(request, None) for _ in range(20)]
    results = [future.result(20) for future in futures]
    assert {result.failure for result in results} == {None}
    assert len({result.endpoints for result in results}) == len(results)


def test_a_place_that_is_gone(launcher: Launcher) -> None:
    # No process has this number: it is above the kernel's limit (proc(5), pid_max).
    result = launcher.submit(ProbeRequest("resolve", "a.example"), 2**22 + 1)
    assert result.result(20).broken
    assert "/ns/net" in (result.result().failure or "")


def test_a_probe_that_dies(servers: Any) -> None:
    port = servers.tcp(servers.silent)
    request = ProbeRequest("fetch", f"http://127.0.0.1:{port}/", timeouts=LONG)
    with Launcher() as launcher:
        future = launcher.submit(request, None)
        zygote = launcher.pid
        (child,) = wait_for("the child", lambda: children(zygote), 20)
        os.kill(child, signal.SIGKILL)
        result = future.result(20)
    assert result.broken
    assert "ended with status -9" in (result.failure or "")


def test_a_probe_that_overstays(servers: Any) -> None:
    port = servers.tcp(servers.silent)
    request = ProbeRequest("fetch", f"http://127.0.0.1:{port}/", timeouts=LONG)
    with Launcher(margin_seconds=-replace(LONG).whole + 0.3) as launcher:
        result = launcher.submit(request, None).result(20)
        assert result.broken
        assert "deadline" in (result.failure or "")
        assert children(launcher.pid) == []


def test_closing_leaves_nobody_waiting(servers: Any) -> None:
    port = servers.tcp(servers.silent)
    request = ProbeRequest("fetch", f"http://127.0.0.1:{port}/", timeouts=LONG)
    launcher = Launcher()
    future = launcher.submit(request, None)
    (child,) = wait_for("the child", lambda: children(launcher.pid), 20)
    launcher.close()
    assert future.result(20).broken
    wait_for("the child's end", lambda: not Path(f"/proc/{child}").exists(), 20)
    assert launcher.submit(request, None).result(20).broken
