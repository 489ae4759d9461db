"""What passes a veth pair is in the capture: all of it, at once, both directions."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.capture import Capture
from filterlab.lab.clock import wait_for
from filterlab.report.frames import Frame, read_frames
from filterlab.report.pcapng import INBOUND, OUTBOUND

pytestmark = pytest.mark.seal

LOCAL = 0x88B5  # an EtherType for local experiments (IEEE 802): no kernel answers it
BURST = 5_000
SEALED = ["unshare", "--user", "--map-root-user", "--net", "--kill-child", "--fork"]


def sealed(scene: str, folder: Path) -> Any:
    """What a scene of this file says, played in network namespaces of its own."""
    if shutil.which("unshare") is None:
        missing("unshare (package util-linux)")
    played = subprocess.run(
        [*SEALED, sys.executable, __file__, scene, str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if "unshare failed" in played.stderr:
        missing("unprivileged user namespaces")
    assert played.returncode == 0, played.stdout + played.stderr
    return json.loads(played.stdout)


def missing(what: str) -> None:
    """Skips for the want of this, or fails where the seal is required."""
    if os.environ.get("FILTERLAB_REQUIRE") == "seal":
        pytest.fail(f"{what} is missing, and FILTERLAB_REQUIRE=seal")
    pytest.skip(f"{what} is missing")


def ip(line: str) -> None:
    subprocess.run(["ip", *line.split()], check=True)


def pair() -> tuple[socket.socket, socket.socket]:
    """Packet sockets at both ends of a new veth pair, `near` and `far`."""
    for line in (
        "link set lo up",
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


def play_both_directions(folder: Path) -> Any:
    """One frame each way over the captured end."""
    near, far = pair()
    with Capture({"x-inside": "near"}, folder) as capture:
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


def play_a_burst(folder: Path) -> Any:
    """Many long frames in a row, and the end of the capture right behind them."""
    near, _ = pair()
    capture = Capture({"x-inside": "near", "x-outside": "far"}, folder)
    capture.start()
    for number in range(BURST):
        near.send(frame(b"%06d" % number, 1_500))
    summary = capture.stop()
    orders = [
        [int(f.data[14:20]) for f in ours(capture.path(label))] == list(range(BURST))
        for label in ("x-inside", "x-outside")
    ]
    return {"whole": orders, "dropped": summary.dropped}


def play_immediately(folder: Path) -> Any:
    """A frame is in the file while the capture goes on."""
    near, _ = pair()
    with Capture({"x-inside": "near"}, folder) as capture:
        near.send(frame(b"now"))
        path = capture.path("x-inside")
        wait_for("the frame in the file", lambda: ours(path), within=10)
        return {"alive": capture.alive}


def play_longer_than_a_slot(folder: Path) -> Any:
    """A frame that a segmentation offload left too long for the ring's slot."""
    near, _ = pair()
    with Capture({"x-inside": "near"}, folder) as capture:
        # The ring was made for 1,500 bytes; from now on the link carries more.
        for name in ("near", "far"):
            ip(f"link set {name} mtu 9000")
        near.send(frame(b"long", 8_000))
        near.send(frame(b"short"))
        capture.stop()
    return [[len(f.data), f.original_length] for f in ours(capture.path("x-inside"))]


def play_snapped(folder: Path) -> Any:
    """Frames are cut where the capture was told to."""
    near, _ = pair()
    with Capture({"x-inside": "near"}, folder, snap_bytes=96) as capture:
        near.send(frame(b"long", 1_000))
        capture.stop()
    return [[len(f.data), f.original_length] for f in ours(capture.path("x-inside"))]


def play_link_down(folder: Path) -> Any:
    """The other interface goes on after one went down and away."""
    near, _ = pair()
    ip("link add gone type veth peer name away")
    ip("link set gone up")
    with Capture({"x-inside": ("gone", "near")}, folder) as capture:
        ip("link del gone")
        near.send(frame(b"still"))
        capture.stop()
    return [f.interface for f in ours(capture.path("x-inside"))]


def test_both_directions_are_captured_and_told_apart(tmp_path: Path) -> None:
    assert sealed("both_directions", tmp_path) == {
        "frames": [["out", OUTBOUND], ["in ", INBOUND]],
        "interfaces": ["near"],
        "dropped": 0,
        "counted": True,
        "bytes": True,
        "rising": True,
    }


def test_stopping_loses_nothing_that_was_sent_before(tmp_path: Path) -> None:
    assert sealed("a_burst", tmp_path) == {"whole": [True, True], "dropped": 0}


def test_frames_are_in_the_file_at_once(tmp_path: Path) -> None:
    assert sealed("immediately", tmp_path) == {"alive": True}


def test_a_frame_longer_than_a_slot_is_whole(tmp_path: Path) -> None:
    assert sealed("longer_than_a_slot", tmp_path) == [[8_000, 8_000], [60, 60]]


def test_a_snap_length_cuts_and_keeps_the_true_length(tmp_path: Path) -> None:
    assert sealed("snapped", tmp_path) == [[96, 1_000]]


def test_an_interface_that_goes_away_does_not_end_the_capture(tmp_path: Path) -> None:
    assert sealed("link_down", tmp_path) == ["near"]


if __name__ == "__main__":
    print(json.dumps(globals()[f"play_{sys.argv[1]}"](Path(sys.argv[2]))))
