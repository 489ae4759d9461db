"""Tools that do not work: each says so in its time, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from filterlab.lab.processes import NotReady
from filterlab.tools.tool import load_tool
from tests.seal.country import Country


def start_broken(text: str) -> dict[str, Any]:
    country = Country()
    path = country.folder / "broken.yaml"
    path.write_text(text)
    country.tool = load_tool(path)
    answer: dict[str, Any] = {"error": ""}
    try:
        country.start()
    except NotReady as error:
        answer["error"] = str(error)
    answer["left"] = [
        process.name
        for process in country.supervisor.processes
        if process.alive and process.name.startswith("broken")
    ]
    return answer


BROKEN = """
title: A tool that does not work
port: 1080/tcp
parts:
  server: {on: server, start: sleep 3600, ready: {tcp: 4444}, within: 200ms}
  client: {on: client, start: CLIENT, ready: {tcp: 1080}, within: 200ms}
enters: {socks5: 127.0.0.1:1080}
"""


@pytest.mark.parametrize(
    ("client", "server", "said"),
    [
        ("sleep 3600", "sleep 3600", "broken-tool server was not ready after 0.2 s"),
        ("sleep 3600", "ls /nosuch", "broken-tool server left with status"),
        ("sh -c 'trap : TERM; sleep 3600'", "yes", "flooded its log"),
        ("sleep 3600", "nosuchprogram", "nosuchprogram"),
    ],
)
def test_a_tool_that_does_not_start_says_why_and_leaves_nothing(
    in_seal: Callable[..., Any], client: str, server: str, said: str
) -> None:
    text = BROKEN.replace("CLIENT", f'"{client}"').replace(
        "start: sleep 3600,", f'start: "{server}",', 1
    )
    text = text.replace("/nosuch", "nosuch")
    if server == "yes":
        text = text.replace("within: 200ms", "within: 10s")
    answer = in_seal(start_broken, text)
    assert said in answer["error"]
    assert answer["left"] == []
