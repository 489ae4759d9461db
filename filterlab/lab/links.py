"""How a link of the topology is built: a veth pair, or one that holds frames back.

netem does it where the kernel has it; else two VDE switches, one in each node with a
TAP device for an interface, joined by wirefilter(1) in the seal's root.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HOME = Path("/run/filterlab/links")
# Bytes on their way: 50 ms of 1 Gbit/s. wirefilter's default would drop frames of
# every burst that is longer.
_CHANNEL_BYTES = 8_000_000
# Frames on their way, for netem: its default of 1000 is 12 ms of 1 Gbit/s.
_NETEM_FRAMES = 100_000
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class End:
    """One end of a link; `node` is None in the seal's root (an exchange's port)."""

    node: str | None
    interface: str
    mac: str


@dataclass(frozen=True, slots=True)
class Wire:
    """A link between two ends, with a delay each way."""

    first: End
    second: End
    delay_ms: float = 0.0

    @property
    def joins_nodes(self) -> bool:
        """Whether both ends are nodes, and none is an exchange's port."""
        return self.first.node is not None and self.second.node is not None


def parse_delay_ms(text: object) -> float:
    """Turn `20ms`, `1.5s` or a plain number of milliseconds into milliseconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s)?\s*", str(text))
    if found is None:
        raise ValueError(f"{text!r} is no delay; write it like 20ms")
    return float(found[1]) * _UNITS[found[2] or "ms"]


def wire_of(info: Mapping[str, Any], first: End, second: End) -> Wire:
    """Turn a topology's link options into a wire."""
    return Wire(first, second, parse_delay_ms(info.get("delay", 0)))


def kernel_has_netem() -> bool:
    """Say whether the kernel can delay frames by itself (tried on this loopback)."""
    trial = ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    if subprocess.run(trial, capture_output=True).returncode != 0:
        return False
    undo = ["tc", "qdisc", "del", "dev", "lo", "root"]
    subprocess.run(undo, check=True, capture_output=True)
    return True


def veth_line(wire: Wire) -> str:
    """The line for `ip -batch` that makes the pair; `{name}`: that node's pid."""
    return f"link add {_veth_end(wire.first)} type veth peer {_veth_end(wire.second)}"


def _veth_end(end: End) -> str:
    place = "" if end.node is None else f" netns {{{end.node}}}"
    return f"name {end.interface} address {end.mac}{place}"


def netem_argv(interface: str, delay_ms: float) -> list[str]:
    """The command, for each end, that delays what leaves an interface."""
    return [
        *("tc", "qdisc", "add", "dev", interface, "root"),
        *("netem", "delay", f"{delay_ms}ms", "limit", str(_NETEM_FRAMES)),
    ]


def _switch_folder(end: End) -> Path:
    return _HOME / end.interface


def tap_lines(end: End) -> list[str]:
    """The lines for `ip -batch` that make an end of a VDE link: a TAP device.

    It is made here and not by vde_switch, which does so at a time of its own.
    """
    return [
        f"tuntap add dev {end.interface} mode tap",
        f"link set {end.interface} address {end.mac}",
    ]


def tap_argv(end: End) -> list[str]:
    """The command that, run in the node, serves its end of a VDE link."""
    folder = _switch_folder(end)
    switch = ["vde_switch", "--sock", str(folder), "--tap", end.interface]
    # A hub of two ports and the TAP: there is nothing to learn on a wire.
    return [*switch, "--hub", "--numports", "4", "--daemon"]


def switch_doors(wire: Wire) -> list[Path]:
    """The sockets at which both VDE switches answer, once they run."""
    return [_switch_folder(end) / "ctl" for end in (wire.first, wire.second)]


def wirefilter_argv(wire: Wire) -> list[str]:
    """The command that joins both ends of a VDE link, with the delay."""
    plugs = f"{_switch_folder(wire.first)}:{_switch_folder(wire.second)}"
    argv = ["wirefilter", "--vde-plug", plugs, "--delay", f"{wire.delay_ms:g}"]
    return [*argv, "--chanbufsize", str(_CHANNEL_BYTES)]


def prepare_folder() -> None:
    """Make the folder of the VDE switches' sockets."""
    _HOME.mkdir(parents=True, exist_ok=True)
