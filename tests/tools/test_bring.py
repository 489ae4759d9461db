"""What a command line may say of a tool, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.scenario.problem import BadInput
from filterlab.tools.bring import Commands, brought, loaded
from filterlab.tools.tool import Tool


def tool_of(commands: Commands) -> Tool:
    """The tool that these commands make."""
    (tool,) = loaded(brought([], commands))
    return tool


def refusal(commands: Commands) -> str:
    """What is said about these commands."""
    with pytest.raises(BadInput) as caught:
        brought([], commands)
    return caught.value.render()


def test_two_commands_are_a_server_and_a_client() -> None:
    tool = tool_of(Commands("far -p ${port}", "near -l 1080", socks="1080"))
    assert tool.name == "near"
    assert tool.port == (443, "tcp")
    assert tool.file.parts["server"].ready.tcp == 443
    assert tool.file.parts["client"].ready.tcp == 1080
    assert tool.file.parts["client"].after == ("server",)
    assert tool.enters.socks5 == ("127.0.0.1", 1080)


def test_a_server_alone_is_a_proxy_over_there() -> None:
    tool = tool_of(Commands("far -l 3128", port="3128/tcp", http="3128"))
    assert tool.roles == ["server", "client"]
    assert tool.enters.http == ("${server_address}", 3128)


def test_a_client_alone_has_no_server() -> None:
    tool = tool_of(Commands(client="near -l 53", dns="53"))
    assert tool.roles == ["client"]
    assert tool.port is None
    assert tool.file.parts["client"].ready.udp == 53


def test_a_tunnel_is_ready_once_its_interface_is_up() -> None:
    tool = tool_of(Commands("far", "near", "51820/udp", tun="wg0"))
    assert tool.file.parts["server"].ready.udp == 51820
    assert tool.file.parts["client"].ready.up == "wg0"


def test_programs_are_taken_from_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("near").write_text("#!/bin/sh\n")
    Path("near").chmod(0o755)
    tool = tool_of(Commands(client="./near --to '${client_address} x' $$", socks="1"))
    assert tool.given["client_program"] == str(tmp_path / "near")
    assert tool.given["here"] == str(tmp_path)


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        (Commands("far", "near"), "exactly one of --socks, --http, --tun and --dns"),
        (Commands("far", socks="1", tun="x"), "exactly one of --socks"),
        (Commands(socks="1080"), "--tool-server, --tool-client or both"),
        (Commands("far", port="443", socks="1"), "--tool-port is a port and its"),
        (Commands("./nosuch", socks="1"), "--tool-server: ./nosuch is no program"),
        (Commands("far 'x", socks="1"), "--tool-server has a quote that is not"),
        (Commands("far", socks="x"), "an address and a port"),
        (Commands("far -c /etc/x", socks="1"), "paths inside the run's folder only"),
        (Commands("far ${prot}", socks="1"), "did you mean 'port'?"),
    ],
)
def test_what_is_wrong_is_told(commands: Commands, said: str) -> None:
    assert said in refusal(commands)


def test_a_faulty_file_is_told_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("title: Mine\nprat: 1\n")
    with pytest.raises(BadInput, match=r"mine\.yaml:2:1: error: the file has no key"):
        brought([path], Commands())
