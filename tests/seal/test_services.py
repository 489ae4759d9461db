"""Real servers in the national topology: pages, names, and servers that died."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.lab.authority import Authority
from filterlab.lab.clock import wait_for
from filterlab.lab.network import Network
from filterlab.lab.processes import NotReady, Supervisor
from filterlab.lab.services import Services, ServiceSpec, start_services
from filterlab.lab.topology import load_topology

HOSTS = {
    "client": "isp1",
    "news": "abroad",
    "bank": "home",
    "dnshome": "home",
    "dnsabroad": "abroad",
}
WEB = ("http", "https", "h3")
DNS = ("dns", "dot", "doh")
SPOKEN = {
    "news": WEB,
    "bank": ("https", "iperf", "smtp", "smtps"),
    "dnshome": DNS,
    "dnsabroad": DNS,
}
HOUR = 3600  # a cached answer that outlives the test


class Country:
    """The network with services in two places."""

    def __init__(self, ttl_seconds: int = 5, only: str | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(dir="/run"))
        topo = load_topology("national")(
            hosts=HOSTS, delay_abroad_ms=0, delay_home_ms=0
        )
        self.network = Network(topo, self.folder, controller_port=None)
        self.network.up()
        for exchange in self.network.exchanges:
            self.network.plain_forwarding(exchange)
        self.authority = Authority(self.folder / "authority")
        self.supervisor = Supervisor(self.folder)
        self.services: Services = start_services(
            [
                self.spec(name, speaks)
                for name, speaks in SPOKEN.items()
                if only in (None, name) or name not in ("dnshome", "dnsabroad")
            ],
            self.authority,
            self.folder / "services",
            self.supervisor,
            ttl_seconds=ttl_seconds,
        )

    def spec(self, name: str, speaks: tuple[str, ...]) -> ServiceSpec:
        """The service on the host of that name."""
        node = self.network.node(name)
        return ServiceSpec(f"{name}.example", node, HOSTS[name], speaks, node.addresses)

    def client(self, *argv: str) -> str:
        """What a program on the client says."""
        done = self.network.node("client").run_in(list(argv), check=False)
        return done.stdout + done.stderr

    def curl(self, url: str, host: str, *options: str) -> str:
        """A page by its name, at a host's address."""
        name = url.split("/")[2]
        address = self.network.node(host).addresses[0]
        where = [f"{name}:{port}:{address}" for port in (80, 443)]
        resolve = [word for one in where for word in ("--resolve", one)]
        trust = ["--cacert", str(self.authority.ca_file)]
        return self.client("curl", "-sS", *trust, *resolve, *options, url)

    def ask(self, resolver: str, *question: str) -> str:
        """The short answer of a resolver."""
        at = "@" + self.network.node(resolver).addresses[0]
        return self.client("dig", "+short", "+tries=1", at, *question).strip()

    def status(self, resolver: str, name: str) -> str:
        """The status of a resolver's answer."""
        at = "@" + self.network.node(resolver).addresses[0]
        said = self.client("dig", "+tries=1", at, name)
        return said.partition("status: ")[2].partition(",")[0]


def visit() -> dict[str, Any]:
    country = Country()
    version = ("-o", "/dev/null", "-w", "%{http_version}")
    news4, news6 = country.network.node("news").addresses
    return {
        "plain": country.curl("http://news.example/", "news"),
        "secure": country.curl("https://news.example/", "news"),
        "versions": [
            country.curl("https://news.example/", "news", "--http1.1", *version),
            country.curl("https://news.example/", "news", "--http2", *version),
        ],
        "other name": country.curl("https://other.example/", "news"),
        "object": country.curl(
            "http://news.example/bytes/1m",
            "news",
            "-o",
            "/dev/null",
            "-w",
            "%{size_download}",
        ),
        "alt-svc": country.curl("https://news.example/", "news", "-I"),
        "alive": {
            name: country.services.alive(name) for name in country.services.names
        },
        "endpoints": country.services.endpoints("news.example"),
        "expected": [
            (transport, address, port)
            for transport, port in (("tcp", 80), ("tcp", 443), ("udp", 443))
            for address in (news4, news6)
        ],
        "logs": sorted(path.name for path in country.supervisor.logs.iterdir()),
    }


