"""Each tool fetches a page through the national topology, and really goes its own way.

Counters in every router say what crossed: to the tool's hosts something, and to the
web server itself (or the resolver, for a tool that resolves names) nothing. A tool
that is all on the client goes to the web server directly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from filterlab.lab.processes import NotReady
from filterlab.probes.launcher import Launcher
from filterlab.probes.request import ProbeRequest
from filterlab.probes.said import addresses_said
from filterlab.scenario.content import tools
from filterlab.tools.running import RunningTool
from filterlab.tools.tool import Tool, load_tool
from tests.seal.country import WEB, Country

PAGE = f"This is {WEB}"
TOOLS = tools()


def what_it_is_asked(country: Country, running: RunningTool) -> dict[str, Any]:
    """What came through the tool, by its kind of entry: all must be as it should."""
    tool = country.tool
    assert tool is not None
    if tool.enters.program is not None:
        return asked_of_program(country, running, tool)
    if tool.enters.dns is not None:
        return names_through(country, running)
    return {"pages": [country.fetch(u, running.via) for u in urls(country, tool)]}


def urls(country: Country, tool: Tool) -> list[str]:
    """The pages that this kind of tool must bring."""
    by_name = f"https://{WEB}/"
    if not country.roles:  # it may do something to TLS only
        return [by_name]
    if tool.enters.transparent is not None:  # its port may listen on IPv4 only
        return [by_name, country.pages()[0]]
    return [by_name, *country.pages()]


def asked_of_program(
    country: Country, running: RunningTool, tool: Tool
) -> dict[str, Any]:
    """What a tool says that is a program itself."""
    answer: dict[str, Any] = {"said": []}
    program = tool.enters.program
    assert program is not None
    if program.fetch is not None:
        said = running.ask(program.fetch, 20.0, url=f"https://{WEB}/", name=WEB)
        answer["pages"] = [said.out.decode()]
        answer["said"].append([said.status, said.complaints])
    if program.resolve is not None:
        said = running.ask(program.resolve, 20.0, name=WEB)
        answer["names"] = addresses_said(said.out.decode())
        answer["said"].append([said.status, said.complaints])
    return answer


def names_through(country: Country, running: RunningTool) -> dict[str, Any]:
    """What a tool answers that is a resolver, asked by a probe as in a run."""
    request = ProbeRequest(
        "fetch",
        f"https://{WEB}/",
        resolver=f"udp://{running.via.host}:{running.via.port}",
        ca_file=str(country.authority.ca_file),
    )
    with Launcher() as launcher:
        result = launcher.submit(request, country["client"].pid).result()
    return {
        "names": result.answers,
        "pages": [PAGE if result.reached else result.failure],
    }


def through(name: str) -> dict[str, Any]:
    country = Country(load_tool(TOOLS[name]))
    for target in ("web", "dns", *country.roles):
        country.count("client", target)
    country.watch_strays()
    before = country.routes()
    running = country.start()
    answer = what_it_is_asked(country, running)
    answer |= {
        "direct": country.counted("web"),
        "asked": country.counted("dns"),
        "tunnelled": sum(country.counted(role) for role in country.roles),
        "died": [str(death) for death in country.supervisor.died()],
    }
    running.stop()
    answer["running"] = [process.alive for process in running.processes]
    answer["routes"] = [before, country.routes()]
    again = country.start("again")
    answer["again"] = what_it_is_asked(country, again)
    again.stop()
    answer["strays"] = country.strays()
    answer["addresses"] = list(country["web"].addresses)
    return answer


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_traffic_comes_through_the_tool_and_no_other_way(
    name: str, in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    tool = load_tool(TOOLS[name])
    needs("curl", "caddy", "unbound", tool=tool)
    answer = in_seal(through, name)
    for came in (answer, answer["again"]):
        assert all(PAGE in page for page in came.get("pages", [])), answer
        assert set(came.get("names", [])) <= set(answer["addresses"]), answer
        assert came.get("pages") or came.get("names"), answer
    assert_way(tool, answer)
    assert answer["died"] == []
    assert not any(answer["running"])
    before, after = answer["routes"]
    assert after == before
    assert answer["strays"] == {}


def assert_way(tool: Tool, answer: dict[str, Any]) -> None:
    """The packets went where this kind of tool sends them."""
    if tool.roles == ["client"]:
        assert answer["direct"] > 0
        return
    assert answer["tunnelled"] > 0
    if tool.enters.dns is not None or tool.enters.program is not None:
        assert answer["asked"] == 0
    else:
        assert answer["direct"] == 0


def without_a_tool() -> list[Any]:
    country = Country()
    country.count("client", "web")
    country.watch_strays()
    page = country.fetch(country.pages()[0])
    strays = country.strays()
    # The documentation's own network (RFC 5737), which is nobody's in the lab.
    country["client"].run_in(["ping", "-c1", "-W1", "192.0.2.1"], check=False)
    return [page, country.counted("web"), strays, country.strays()]


def test_without_a_tool_the_counters_count(
    in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("curl", "caddy", "unbound", "ping")
    page, packets, none, one = in_seal(without_a_tool)
    assert PAGE in page
    assert packets > 0
    assert none == {}
    assert one == {"client iptables": 1}


def two_on_one_port() -> str:
    country = Country(load_tool(TOOLS["shadowsocks"]))
    try:
        for client in ("client", "other"):
            country.start(client, client)
    except NotReady as error:
        return str(error)
    return "nothing was refused"


def test_two_tools_on_one_port_of_one_host_are_refused(
    in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("caddy", "unbound", "ss-server")
    assert "needs port 8388/tcp, in use on server" in in_seal(two_on_one_port)
