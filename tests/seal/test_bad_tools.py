"""Tools that do not work: each says so in its time, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.lab.processes import NotReady
from filterlab.tools.tool import load_tool
from tests.seal.country import Country

FIRST_STEPS = str(Path(__file__).parents[2] / "scenarios" / "first-steps.yaml")
BROKEN = """
title: A tool that does not work
port: 1080/tcp
parts:
  server: {on: server, start: SERVER, ready: {tcp: 4444}, within: 300ms}
  client: {on: client, start: CLIENT, ready: {tcp: 1080}, within: 300ms}
enters: {socks5: 127.0.0.1:1080}
"""
BROKEN_STARTS = {
    "never-ready": ("sleep 3600", "sleep 3600", "server was not ready after 0.3 s"),
    "leaves": ("sleep 3600", "ls nosuch", "server left with status"),
    "floods": ("sh -c 'trap : TERM; sleep 3600'", "yes", "flooded its log"),
    "not-there": ("sleep 3600", "nosuchprogram", "nosuchprogram"),
}
# Its keys make a link that leads out of its folder.
LINKED = BROKEN.replace(
    "parts:", "keys: {x: ln -s /dev/shm out}\nfiles: {out/file: x}\nparts:"
)
UNRULY = """
title: A tool that forks a daemon, and ignores SIGTERM
port: 1080/tcp
parts:
  server:
    on: server
    start: ${python} ${here}/unruly.py ${port}
    ready: {tcp: 1080}
enters: {socks5: "${server_address}:1080"}
"""


def broken(client: str, server: str) -> str:
    """A tool's file with these two commands."""
    text = BROKEN.replace("CLIENT", f'"{client}"').replace("SERVER", f'"{server}"')
    return text.replace("300ms", "10s", 1) if server == "yes" else text


def start_broken() -> dict[str, Any]:
    country = Country()
    files = {name: broken(c, s) for name, (c, s, _) in BROKEN_STARTS.items()}
    answer: dict[str, Any] = {}
    for name, text in {**files, "linked": LINKED}.items():
        path = country.folder / f"{name}.yaml"
        path.write_text(text)
        country.tool = load_tool(path)
        try:
            country.start(name)
        except NotReady as error:
            answer[name] = str(error)
    answer["left"] = [
        process.name
        for process in country.supervisor.processes
        if process.alive and "-" in process.name
    ]
    return answer


def test_a_tool_that_does_not_start_says_why_and_leaves_nothing(
    in_seal: Callable[..., Any],
) -> None:
    answer = in_seal(start_broken)
    for name, (_, _, said) in BROKEN_STARTS.items():
        assert said in answer[name], name
    assert "would write outside of the run's folder" in answer["linked"]
    assert answer["left"] == []


def start_unruly(path: str) -> dict[str, Any]:
    country = Country(load_tool(Path(path)))
    running = country.start("tool")
    (server,) = running.processes
    daemon = int(server.log_text())
    answer = {"daemon": [os.path.exists(f"/proc/{daemon}")]}
    running.stop()
    answer["daemon"].append(os.path.exists(f"/proc/{daemon}"))
    answer["holders"] = [
        os.path.exists(f"/proc/{country[host].pid}/ns/net")
        for host in ("client", "server")
    ]
    return {**answer, "said": server.log_text(), "killed": server.obstinate}


def test_daemons_end_with_their_tool_and_sigterm_is_no_wish(
    in_seal: Callable[..., Any], needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("caddy", "unbound")
    (tmp_path / "unruly.yaml").write_text(UNRULY)
    program = Path(__file__).with_name("unruly.py").read_text()
    (tmp_path / "unruly.py").write_text(program)
    answer = in_seal(start_unruly, str(tmp_path / "unruly.yaml"))
    assert answer["daemon"] == [True, False]
    assert answer["holders"] == [True, True]
    assert answer["killed"]
    assert "[it did not end by SIGTERM, and was killed]" in answer["said"]


WHOLE_RUN = {
    "never": ("sleep 3600", "sleep 3600", "server was not ready after 0.3 s"),
    "floods": ("yes", "python -m http.server 4444", "client flooded its log"),
    "lacks": ("nosuchprogram", "python -m http.server 4444", "needs nosuchprogram"),
}


def test_other_probes_go_on_beside_tools_that_do_not_work(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("caddy", "unbound")
    options = []
    for name, (client, server, _) in WHOLE_RUN.items():
        server = server.replace("python", "${python}")
        text = broken(client, server).replace("within: 300ms}", "within: 10s}", 2)
        if name == "never":
            text = text.replace("within: 10s}", "within: 300ms}")
        (tmp_path / f"{name}.yaml").write_text(text)
        options += ["--tool", f"{name}.yaml"]
    command = [sys.executable, "-m", "filterlab.cli", "run", FIRST_STEPS]
    done = subprocess.run(
        [*command, *options, "--out", "out"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 3, f"{done.stdout}\n{done.stderr}"
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["faults"] == []
    assert all(check["met"] for check in result["expectations"])
    for name, (_, _, said) in WHOLE_RUN.items():
        tried = [p for p in result["probes"] if p["through"] == name]
        assert len(tried) == 4
        for attempt in tried:
            assert attempt["outcome"] == "unknown"
            assert said in attempt["steps"][0]["failure"]
