"""A topology turned into running kernels: namespaces, links, addresses, exchanges.

The topology is a Mininet `Topo`; the result is a `Network`, whose `mininet` is what
Mininet's own command line works on. Everything is built in a few large steps (one
process makes all nodes, one `ip -batch` all links, one transaction all bridges),
because thousands of small ones are what makes a large Mininet slow to start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filterlab.lab import links
from filterlab.lab.clock import wait_for
from filterlab.lab.links import End, Wire
from filterlab.lab.namespace import Namespace
from filterlab.lab.obstacle import Obstacle
from filterlab.lab.orders import NodeOrder, node_order
from filterlab.lab.switch import Bridge, OpenVSwitch, Port

NURSERY = Path(__file__).with_name("nursery.py")


@dataclass(frozen=True, slots=True)
class LabNode(Namespace):
    """A host or router that runs."""

    name: str
    role: str
    place: str | None
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What was brought up, and how long each step took."""

    hosts: int
    routers: int
    exchanges: int
    seconds: float
    steps: Mapping[str, float]


@dataclass
class Network:
    """A topology, and the machines it becomes between `up` and `down`."""

    topo: Any
    folder: Path
    controller_port: int | None = 6653
    nodes: dict[str, LabNode] = field(default_factory=dict)
    wires: list[Wire] = field(default_factory=list)
    bridges: dict[str, Bridge] = field(default_factory=dict)
    mininet: Any = None

    def __post_init__(self) -> None:
        """Read the topology; nothing is started."""
        self.folder = Path(self.folder)
        self.openvswitch = OpenVSwitch(self.folder / "openvswitch")
        self._nursery: subprocess.Popen[str] | None = None
        self._orders: dict[str, NodeOrder] = {}
        self._netem = False
        self._helpers: dict[str, subprocess.Popen[bytes]] = {}
        self._facts = {name: dict(topo_info) for name, topo_info in self._described()}
        self._infos = _described_links(self.topo)
        self.wires = [self._wire(number, i) for number, i in enumerate(self._infos)]
        self.bridges = {
            name: self._bridge(number, name)
            for number, name in enumerate(self.exchanges, start=1)
        }

    def _described(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        return ((name, self.topo.nodeInfo(name)) for name in self.topo.nodes())

    def names(self, role: str) -> list[str]:
        """The names of all nodes of a role: host, router or exchange."""
        return [n for n, facts in self._facts.items() if facts.get("role") == role]

    @property
    def exchanges(self) -> list[str]:
        """The names of the exchanges."""
        return self.names("exchange")

    switches = exchanges

    def node(self, name: str) -> LabNode:
        """A running host or router; raises KeyError for another name."""
        return self.nodes[name]

    def exchange_ports(self, exchange: str) -> list[Port]:
        """The ports of an exchange, by number."""
        return list(self.bridges[exchange].ports)

    def dpid(self, exchange: str) -> int:
        """The datapath id under which an exchange greets its controller."""
        return int(self.bridges[exchange].dpid, 16)

    def _wire(self, number: int, info: Mapping[str, Any]) -> Wire:
        ends = []
        for end in (1, 2):
            name = info[f"node{end}"]
            root = self._facts[name].get("role") == "exchange"
            # Locally administered (02), and the same in every run.
            mac = f"02:00:00:{number >> 8:02x}:{number & 255:02x}:{end:02x}"
            node = None if root else name
            ends.append(End(node, info[f"intfName{end}"], mac))
        return links.wire_of(info, *ends)

    def _bridge(self, number: int, name: str) -> Bridge:
        ports = []
        for info, wire in zip(self._infos, self.wires, strict=True):
            for own, other, ours, theirs in (
                (1, 2, wire.first, wire.second),
                (2, 1, wire.second, wire.first),
            ):
                if info[f"node{own}"] == name:
                    side = str(info.get("side", info[f"node{other}"]))
                    port = int(info[f"port{own}"])
                    ports.append(Port(port, side, ours.interface, theirs.mac))
        dpid = str(self._facts[name].get("dpid", f"{number:x}")).rjust(16, "0")
        return Bridge(name, dpid, tuple(sorted(ports, key=lambda p: p.number)))

    def up(self) -> Summary:
        """Build everything; raises RuntimeError with the failing command's words."""
        started = time.monotonic()
        (self.folder / "openvswitch").mkdir(parents=True, exist_ok=True)
        self._nursery = _start_nursery()
        self.openvswitch.start(list(self.bridges.values()))
        answer = self._order_nodes()
        steps = dict(answer["seconds"])
        for name, pid in answer["pids"].items():
            facts = self._facts[name]
            addresses = tuple(facts.get("addresses", ()))
            place = facts.get("place")
            node = LabNode(pid, name, str(facts["role"]), place, addresses)
            self.nodes[name] = node
        switching = time.monotonic()
        self.openvswitch.attach(list(self.bridges.values()), self._controller())
        steps["exchanges"] = time.monotonic() - switching
        self._join_delayed()
        self._describe_to_mininet()
        seconds = time.monotonic() - started
        return Summary(
            hosts=len(self.names("host")),
            routers=len(self.names("router")),
            exchanges=len(self.exchanges),
            seconds=seconds,
            steps=steps,
        )

    def _controller(self) -> str | None:
        port = self.controller_port
        return None if port is None else f"tcp:127.0.0.1:{port}"

    def _order_nodes(self) -> dict[str, Any]:
        orders = {
            name: node_order(facts, self._file_folder(name))
            for name, facts in self._facts.items()
            if facts.get("role") != "exchange"
        }
        root = NodeOrder()
        self._netem = any(w.delay_ms for w in self.wires) and links.kernel_has_netem()
        self._orders = orders
        lines = []
        for wire in self.wires:
            delayed = wire.delay_ms > 0
            if delayed and not self._netem:
                links.prepare_folder()
            else:
                lines.append(links.veth_line(wire))
            for end in (wire.first, wire.second):
                order = root if end.node is None else orders[end.node]
                order.add_interface(end, wire.delay_ms, self._netem)
        self._introduce(orders)
        message = {
            "nodes": {name: order.as_json() for name, order in orders.items()},
            "links": lines,
            "root": root.as_json(),
        }
        return self._ask_nursery(message)

    def _introduce(self, orders: Mapping[str, NodeOrder]) -> None:
        """Let neighbours know each other's MAC address from the start.

        Else every first packet waits for ARP or ND, at each hop, behind each delay.
        """
        for wire in self._routed_wires():
            for own, other in ((wire[0], wire[1]), (wire[1], wire[0])):
                if own.node is not None and other.node is not None:
                    addresses = orders[other.node].addresses_on(other.interface)
                    orders[own.node].introduce(own.interface, other.mac, addresses)

    def _routed_wires(self) -> list[tuple[End, End]]:
        """The pairs of interfaces that frames travel between, exchanges left out."""
        pairs = [(w.first, w.second) for w in self.wires if w.joins_nodes]
        for bridge in self.bridges.values():
            behind = [
                end
                for port in bridge.ports
                for wire in self.wires
                for end in (wire.first, wire.second)
                if end.mac == port.mac_behind
            ]
            if len(behind) == 2:
                pairs.append((behind[0], behind[1]))
        return pairs

    def _file_folder(self, name: str) -> Path:
        folder = self.folder / "nodes" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder.resolve()

    def _ask_nursery(self, message: dict[str, Any]) -> dict[str, Any]:
        nursery = self._nursery
        if nursery is None or nursery.stdin is None or nursery.stdout is None:
            raise RuntimeError("the network is not up")
        nursery.stdin.write(json.dumps(message) + "\n")
        nursery.stdin.flush()
        answer: dict[str, Any] = json.loads(nursery.stdout.readline() or "{}")
        if "pids" not in answer:
            raise RuntimeError(f"network: {answer.get('error', 'the nursery died')}")
        return answer

    def _join_delayed(self) -> None:
        if self._netem:
            return
        for wire in self.wires:
            if wire.delay_ms > 0:
                self._start_wirefilter(wire)

    def _start_wirefilter(self, wire: Wire) -> None:
        name = f"{wire.first.interface}--{wire.second.interface}"
        log = self.folder / f"wirefilter-{name}.log"
        for door in links.switch_doors(wire):
            wait_for(str(door), door.exists, within=60.0)
        try:
            with log.open("wb") as out:
                self._helpers[name] = subprocess.Popen(
                    links.wirefilter_argv(wire),
                    # It reads commands there, and ends when nobody can send one.
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=out,
                )
        except FileNotFoundError as error:
            raise Obstacle("there is no wirefilter", "apt-get install vde2") from error

    def _describe_to_mininet(self) -> None:
        from filterlab.lab.stock import LazyMininet

        net = self.mininet = LazyMininet()
        for name, facts in self._facts.items():
            known = {k: v for k, v in facts.items() if k in ("ip", "dpid")}
            if name in self.bridges:
                net.addSwitch(name, dpid=self.bridges[name].dpid)
            else:
                net.addHost(name, holder=self.nodes[name].pid, **known)
        for info, wire in zip(self._infos, self.wires, strict=True):
            chosen = {"intfName1", "intfName2", "port1", "port2", "node1", "node2"}
            options = {k: v for k, v in info.items() if k in chosen}
            net.addLink(**options, addr1=wire.first.mac, addr2=wire.second.mac)
        for name, facts in self._facts.items():
            if "ip" in facts and (intf := net[name].defaultIntf()):
                intf.ip, intf.prefixLen = str(facts["ip"]).split("/")

    def check(self) -> None:
        """Raise RuntimeError if something that the network stands on has died."""
        self.openvswitch.check()
        if self._nursery is not None and self._nursery.poll() is not None:
            raise RuntimeError("the process that holds the nodes has ended")
        for name, helper in self._helpers.items():
            if (status := helper.poll()) is not None:
                raise RuntimeError(f"wirefilter {name} ended with status {status}")

    def popen(
        self, name: str, argv: list[str], **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a command in a node (Popen's options: cwd, env, stdout, ...)."""
        return self.nodes[name].popen(argv, **options)

    def run(self, name: str, argv: list[str], **options: Any) -> str:
        """Run a command in a node to its end and return what it printed."""
        return self.nodes[name].run_in(argv, **options).stdout

    def set_resolver(self, host: str, addresses: Iterable[str]) -> None:
        """Say what the host's /etc/resolv.conf names."""
        text = "".join(f"nameserver {address}\n" for address in addresses)
        (self._file_folder(host) / "resolv.conf").write_text(text)

    def set_link(self, first: str, second: str, up: bool) -> None:
        """Take the links between two neighbours down, or up again.

        Raises KeyError where there is none.
        """
        ends = self._ends_between(first, second)
        if not ends:
            raise KeyError(f"there is no link between {first} and {second}")
        for end in ends:
            self._ip(end.node, [f"link set {end.interface} {'up' if up else 'down'}"])
        if up:
            # The kernel forgot all addresses and routes of the interface.
            for name in (first, second):
                if name in self._orders:
                    self._ip(name, self._orders[name].ip_lines())

    def _ends_between(self, first: str, second: str) -> list[End]:
        return [
            end
            for info, wire in zip(self._infos, self.wires, strict=True)
            if {info["node1"], info["node2"]} == {first, second}
            for end in (wire.first, wire.second)
        ]

    def _ip(self, node: str | None, lines: list[str]) -> None:
        """Run lines of `ip -batch` in a node, or in the seal's root."""
        into = [] if node is None else self.nodes[node].enter_argv()
        subprocess.run(
            [*into, "ip", "-batch", "-"],
            input="\n".join(lines) + "\n",
            text=True,
            check=True,
            capture_output=True,
        )

    def plain_forwarding(self, exchange: str) -> None:
        """Let an exchange pass everything, without a controller."""
        inside, outside = self.exchange_ports(exchange)
        self.openvswitch.add_flows(
            exchange,
            [
                f"in_port={inside.number},actions=output:{outside.number}",
                f"in_port={outside.number},actions=output:{inside.number}",
            ],
        )

    def connect_controllers(self) -> None:
        """Let every exchange call its controller now, not after its back-off."""
        self.openvswitch.set_controller(self.exchanges, self._controller())

    def down(self) -> None:
        """End everything that `up` started; the order spares nobody."""
        for helper in self._helpers.values():
            helper.kill()
        if self.mininet is not None:
            self.mininet.stop()
        self.openvswitch.stop()
        if self._nursery is not None:
            self._nursery.kill()
            self._nursery.communicate()
            self._nursery = None
        for helper in self._helpers.values():
            helper.wait()
        self._helpers.clear()
        self.nodes.clear()


def _described_links(topo: Any) -> list[Mapping[str, Any]]:
    found = topo.links(sort=False, withInfo=True)
    return [info for _, _, info in found]


def _start_nursery() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-E", str(NURSERY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
