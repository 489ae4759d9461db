"""What passes a veth pair is in the capture: all of it, at once, both directions."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.captures.frames import Frame, read_frames
from filterlab.captures.pcapng import INBOUND, OUTBOUND
from filterlab.lab.capture import Capture
from filterlab.lab.clock import wait_for
from filterlab.lab.network import Network
from filterlab.lab.topology import load_topology

Sealed = Callable[..., Any]
LOCAL = 0x88B5  # an EtherType for local experiments (IEEE 802): no kernel answers it
BURST = 5_000


def ip(line: str) -> None:
    subprocess.run(["ip", *line.split()], check=True)


def pair() -> tuple[socket.socket, socket.socket]:
    """Packet sockets at both ends of a new veth pair, `near` and `far`."""
    for line in (
        "link add near type veth peer name far",
        "link set near addrgenmode none up",
        "link set far addrgenmode none up",
    ):
        ip(line)
    sockets = []
    for name in ("near", "far"):
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        end.bind((name, LOCAL))
        sockets.append(end)
    return sockets[0], sockets[1]


def frame(text: bytes, size: int = 60) -> bytes:
    return (b"\xff" * 6 + b"\2" * 6 + LOCAL.to_bytes(2, "big") + text).ljust(size)


def ours(path: Path) -> list[Frame]:
    return [
        frame
        for frame in read_frames(path)
        if frame.data[12:14] == LOCAL.to_bytes(2, "big")
    ]


def both_directions(folder: str) -> Any:
    """One frame each way over the captured end."""
    near, far = pair()
    with Capture({"x-inside": "near"}, Path(folder)) as capture:
        near.send(frame(b"out"))
        far.send(frame(b"in"))
        summary = capture.stop()
    seen = ours(capture.path("x-inside"))
    return {
        "frames": [[bytes(f.data[14:17]).decode(), f.direction] for f in seen],
        "interfaces": sorted({f.interface for f in seen}),
        "dropped": summary.dropped,
        "counted": summary.frames == len(read_frames(capture.path("x-inside"))),
        "bytes": summary.bytes == capture.path("x-inside").stat().st_size,
        "rising": sorted(f.nanoseconds for f in seen) == [f.nanoseconds for f in seen],
    }


def a_burst(folder: str) -> Any:
    """Many long frames in a row, and the end of the capture right behind them."""
    near, _ = pair()
    capture = Capture({"x-inside": "near", "x-outside": "far"}, Path(folder))
    capture.start()
    for number in range(BURST):
        near.send(frame(b"%06d" % number, 1_500))
    summary = capture.stop()
    orders = [
        [int(f.data[14:20]) for f in ours(capture.path(label))] == list(range(BURST))
        for label in ("x-inside", "x-outside")
    ]
    return {"whole": orders, "dropped": summary.dropped}


def immediately(folder: str) -> Any:
    """A frame is in the file while the capture goes on."""
    near, _ = pair()
    with Capture({"x-inside": "near"}, Path(folder)) as capture:
        near.send(frame(b"now"))
        path = capture.path("x-inside")
        wait_for("the frame in the file", lambda: ours(path), within=10)
        return {"alive": capture.alive}


def longer_than_a_slot(folder: str) -> Any:
    """A frame that a segmentation offload left too long for the ring's slot."""
    near, _ = pair()
    with Capture({"x-inside": "near"}, Path(folder)) as capture:
        # The ring was made for 1,500 bytes; from now on the link carries more.
        for name in ("near", "far"):
            ip(f"link set {name} mtu 9000")
        near.send(frame(b"long", 8_000))
        near.send(frame(b"short"))
        capture.stop()
    return [[len(f.data), f.original_length] for f in ours(capture.path("x-inside"))]


def snapped(folder: str) -> Any:
    """Frames are cut where the capture was told to."""
    near, _ = pair()
    with Capture({"x-inside": "near"}, Path(folder), snap_bytes=96) as capture:
        near.send(frame(b"long", 1_000))
        capture.stop()
    return [[len(f.data), f.original_length] for f in ours(capture.path("x-inside"))]


def link_down(folder: str) -> Any:
    """The other interface goes on after one went down and away."""
    near, _ = pair()
    ip("link add gone type veth peer name away")
    ip("link set gone up")
    with Capture({"x-inside": ("gone", "near")}, Path(folder)) as capture:
        ip("link del gone")
        near.send(frame(b"still"))
        capture.stop()
    return [f.interface for f in ours(capture.path("x-inside"))]


def a_ping_through_an_exchange(folder: str) -> Any:
    """What both captures of an exchange hold of one echo and its answer."""
    topology = load_topology("national")(delay_abroad_ms=0, delay_home_ms=0)
    network = Network(topology, Path(folder), controller_port=None)
    network.up()
    for name in network.exchanges:
        network.plain_forwarding(name)
    interfaces = {
        f"beltelecom-{port.side}": port.interface
        for port in network.exchange_ports("beltelecom")
    }
    target = network.node("news").addresses[0]
    with Capture(interfaces, Path(folder)) as capture:
        network.run("sub1", ["ping", "-c1", "-W5", target])
        summary = capture.stop()
    seen = {
        label: [
            [f.direction, f.data[34]]
            for f in read_frames(capture.path(label))
            if f.data[12:14] == b"\x08\x00" and f.data[23] == 1
        ]
        for label in interfaces
    }
    return {"seen": seen, "dropped": summary.dropped}


def test_both_sides_of_an_exchange_see_a_ping_pass(
    in_seal: Sealed, tmp_path: Path
) -> None:
    answer = in_seal(a_ping_through_an_exchange, str(tmp_path))
    assert answer["dropped"] == 0
    assert answer["seen"] == {  # types 8 and 0: echo and its reply (RFC 792)
        "beltelecom-inside": [[INBOUND, 8], [OUTBOUND, 0]],
        "beltelecom-outside": [[OUTBOUND, 8], [INBOUND, 0]],
    }


def test_both_directions_are_captured_and_told_apart(
    in_seal: Sealed, tmp_path: Path
) -> None:
    assert in_seal(both_directions, str(tmp_path)) == {
        "frames": [["out", OUTBOUND], ["in ", INBOUND]],
        "interfaces": ["near"],
        "dropped": 0,
        "counted": True,
        "bytes": True,
        "rising": True,
    }


def test_stopping_loses_nothing_that_was_sent_before(
    in_seal: Sealed, tmp_path: Path
) -> None:
    assert in_seal(a_burst, str(tmp_path)) == {"whole": [True, True], "dropped": 0}


def test_frames_are_in_the_file_at_once(in_seal: Sealed, tmp_path: Path) -> None:
    assert in_seal(immediately, str(tmp_path)) == {"alive": True}


def test_a_frame_longer_than_a_slot_is_whole(in_seal: Sealed, tmp_path: Path) -> None:
    assert in_seal(longer_than_a_slot, str(tmp_path)) == [[8_000, 8_000], [60, 60]]


def test_a_snap_length_cuts_and_keeps_the_true_length(
    in_seal: Sealed, tmp_path: Path
) -> None:
    assert in_seal(snapped, str(tmp_path)) == [[96, 1_000]]


def test_an_interface_that_goes_away_does_not_end_the_capture(
    in_seal: Sealed, tmp_path: Path
) -> None:
    assert in_seal(link_down, str(tmp_path)) == ["near"]
