"""`filterlab matrix` with real tools: what its cells say, and how it ends."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.clock import wait_for
from tests.seal.matrices import WITHIN_SECONDS, Matrix, lines

ROOT = Path(__file__).parents[2]
TOOLS = "shadowsocks,http-proxy,openvpn-udp"
TSPU, GFW = "ru-2022-tspu-sni", "cn-sni-rst"
SLOW = "by-2020-throttle"
SOCKS_TOOL = """\
title: A tool of the test's own
port: 8388/tcp
parts:
  server: {on: server, start: %s, ready: %s}
  client: {on: client, start: %s, ready: {tcp: 1080}}
enters: {socks5: "127.0.0.1:1080"}
"""
LISTENS = "socat TCP-LISTEN:%d,fork,reuseaddr EXEC:cat"


@pytest.fixture
def matrix(
    needs: Callable[..., None], tmp_path: Path
) -> Iterator[Callable[..., Matrix]]:
    """Start matrices; what is left of them ends with the test."""
    needs("ss-server", "tinyproxy", "openvpn")
    started: list[Matrix] = []

    def start(*arguments: str, **options: Any) -> Matrix:
        options.setdefault("folder", tmp_path)
        started.append(Matrix(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def test_cells_that_share_a_network_say_what_they_say_alone(
    matrix: Callable[..., Matrix], tmp_path: Path
) -> None:
    both = [
        matrix("--tools", TOOLS, "--policies", f"{TSPU},{GFW}", "--out", out, *more)
        for out, more in (("shared", ()), ("alone", ("--alone",)))
    ]
    said = [one.ends() for one in both]
    assert [status for status, _, _ in said] == [0, 0], said
    shared, alone = (
        {
            one["id"]: (one["word"], one["how"], one["failure"], one["rule"])
            for one in lines(tmp_path / out)
        }
        for out in ("shared", "alone")
    )
    assert shared == alone
    word, _, _, rule = shared[f"matrix::http-proxy::{TSPU}"]
    assert word == "blocked"
    assert "ru-2022-tspu-sni.yaml:" in rule
    assert shared[f"matrix::shadowsocks::{TSPU}"][0] == "works"
    assert any(one["beside"] for one in lines(tmp_path / "shared"))
    assert not any(one["beside"] for one in lines(tmp_path / "alone"))
    # Each has the evidence: the frame of a capture on which it was decided.
    for one in lines(tmp_path / "shared"):
        folder = tmp_path / "shared" / one["folder"]
        assert (folder / "scenario.yaml").is_file()
        assert one["untooled"]["reached"] is False
        if one["word"] == "blocked":
            assert one["frame"] > 0
            assert (folder / one["capture"]).is_file()
            assert one["after_seconds"] == 0


def test_a_killed_matrix_goes_on_where_it_was(
    matrix: Callable[..., Matrix], tmp_path: Path
) -> None:
    words = ["--tools", "shadowsocks,http-proxy", "--policies", f"{TSPU},{GFW}"]
    words += ["--alone", "--workers", "1", "--out", "evidence"]
    first = matrix(*words)
    first.comes_to("::")
    assert first.alive()
    first.process.kill()
    first.ends()
    wait_for("the end of all", lambda: not first.alive(), WITHIN_SECONDS)
    before = lines(tmp_path / "evidence")
    assert 0 < len(before) < 4
    status, _, told = matrix(*words).ends()
    assert status == 0, told
    assert told.count("known before") == len(before)
    after = lines(tmp_path / "evidence")
    assert len(after) == 4
    assert after[: len(before)] == before


def test_ended_by_a_signal_it_can_go_on_and_leaves_no_process(
    matrix: Callable[..., Matrix], tmp_path: Path
) -> None:
    words = ["--tools", TOOLS, "--policies", f"{TSPU},{GFW}", "--alone"]
    one = matrix(*words, "--workers", "1", "--out", "evidence")
    one.comes_to("::")
    one.process.send_signal(signal.SIGINT)
    status, said, told = one.ends()
    assert status == 128 + signal.SIGINT
    assert "with --out evidence goes on from here" in told
    assert "Traceback" not in said + told
    wait_for("the end of all", lambda: not one.alive(), WITHIN_SECONDS)
    assert all(
        line["word"] != "could not tell" for line in lines(tmp_path / "evidence")
    )


BAD = {
    "never-ready": ("sleep 1000", "{tcp: 8388}", LISTENS % 1080),
    "leaves-early": (LISTENS % 8388, "{tcp: 8388}", "false"),
    "floods": ("yes filled", "{tcp: 8388}", LISTENS % 1080),
    "forks": (
        "sh -c 'setsid sleep 1000 & setsid sleep 1000 & exec sleep 1000'",
        "{tcp: 8388}",
        LISTENS % 1080,
    ),
    "ignores": ("""sh -c "trap '' TERM; while :; do sleep 1; done" """, "{tcp: 8388}",
                LISTENS % 1080),
}  # fmt: skip


def test_bad_tools_are_told_and_the_others_go_on(
    matrix: Callable[..., Matrix], needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("socat")
    files: list[str] = []
    for name, (server, ready, client) in BAD.items():
        file = tmp_path / f"{name}.yaml"
        quoted = [json.dumps(part) for part in (server.strip(), client)]
        file.write_text(SOCKS_TOOL % (quoted[0], ready, quoted[1]))
        files += ["--tool", str(file)]
    words = ["--tools", "shadowsocks", *files, "--policies", GFW, "--json"]
    one = matrix(*words, "--time-limit", "40", "--out", "evidence")
    told = one.words()
    assert told.pop(f"matrix::shadowsocks::{GFW}") == "works"
    assert set(told.values()) == {"could not tell"}
    assert len(told) == len(BAD)
    why = {line["cell"]["tool"]: line["why"] for line in lines(tmp_path / "evidence")}
    assert "was not ready" in why["never-ready"]
    assert "status 1" in why["leaves-early"]
    assert "flooded its log" in why["floods"]
    wait_for("the end of all", lambda: not one.alive(), WITHIN_SECONDS)


def test_tools_of_ones_own_with_a_file_and_without_work_or_are_slow(
    matrix: Callable[..., Matrix], tmp_path: Path
) -> None:
    shipped = (ROOT / "scenarios" / "tools" / "shadowsocks.yaml").read_text()
    theirs = "start: ss-server -c server.json"
    assert theirs in shipped
    mine = shipped.replace(theirs, 'start: "${here}/far -c server.json"')
    (tmp_path / "mine.yaml").write_text(mine)
    found = shutil.which("ss-server")
    assert found is not None
    shutil.copy(found, tmp_path / "far")
    ends = "-s ${server_address} -p ${port} -k secret -m aes-256-gcm"
    words = ["--tool", "mine.yaml", "--tool-server", f"./far {ends}"]
    words += ["--tool-client", f"ss-local {ends} -b 127.0.0.1 -l 1080"]
    words += ["--socks", "1080", "--policies", f"{GFW},{SLOW}", "--json"]
    told = matrix(*words, "--out", "evidence").words()
    tools = ("mine", "ss-local")
    assert told == {f"matrix::{tool}::{GFW}": "works" for tool in tools} | {
        f"matrix::{tool}::{SLOW}": "slow" for tool in tools
    }
    slow = [one for one in lines(tmp_path / "evidence") if one["word"] == "slow"]
    assert [one["rule"].rpartition(" ")[2] for one in slow] == ['"abroad"'] * 2


def test_a_cell_that_takes_too_long_is_ended(
    matrix: Callable[..., Matrix], tmp_path: Path
) -> None:
    words = ["--tools", "shadowsocks", "--policies", GFW, "--json"]
    one = matrix(*words, "--time-limit", "1", "--out", "evidence")
    assert one.words() == {f"matrix::shadowsocks::{GFW}": "could not tell"}
    [line] = lines(tmp_path / "evidence")
    assert line["why"] == "it took longer than 1 s, and was ended"
    assert not one.alive()


LATE = """\
title: Blocks a server a second after it was seen
sure: assumed
position: residual
stack: segment
rules:
  - name: late
    when: {tcp.dstport: 8388, tcp.payload: "*"}
    then: drop
    residual: {key: 3-tuple, seconds: 60, onset: 1s}