def test_pages_come_over_each_protocol(
    in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("caddy", "unbound", "iperf3", "curl")
    answer = in_seal(visit)
    assert "<title>news.example</title>" in answer["plain"]
    assert "<title>news.example</title>" in answer["secure"]
    assert answer["versions"] == ["1.1", "2"]
    assert "SSL" in answer["other name"]
    assert answer["object"] == str(1 << 20)
    assert 'h3=":443"' in answer["alt-svc"]
    assert answer["alive"] == {f"{name}.example": True for name in SPOKEN}
    assert answer["endpoints"] == answer["expected"]
    assert "news.example_caddy.log" in answer["logs"]


def resolve() -> dict[str, Any]:
    country = Country()
    addresses = {name: country.network.node(name).addresses for name in SPOKEN}
    return {
        "addresses": addresses,
        "own": country.ask("dnshome", "bank.example"),
        "recursed": country.ask("dnshome", "news.example"),
        "recursed v6": country.ask("dnshome", "news.example", "AAAA"),
        "back": country.ask("dnsabroad", "bank.example"),
        "resolver": country.ask("dnshome", "dnsabroad.example"),
        "nothing": [
            country.status("dnshome", name)
            for name in ("nosuch.example", "a.news.example", "www.iana.org", ".")
        ],
    }


def test_resolvers_know_their_own_and_ask_each_other(
    in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("caddy", "unbound", "iperf3", "dig")
    answer = in_seal(resolve)
    addresses = answer["addresses"]
    assert answer["own"] == addresses["bank"][0]
    assert answer["recursed"] == addresses["news"][0]
    assert answer["recursed v6"] == addresses["news"][1]
    assert answer["back"] == addresses["bank"][0]
    assert answer["resolver"] == addresses["dnsabroad"][0]
    assert answer["nothing"] == ["NXDOMAIN"] * 4


def resolve_cut_off() -> list[str]:
    country = Country(ttl_seconds=HOUR)
    cached = country.ask("dnshome", "news.example")
    process = country.services["dnsabroad.example"].processes[0]
    os.kill(process.pid, signal.SIGKILL)
    wait_for("its end", lambda: not process.alive, 5)
    return [
        cached,
        country.ask("dnshome", "news.example"),
        country.ask("dnshome", "dnsabroad.example"),
        *(death.name for death in country.supervisor.died()),
    ]


def test_recursion_is_real_and_answers_are_cached(
    in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("caddy", "unbound", "iperf3", "dig")
    first, again, uncached, died = in_seal(resolve_cut_off)
    assert first
    assert again == first
    assert "198.18." not in uncached
    assert died == "dnsabroad.example unbound"


def resolve_alone() -> list[str]:
    country = Country(only="dnshome")
    return [country.ask("dnshome", name) for name in ("bank.example", "news.example")]


def test_a_lone_resolver_answers_for_everything(
    in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("caddy", "unbound", "iperf3", "dig")
    assert all(in_seal(resolve_alone))


def injure() -> dict[str, Any]:
    country = Country()
    services = country.services
    news, resolver = services["news.example"], services["dnsabroad.example"]
    os.kill(news.processes[0].pid, signal.SIGSTOP)
    os.kill(resolver.processes[0].pid, signal.SIGSTOP)
    answer = {"suspended": [services.alive(one.spec.name) for one in (news, resolver)]}
    answer["no death"] = [str(death) for death in country.supervisor.died()]
    os.kill(news.processes[0].pid, signal.SIGKILL)
    wait_for("its end", lambda: not news.processes[0].alive, 5)
    answer["killed"] = [services.alive(name) for name in services.names]
    answer["deaths"] = [death.why for death in country.supervisor.died()]
    country.supervisor.stop_all()
    answer["left"] = [one.name for one in country.supervisor.processes if one.alive]
    return answer


def test_a_dead_or_suspended_server_is_known(
    in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("caddy", "unbound", "iperf3")
    answer = in_seal(injure)
    assert answer["suspended"] == [False, False]
    assert answer["no death"] == []
    assert answer["killed"] == [False, True, True, False]
    assert answer["deaths"] == ["was ended by SIGKILL"]
    assert answer["left"] == []


def start_twice() -> str:
    country = Country()
    try:
        start_services(
            [country.spec("news", ("http",))],
            country.authority,
            country.folder / "again",
            country.supervisor,
        )
    except NotReady as error:
        return str(error)
    return "nothing was refused"


def test_a_port_in_use_on_a_host_is_named(
    in_seal: Callable[..., Any], needs: Callable[..., None]
) -> None:
    needs("caddy", "unbound", "iperf3")
    said = in_seal(start_twice)
    assert "news.example caddy needs port 80/tcp, in use on news" in said
