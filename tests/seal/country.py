"""The national network with a web server abroad, as sealed tests of tools need it.

Every role of a tool but the client's has a host of its own. Counters in every router
say what crossed between two hosts; counters in every host and router, what was sent
to an address that is not the lab's.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from filterlab.lab.authority import Authority
from filterlab.lab.network import LabNode, Network
from filterlab.lab.processes import Supervisor
from filterlab.lab.services import ServiceSpec, start_services
from filterlab.lab.topology import load_topology
from filterlab.probes.request import HttpProxy, Socks
from filterlab.tools.running import Entry, RunningTool, start_tool
from filterlab.tools.tool import Tool

WEB = "web.example"
HOSTS = {"client": "isp1", "web": "abroad", "dns": "abroad", "other": "isp1"}
# Design, section 4; what never leaves a link (RFC 4861; RFC 4291, 2.5.6, 2.7); and the
# private addresses inside the tools' tunnels (RFC 1918, RFC 4193): the last answers to
# a tunnel that has just gone find no interface there and take the default route.
_OURS = {
    "iptables": (
        *("100.64.0.0/10", "198.18.0.0/15", "203.0.113.0/24"),
        *("127.0.0.0/8", "10.0.0.0/8"),
    ),
    "ip6tables": ("2001:db8::/32", "::1/128", "fe80::/10", "ff02::/16", "fd00::/8"),
}


class Country:
    """The network, its web server and resolver, and a tool's hosts."""

    def __init__(self, tool: Tool | None = None) -> None:
        # /run of a seal is its own, and goes with it.
        self.folder = Path(tempfile.mkdtemp(dir="/run"))
        self.tool = tool
        places = dict(HOSTS)
        for role in self.roles or ["server"]:
            places[role] = tool.file.places.get(role, "abroad") if tool else "abroad"
        topo = load_topology("national")(
            hosts=places, delay_abroad_ms=0, delay_home_ms=0
        )
        self.network = Network(topo, self.folder, controller_port=None)
        self.network.up()
        for exchange in self.network.exchanges:
            self.network.plain_forwarding(exchange)
        self.resolver = self["dns"].addresses[0]
        for name in places:
            self.network.set_resolver(name, [self.resolver])
        self.authority = Authority(self.folder / "authority")
        self.supervisor = Supervisor(self.folder)
        start_services(
            [self._spec(WEB, "web", "http", "https", "h3"), self._dns()],
            self.authority,
            self.folder / "services",
            self.supervisor,
        )

    def _dns(self) -> ServiceSpec:
        return self._spec("dns.example", "dns", "dns")

    def _spec(self, name: str, node: str, *speaks: str) -> ServiceSpec:
        host = self[node]
        return ServiceSpec(name, host, "abroad", speaks, tuple(host.addresses))

    def __getitem__(self, name: str) -> LabNode:
        return self.network.node(name)

    @property
    def roles(self) -> list[str]:
        """The roles of the tool that have hosts of their own."""
        return [r for r in self.tool.roles if r != "client"] if self.tool else []

    def start(self, name: str = "tool", client: str = "client") -> RunningTool:
        """Start the tool, in a folder of that name."""
        assert self.tool is not None
        return start_tool(
            self.tool,
            {"client": self[client], **{role: self[role] for role in self.roles}},
            self.authority,
            self.folder / name,
            self.supervisor,
            label=f"{self.tool.name}-{name}",
            resolver=self.resolver,
        )

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

    def watch_strays(self) -> None:
        """Count in every host and router what leaves for an address not the lab's.

        What a tunnel's interface takes is not on a wire yet, so the interfaces that
        are there now are those watched.
        """
        for name in self._watched():
            shown = self[name].run_in(["ip", "-o", "link"]).stdout
            interfaces = re.findall(r"^\d+: ([^:@]+)", shown, re.MULTILINE)
            lines = []
            for table, ours in _OURS.items():
                lines.append(f"{table} -w -N STRAY")
                lines += [f"{table} -w -A STRAY -d {one} -j RETURN" for one in ours]
                lines.append(f"{table} -w -A STRAY -j DROP")
                for chain in ("OUTPUT", "FORWARD"):
                    lines += [
                        f"{table} -w -I {chain} -o {one} -j STRAY"
                        for one in interfaces
                        if one != "lo"
                    ]
            self[name].run_in(["sh", "-e", "-c", "\n".join(lines)])

    def strays(self) -> dict[str, int]:
        """How many packets went astray, by the host or router that sent them."""
        found = {}
        for name in self._watched():
            for table in _OURS:
                said = self[name].run_in([table, "-w", "-nvxL", "STRAY"]).stdout
                (dropped,) = re.findall(r"^ *(\d+) +\d+ +DROP", said, re.MULTILINE)
                if int(dropped):
                    found[f"{name} {table}"] = int(dropped)
        return found

    def _watched(self) -> list[str]:
        return ["client", *self.roles, *self.network.names("router")]

    def routes(self) -> str:
        """The client's routes of both families, and what it does to packets."""
        shown = [["ip", "-4", "route"], ["ip", "-6", "route"], ["iptables-save"]]
        said = "".join(self["client"].run_in(argv).stdout for argv in shown)
        # Counters and comments change; tables that were looked at appear.
        return re.sub(r"^(#|\*|:|COMMIT).*\n", "", said, flags=re.MULTILINE)

    def fetch(self, url: str, via: Entry | None = None) -> str:
        """The page at a URL, or what curl says instead."""
        argv = ["curl", "-sS", "--max-time", "10"]
        argv += ["--cacert", str(self.authority.ca_file), url]
        proxy = proxy_of(via)
        if isinstance(proxy, Socks):
            argv += ["--proxy", f"socks5h://{proxy.host}:{proxy.port}"]
        if isinstance(proxy, HttpProxy):
            argv += ["--proxy", f"http://{proxy.host}:{proxy.port}", "--proxytunnel"]
        done = self["client"].run_in(argv, check=False)
        return done.stdout + done.stderr

    def pages(self) -> list[str]:
        """The page's URL at each address of the web server, IPv4 first.

        Without those that the client has no route to: a tunnel may lack IPv6.
        """
        return [
            f"http://[{one}]/" if ":" in one else f"http://{one}/"
            for one in self["web"].addresses
            if self["client"].run_in(["ip", "route", "get", one], check=False).stdout
        ]


def proxy_of(via: Entry | None) -> Socks | HttpProxy | None:
    """The proxy that an entry is, if it is one."""
    kinds = {"socks5": Socks, "http": HttpProxy}
    if via is None or via.kind not in kinds:
        return None
    return kinds[via.kind](via.host, via.port)
