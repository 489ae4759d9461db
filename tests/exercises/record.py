"""Makes the exercises' captures anew: plays recordings/, and keeps the last phases.

    python tests/exercises/record.py [RECORDING...]

Needs the seal, and WireGuard, OpenVPN and sing-box for some. What is true of each visit
stands in what is kept already (`visits.json`): only its flows are new.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from filterlab.captures.frames import Frame, read_frames
from filterlab.captures.writing import write_capture
from filterlab.inspection.packet import dissect
from filterlab.report.packets import in_words

HERE = Path(__file__).parent
EXERCISES = HERE.parents[1] / "scenarios" / "exercises"
# Where each recording goes; None: the sixteen of "which way".
TO = {
    "site-shown": "one-site/given/day.pcapng",
    "site-hidden": "one-site/hidden/day.pcapng",
    "knows-shown": "what-it-knows/given/morning.pcapng",
    "knows-hidden": "what-it-knows/hidden/day.pcapng",
    "protocol-shown": "recogniser/given/tunnels.pcapng",
    "protocol-hidden": "recogniser/hidden/day.pcapng",
    "ways": None,
}
CLIENT = "100.64.1.2"
# What looks a little like WireGuard: RADIUS (RFC 2865, 3) begins with a one, too; the
# others are nobody's.
STRANGE = (
    ("a log-in by RADIUS", 1812, bytes([1, 7, 0, 40]) + bytes(range(36))),
    ("a game on WireGuard's usual port", 51820, bytes(range(64, 212))),
    ("a meter's reading", 5000, b"\x01\x00\x00\x00" + bytes(range(60))),
)
LABEL = "exchange-inside"


def play(name: str, folder: Path) -> dict[str, Any]:
    """A run of a recording; its result."""
    command = [sys.executable, "-m", "filterlab.cli", "run", "--out", str(folder)]
    if name == "protocol-hidden":
        tool = HERE / "recordings" / "tools" / "wireguard-443.yaml"
        command += ["--tool", str(tool)]
    command.append(str(HERE / "recordings" / f"{name}.yaml"))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def frames_of(folder: Path, since: float, until: float = float("inf")) -> list[Frame]:
    """What the inside's capture has of a time."""
    every = read_frames(folder / f"{LABEL}.pcapng")
    return [one for one in every if since <= one.nanoseconds / 1e9 < until]


def keep(path: Path, frames: Sequence[Frame]) -> None:
    """Write frames without what the lab has noted of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_capture(path, LABEL, [(f.nanoseconds, f.data, f.direction) for f in frames])


def record_day(name: str, folder: Path, to: Path) -> None:
    """A day, and which flows each visit of it was."""
    result = play(name, folder)
    began = result["timeline"][0]["began"]
    frames = frames_of(folder, began)
    if name == "protocol-hidden":
        frames += [strange(n, frames[-1]) for n in range(len(STRANGE))]
    keep(to, frames)
    if to.parent.name != "hidden":
        return
    notes = to.with_name("visits.json")
    known = json.loads(notes.read_text()) if notes.exists() else []
    before = {visit["visit"]: visit for visit in known}
    visits = [
        {
            "visit": probe["name"],
            **before.get(probe["name"], {}),
            "flows": named(frames, before.get(probe["name"], {})) or probe["endpoints"],
        }
        for probe in result["probes"]
    ]
    if name == "protocol-hidden":
        visits += [
            {"visit": visit, **before.get(visit, {}), "flows": [strange_flow(n)]}
            for n, (visit, _, _) in enumerate(STRANGE)
        ]
    notes.write_text(json.dumps(visits, indent=1, ensure_ascii=False) + "\n")


def named(frames: Sequence[Frame], visit: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The flows that a visit names itself: of a tunnel's device, or to a server.

    What a tunnel's visit opened is inside of it; and a probe that asks by encrypted DNS
    does not tell the connection after it.
    """
    every = {way for frame in frames for way in flow(frame)}
    devices = {
        way for way in every if way[1].startswith("100.64.") and way[1] != CLIENT
    }
    if "port" in visit:
        return sorted(way for way in devices if way[4] == visit["port"])
    if "server" in visit:
        return sorted(way for way in every if list(way[3:]) == visit["server"])
    return []


def strange_flow(number: int) -> tuple[Any, ...]:
    """The flow of a datagram that no program sent."""
    return ("udp", CLIENT, 40_000 + number, "198.18.3.2", STRANGE[number][1])


def strange(number: int, after: Frame) -> Frame:
    """One datagram, a second after the last frame."""
    _, client, client_port, server, port = strange_flow(number)
    packet = Ether(dst="02:00:00:00:00:02", type=0x0800) / IP(src=client, dst=server)
    packet /= UDP(sport=client_port, dport=port) / STRANGE[number][2]
    moment = after.nanoseconds + (number + 1) * 1_000_000_000
    return replace(after, nanoseconds=moment, data=bytes(packet), direction=1)


def record_ways(folder: Path) -> None:
    """Each site in each phase, as the client saw it."""
    result = play("ways", folder)
    moments = result["timeline"]
    ends = [*(m["began"] for m in moments[1:]), float("inf")]
    for moment, end in list(zip(moments, ends, strict=True))[1:]:
        frames = frames_of(folder, moment["began"], end)
        for site in ("amber", "birch", "cedar", "delta"):
            mine = {
                tuple(endpoint)
                for probe in result["probes"]
                if probe["phase"] == moment["phase"] and probe["name"].startswith(site)
                for endpoint in probe["endpoints"]
            }
            some = [one for one in frames if flow(one) & mine]
            name = f"{site}.example-{moment['phase']}"
            to = EXERCISES / "which-way" / "hidden" / f"{name}.pcapng"
            keep(to, some)
            to.with_suffix(".txt").write_text(told(some))


def flow(frame: Frame) -> set[tuple[Any, ...]]:
    """A frame's flow, both ways round."""
    packet = dissect(frame.data)
    if packet is None:
        return set()
    names = {6: "tcp", 17: "udp"}
    kind = names.get(packet.protocol, "")
    one = (str(ip_address(packet.src)), packet.src_port)
    other = (str(ip_address(packet.dst)), packet.dst_port)
    return {(kind, *one, *other), (kind, *other, *one)}


def told(frames: Sequence[Frame]) -> str:
    """A capture for who has no Wireshark: a line a packet."""
    if not frames:
        return ""
    lines = ["  seconds  from             to               what"]
    for frame in frames:
        packet = dissect(frame.data)
        assert packet is not None
        seconds = (frame.nanoseconds - frames[0].nanoseconds) / 1e9
        ends = [str(ip_address(a)) for a in (packet.src, packet.dst)]
        words = f"{ends[0]:<16} {ends[1]:<16} port {packet.dst_port or '-'}"
        lines.append(f"{seconds:9.3f}  {words}: {in_words(frame.data)}")
    return "\n".join(lines) + "\n"


def main(names: Sequence[str]) -> None:
    """Record these, or all."""
    for name in names or TO:
        with tempfile.TemporaryDirectory() as scratch:
            to = TO[name]
            if to is None:
                record_ways(Path(scratch) / "run")
            else:
                record_day(name, Path(scratch) / "run", EXERCISES / to)


if __name__ == "__main__":
    main(sys.argv[1:])
