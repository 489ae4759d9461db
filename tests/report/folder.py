"""A run's folder with captures, as a report finds one; its names are hostile."""

from __future__ import annotations

import json
import ssl
import struct
from dataclasses import replace
from hashlib import sha1
from pathlib import Path
from typing import Any

from filterlab.captures import pcapng
from filterlab.captures.pcapng import INBOUND, OUTBOUND
from filterlab.inspection.packet import ACK, PSH, RST, SYN
from filterlab.lab.capture import file_head
from filterlab.probes.result import Endpoint, Step
from filterlab.report.cell import Attempt
from tests.report.evening import OK, RESET, attempt, cell, check, result

BEGAN = 1_600_000_000.0
CLIENT, SERVER, PORT = "100.64.0.2", "198.18.0.80", 40_000
# As long as the name that the greeting is made with, so that it stays sound.
PLAIN, HOSTILE = "xscriptxalertx1x.example", "<script>alert(1)</s>.ex"
HOSTILE = HOSTILE.ljust(len(PLAIN), "x")
INJECTED = "<img src=x onerror=alert(2)>"
POLICY = """title: a list
rules:
  - name: another
    when: {tls.sni: [other.example]}
    then: drop

  - name: list
    when:
      # the name that is asked for
      tls.sni: [news.example]
    then: reset

  - name: last
    when: {ip.dst: 198.18.0.1}
    then: drop
"""


def hello() -> bytes:
    """A ClientHello that asks for a hostile name."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=PLAIN)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        made = outgoing.read()
    return made.replace(PLAIN.encode(), HOSTILE.encode())


def segment(up: bool, flags: int, seq: int, data: bytes = b"") -> bytes:
    """A TCP segment of the one flow, in an Ethernet frame; checksums are left out."""
    ports = (PORT, 443) if up else (443, PORT)
    tcp = struct.pack("!HHIIBBHHH", *ports, seq, 1, 5 << 4, flags, 100, 0, 0) + data
    ends = [bytes(map(int, one.split("."))) for one in (CLIENT, SERVER)]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0)
    addresses = ends[0] + ends[1] if up else ends[1] + ends[0]
    return bytes(12) + b"\x08\x00" + head + addresses + tcp


def write_capture(path: Path, *frames: tuple[float, int, bytes]) -> None:
    """A capture of one side: milliseconds from the beginning, direction, bytes."""
    blocks = [
        pcapng.packet_block(
            pcapng.Packet(
                0,
                int(BEGAN) * 10**9 + int(after * 10**6),
                data,
                len(data),
                ((pcapng.EPB_FLAGS, struct.pack("<I", direction)),),
            )
        ).encode()
        for after, direction, data in frames
    ]
    path.write_bytes(file_head(path.stem, ("x-eth1",), 0) + b"".join(blocks))


SYN_FRAME = segment(True, SYN, 10)
ANSWER = segment(False, SYN | ACK, 20)
HELLO = segment(True, ACK | PSH, 11, hello())
FORGED = segment(False, RST | ACK, 21)
LATE = segment(False, ACK, 21)


def write_captures(folder: Path) -> None:
    """A greeting that goes on, a reset that the exchange made, an answer it stopped."""
    write_capture(
        folder / "first-inside.pcapng",
        (1, INBOUND, SYN_FRAME),
        (12, OUTBOUND, ANSWER),
        (20, INBOUND, HELLO),
        (21, OUTBOUND, FORGED),
    )
    write_capture(
        folder / "first-outside.pcapng",
        (2, OUTBOUND, SYN_FRAME),
        (11, INBOUND, ANSWER),
        (50, OUTBOUND, HELLO),
        (60, INBOUND, LATE),
    )


def decision() -> dict[str, Any]:
    """What the exchange wrote down about the greeting."""
    return {
        "time": BEGAN,
        "verdict": "block",
        "rule": "list",
        "source": "a/by-2020.yaml:7",
        "action": "reset",
        "exchange": "first",
        "policy": "by-2020",
        "finding": {"tls.sni": HOSTILE},
        "flow": {
            "protocol": "tcp",
            "client": CLIENT,
            "client_port": PORT,
            "server": SERVER,
            "server_port": 443,
        },
        "bytes_seen": len(hello()),
        "residual": False,
        "frame_bytes_sha1": sha1(HELLO).hexdigest(),
        "capture": "first-inside.pcapng",
        "capture_frame": 3,
    }


def try_(outcome: Any, **changes: Any) -> Attempt:
    """An attempt over the one flow."""
    made = attempt(outcome)
    ends = (Endpoint("tcp", CLIENT, PORT, SERVER, 443),)
    found = replace(made.result, began=BEGAN, endpoints=ends, **changes)
    return replace(made, result=found)


def write_folder(folder: Path, **changes: Any) -> Path:
    """The folder of a finished run: one probe, let through and then reset."""
    error = Step("tls", "connection_reset", 0.012, 0.034, {"error": INJECTED})
    reset = try_(RESET, steps=(Step("tcp", None, 0.0, 0.01), error), title=INJECTED)
    told = {
        "title": f"An election {INJECTED}",
        "phases": ("open", "blocking"),
        "timeline": (
            {"phase": "open", "policies": {"first": "open"}, "began": BEGAN - 5},
            {"phase": "blocking", "policies": {"first": "by-2020"}, "began": BEGAN},
        ),
        "cells": (
            cell(try_(OK), phase="open", probe=f"news {INJECTED}"),
            cell(reset, phase="blocking", probe=f"news {INJECTED}"),
        ),
        "checks": (check(True), check(False), check(None)),
        "decisions": (decision(),),
    }
    made = result(folder, **(told | changes))
    made.write()
    write_captures(folder)
    line = json.dumps(decision())
    (folder / "decisions.jsonl").write_text(line + "\n")
    setting = {
        "probes": {
            f"news {INJECTED}": {
                "kind": "fetch",
                "from": "minsk",
                "place": "isp1",
                "to": "news.example",
                "to_place": "abroad",
                "exchanges": ["first"],
                "device": [],
            }
        },
        "exchanges": ["first"],
        "map": "<svg xmlns='http://www.w3.org/2000/svg'><title>a map</title></svg>",
        "files": {"a/by-2020.yaml": POLICY},
    }
    (folder / "setting.json").write_text(json.dumps(setting))
    return folder
