"""Each tool fetches a page through the national topology, and really goes its own way.

Counters in every router say what crossed: nothing from the client to the web server
itself, but something to the tool's server.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.authority import Authority
from filterlab.lab.network import LabNode, Network
from filterlab.lab.processes import NotReady, Supervisor
from filterlab.lab.services import ServiceSpec, start_services
from filterlab.lab.topology import load_topology
from filterlab.scenario.content import tools
from filterlab.tools.running import Entry, start_tool
from filterlab.tools.tool import load_tool

HOSTS = {"client": "isp1", "server": "abroad", "web": "abroad", "other": "isp1"}
PAGE = "This is web.example"
TOOLS = tools()


class Country:
    """The network with a web server abroad, and counters in its routers."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        topo = load_topology("national")(
            hosts=HOSTS, delay_abroad_ms=0, delay_home_ms=0
        )
        self.network = Network(topo, self.folder, controller_port=None)
        self.network.up()
        for exchange in self.network.exchanges:
            self.network.plain_forwarding(exchange)
        self.authority = Authority(self.folder / "authority")
        self.supervisor = Supervisor(self.folder)
        web = self["web"]
        spec = ServiceSpec(
            "web.example", web, "abroad", ("http", "https"), web.addresses
        )
        start_services(
            [spec], self.authority, self.folder / "services", self.supervisor
        )

    def __getitem__(self, name: str) -> LabNode:
        return self.network.node(name)

    def count(self, source: str, target: str) -> None:
        """Count in every router what goes from one host to another."""
        for router in self.network.names("router"):
            for start, end in zip(
                self[source].addresses, self[target].addresses, strict=True
            ):
                table = "ip6tables" if ":" in start else "iptables"
                argv = [table, "-w", "-A", "FORWARD", "-s", start, "-d", end]
                self[router].run_in(argv)

    def counted(self, target: str) -> int:
        """The packets counted on their way to a host, in all routers."""
        packets = 0
        for router in self.network.names("router"):
            for address in self[target].addresses:
                table = "ip6tables" if ":" in address else "iptables"
                said = self[router].run_in([table, "-w", "-nvxL", "FORWARD"]).stdout
                for line in said.splitlines():
                    if re.search(rf"\s{re.escape(address)}(/\d+)?\s*$", line):
                        packets += int(line.split()[0])
        return packets

    def routes(self) -> str:
        """The client's routes of both families."""
        shown = [["ip", "-4", "route"], ["ip", "-6", "route"]]
        return "".join(self["client"].run_in(argv).stdout for argv in shown)

    def reachable(self, target: str) -> list[str]:
        """The addresses that the client has a route to; a tunnel may lack IPv6."""
        return [
            address
            for address in self[target].addresses
            if self["client"]
            .run_in(["ip", "route", "get", address], check=False)
            .stdout
        ]

    def fetch(self, address: str, via: Entry | None = None) -> str:
        """The page at an address, or what curl says instead."""
        host = f"[{address}]" if ":" in address else address
        argv = ["curl", "-sS", "--max-time", "10", f"http://{host}/"]
        if via is not None and via.kind == "socks5":
            argv += ["--proxy", f"socks5h://{via.host}:{via.port}"]
        if via is not None and via.kind == "http":
            argv += ["--proxy", f"http://{via.host}:{via.port}", "--proxytunnel"]
        done = self["client"].run_in(argv, check=False)
        return done.stdout + done.stderr


def fetch_through(name: str) -> dict[str, Any]:
    country = Country()
    country.count("client", "web")
    country.count("client", "server")
    hosts = {"client": country["client"], "server": country["server"]}
    routes = country.routes()
    running = start_tool(
        load_tool(TOOLS[name]),
        hosts,
        country.authority,
        country.folder / "tool",
        country.supervisor,
    )
    answer = {
        "pages": [country.fetch(one, running.via) for one in country.reachable("web")],
        "direct": country.counted("web"),
        "tunnelled": country.counted("server"),
        "died": [str(death) for death in country.supervisor.died()],
    }
    running.stop()
    answer["running"] = [process.alive for process in running.processes]
    answer["routes"] = [routes, country.routes()]
    again = start_tool(
        load_tool(TOOLS[name]),
        hosts,
        country.authority,
        country.folder / "again",
        country.supervisor,
    )
    answer["again"] = country.fetch(country["web"].addresses[0], again.via)
    return answer


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_a_page_comes_through_the_tool_and_no_other_way(
    name: str, in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("curl", "caddy", *load_tool(TOOLS[name]).file.needs)
    answer = in_seal(fetch_through, name)
    assert answer["pages"], answer
    assert all(PAGE in page for page in answer["pages"]), answer
    assert answer["direct"] == 0
    assert answer["tunnelled"] > 0
    assert answer["died"] == []
    assert not any(answer["running"])
    before, after = answer["routes"]
    assert after == before
    assert PAGE in answer["again"]


def fetch_without_a_tool() -> list[Any]:
    country = Country()
    country.count("client", "web")
    page = country.fetch(country["web"].addresses[0])
    return [page, country.counted("web")]


def test_without_a_tool_the_counters_count(
    in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("curl", "caddy")
    page, packets = in_seal(fetch_without_a_tool)
    assert PAGE in page
    assert packets > 0


def two_at_once(name: str) -> list[str]:
    country = Country()
    pages = []
    tool = load_tool(TOOLS[name])
    for client in ("client", "other"):
        start_tool(
            tool,
            {"client": country[client], "server": country["server"]},
            country.authority,
            country.folder / client,
            country.supervisor,
            label=f"{name} of {client}",
        )
        pages.append(country.fetch(country["web"].addresses[0]))
    return pages


def test_two_tools_on_one_port_of_one_host_are_refused(
    in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("caddy", "ss-server")
    refusal = in_seal(refused_start)
    assert "needs port 8388/tcp, in use on server" in refusal


def refused_start() -> str:
    try:
        two_at_once("shadowsocks")
    except NotReady as error:
        return str(error)
    return "nothing was refused"


def start_broken(text: str) -> dict[str, Any]:
    country = Country()
    path = country.folder / "broken.yaml"
    path.write_text(text)
    hosts = {"client": country["client"], "server": country["server"]}
    folder = country.folder / "tool"
    answer: dict[str, Any] = {"error": ""}
    try:
        start_tool(
            load_tool(path), hosts, country.authority, folder, country.supervisor
        )
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
        ("sleep 3600", "sleep 3600", "broken server was not ready after 0.2 s"),
        ("sleep 3600", "ls /nosuch", "broken server left with status"),
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