"""


# A client that leaves if it cannot reach its server.
FRAIL = (
    "  client: {on: client, start: ss-local -c client.json, ready: {tcp: 1080}}",
    """\
  client:
    on: client
    start: >-
      sh -c "timeout 1 bash -c ': > /dev/tcp/${server_address}/8388' || exit 7;
      exec ss-local -c client.json"
    ready: {tcp: 1080}""",
)


def test_a_lag_is_waited_for_and_told(
    matrix: Callable[..., Matrix], tmp_path: Path
) -> None:
    """A block that begins a second after what it is for: the first try gets through.

    One client leaves because of it, and its cell says so: it stayed with no policy.
    """
    policy = tmp_path / "late.yaml"
    policy.write_text(LATE)
    shipped = (ROOT / "scenarios" / "tools" / "shadowsocks.yaml").read_text()
    (tmp_path / "frail.yaml").write_text(shipped.replace(*FRAIL))
    words = ["--tools", "shadowsocks", "--tool", "frail.yaml"]
    words += ["--policies", str(policy), "--json", "--out", "evidence"]
    assert set(matrix(*words).words().values()) == {"blocked"}
    found = {one["cell"]["tool"]: one for one in lines(tmp_path / "evidence")}
    for line in found.values():
        assert line["after_seconds"] == 1.0
        assert line["rule"].endswith('"late"')
    assert found["frail"]["how"] == "client left"
    assert "the client left with status 7 before it was ready" in found["frail"]["why"]


def test_the_commit_that_lost_a_cell_is_found(
    matrix: Callable[..., Matrix], tmp_path: Path
) -> None:
    """A tool whose client goes out on another port from its second commit on."""
    folder = tmp_path / "toy"
    folder.mkdir()

    def git(*words: str) -> str:
        author = ["-c", "user.name=Toy", "-c", "user.email=toy@toy.example"]
        command = ["git", "-C", str(folder), *author, *words]
        return subprocess.check_output(command, text=True).strip()

    git("init", "--quiet", "--initial-branch", "main")
    commits = []
    for number, port in enumerate((8443, 8388, 8388)):
        (folder / "port").write_text(f"{port}\n")
        (folder / "note").write_text(f"{number}\n")
        git("add", ".")
        git("commit", "--quiet", "-m", f"commit {number}")
        commits.append(git("rev-parse", "HEAD"))
    shipped = (ROOT / "scenarios" / "tools" / "shadowsocks.yaml").read_text()
    # The build makes the tool's file, as another one makes its program.
    (tmp_path / "template.yaml").write_text(shipped)
    (tmp_path / "mine.yaml").write_text(shipped)
    build = f"sed s/8388/$(cat {folder}/port)/g template.yaml > mine.yaml"
    policy = tmp_path / "no-8388.yaml"
    policy.write_text(
        "title: One port\nsure: assumed\nposition: in_path\nrules:\n"
        "  - {name: port, when: {tcp.dstport: 8388}, then: drop}\n"
    )
    words = ["--tool", "mine.yaml", "--policies", str(policy), "--bisect", build]
    words += ["--good", commits[0], "--bad", "main", "--repo", str(folder)]
    one = matrix(*words, "--workers", "1", "--json")
    status, said, told = one.ends()
    assert status == 0, told
    found = json.loads(said)
    assert found["commit"] == commits[1]
    assert found["cells"] == ["matrix::mine::no-8388"]
    assert git("rev-parse", "HEAD") == commits[-1]
    assert git("branch", "--show-current") == "main"
    assert git("status", "--porcelain") == ""


def test_a_server_that_the_prober_confirmed_is_exposed(
    matrix: Callable[..., Matrix], tmp_path: Path
) -> None:
    policy = ROOT / "tests" / "seal" / "scenarios" / "policies" / "prober.yaml"
    words = ["--tools", "http-proxy,wireguard", "--policies", str(policy), "--json"]
    told = matrix(*words, "--out", "evidence").words()
    assert told == {
        "matrix::http-proxy::prober": "exposed",
        "matrix::wireguard::prober": "works",
    }
    exposed = next(one for one in lines(tmp_path / "evidence") if one["how"] != "works")
    assert exposed["after_seconds"] == 300.0
    assert exposed["rule"].endswith('"suspects"')
