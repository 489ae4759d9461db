"""What the nursery is told about a node: its kernel's settings, files and addresses."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filterlab.lab.links import End, netem_argv, tap_argv, tap_lines

# Set in a fresh namespace, before it has an interface.
_EVERYWHERE = {
    # An address is usable at once; there are no duplicates to detect.
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.default.dad_transmits": "0",
    # All routes are static: no router solicitations in anybody's capture.
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv6.conf.default.router_solicitations": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    # Every probe starts like the first: no remembered windows or round trips.
    "net.ipv4.tcp_no_metrics_save": "1",
    # A traceroute sees every hop, every time.
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv4.icmp_msgs_per_sec": "1000000",
    "net.ipv4.icmp_msgs_burst": "100000",
    "net.ipv6.icmp.ratelimit": "0",
}
_ROUTER = {
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv6.conf.default.forwarding": "1",
}


@dataclass
class NodeOrder:
    """One node's part of the order; see `filterlab.lab.nursery`."""

    sysctls: dict[str, str] = field(default_factory=dict)
    late_sysctls: dict[str, str] = field(default_factory=dict)
    binds: list[tuple[str, str]] = field(default_factory=list)
    taps: dict[str, list[str]] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    after: list[list[str]] = field(default_factory=list)
    up: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    neighbours: list[str] = field(default_factory=list)
    quiet: list[str] = field(default_factory=list)

    def add_interface(self, end: End, delay_ms: float, netem: bool) -> None:
        """Note an interface of this node, and how its frames are delayed."""
        self.up.append(f"link set {end.interface} up")
        if delay_ms > 0 and not netem:
            self.taps[end.interface] = tap_argv(end)
            self.made += tap_lines(end)
            return
        self.quiet.append(end.interface)
        if delay_ms > 0:
            self.after.append(netem_argv(end.interface, delay_ms))

    def add_command(self, command: str) -> None:
        """Note a line of the topology: `ip ...` or `sysctl -w key=value`."""
        words = shlex.split(command)
        if words[:1] == ["ip"]:
            self.lines.append(command.split(None, 1)[1])
        elif words[:2] == ["sysctl", "-w"] and len(words) == 3:
            key, _, value = words[2].partition("=")
            self.late_sysctls[key] = value
        else:
            self.after.append(words)

    def addresses_on(self, interface: str) -> list[str]:
        """The addresses that the topology gives an interface."""
        found = []
        for line in self.lines:
            words = line.split()
            if words[0].startswith("addr") and words[-1] == interface:
                found.append(words[2].split("/")[0])
        return found

    def introduce(self, interface: str, mac: str, addresses: list[str]) -> None:
        """Note which MAC address the neighbour on an interface has."""
        for address in addresses:
            self.neighbours.append(
                f"neigh replace {address} lladdr {mac} dev {interface} nud permanent"
            )

    def ip_lines(self) -> list[str]:
        """All lines for `ip -batch`; they may be run again and again."""
        return ["link set lo up", *self.up, *self.lines, *self.neighbours]

    def as_json(self) -> dict[str, Any]:
        """The order's JSON."""
        return {
            "sysctls": self.sysctls,
            "late_sysctls": self.late_sysctls,
            "binds": self.binds,
            "taps": self.taps,
            "made": self.made,
            "after": self.after,
            "ip": self.ip_lines(),
            "quiet": self.quiet,
        }


def node_order(facts: Mapping[str, Any], folder: Path) -> NodeOrder:
    """Begin a host's or router's order; `folder` is where its own files are kept."""
    order = NodeOrder(sysctls=dict(_EVERYWHERE))
    if facts["role"] == "router":
        order.sysctls.update(_ROUTER)
    else:
        for name, text in (
            ("resolv.conf", ""),
            ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        ):
            (folder / name).write_text(text)
            order.binds.append((str(folder / name), f"/etc/{name}"))
    for command in facts.get("commands", ()):
        order.add_command(command)
    return order
