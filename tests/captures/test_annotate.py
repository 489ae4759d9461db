"""Decisions land on the frame that decided, and forged frames are told from real."""

from __future__ import annotations

import shutil
import struct
import subprocess
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest

from filterlab.captures import pcapng
from filterlab.captures.annotate import annotate
from filterlab.captures.frames import read_frames
from filterlab.captures.index import read_index
from filterlab.captures.pcapng import INBOUND, OUTBOUND
from filterlab.lab.capture import file_head

CLIENT, SERVER = bytes([100, 64, 0, 2]), bytes([198, 18, 0, 80])


def segment(source: bytes, target: bytes, ports: tuple[int, int], data: bytes) -> bytes:
    """A TCP segment in an Ethernet frame; checksums are left out."""
    tcp = struct.pack("!HHIIBBHHH", *ports, 1, 1, 5 << 4, 0x18, 100, 0, 0) + data
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0)
    return bytes(12) + b"\x08\x00" + ip + source + target + tcp


HELLO = segment(CLIENT, SERVER, (40_000, 443), b"hello")
ANSWER = segment(SERVER, CLIENT, (443, 40_000), b"answer")
FORGED = segment(SERVER, CLIENT, (443, 40_000), b"reset")
STRANGE = segment(SERVER, CLIENT, (443, 50_000), b"another flow")


def write(path: Path, *packets: tuple[float, int, bytes]) -> Path:
    blocks = [
        pcapng.packet_block(
            pcapng.Packet(
                0,
                int(seconds * 1e9),
                data,
                len(data),
                ((pcapng.EPB_FLAGS, struct.pack("<I", direction)),),
            )
        ).encode()
        for seconds, direction, data in packets
    ]
    path.write_bytes(file_head(path.stem, ("x-eth1",), 0) + b"".join(blocks))
    return path


def decision(frame: bytes, time: float, exchange: str = "ntec") -> dict[str, Any]:
    return {
        "time": time,
        "exchange": exchange,
        "verdict": "block",
        "action": "reset",
        "rule": "list",
        "source": "policies/by.yaml:14",
        "finding": {"tls.sni": "news.example"},
        "frame_bytes_sha1": sha1(frame).hexdigest(),
        "flow": {
            "protocol": "tcp",
            "client": "100.64.0.2",
            "client_port": 40_000,
            "server": "198.18.0.80",
            "server_port": 443,
        },
    }


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """One exchange's two captures: a hello, a real answer and a forged one."""
    write(
        tmp_path / "ntec-outside.pcapng",
        (1.1, OUTBOUND, HELLO),
        (1.2, INBOUND, ANSWER),
    )
    return write(
        tmp_path / "ntec-inside.pcapng",
        (1.0, INBOUND, HELLO),
        (1.15, OUTBOUND, FORGED),
        (1.25, OUTBOUND, ANSWER),
        (1.3, OUTBOUND, STRANGE),
    )


def comments(path: Path) -> list[tuple[str, ...]]:
    return [frame.comments for frame in read_frames(path)]


def test_the_deciding_frame_and_the_forged_one_are_commented(inside: Path) -> None:
    assert annotate(inside, [decision(HELLO, 1.0)]) == {0: 1}
    assert comments(inside) == [
        (
            'filterlab: block (reset) by policies/by.yaml:14 "list", '
            "tls.sni = news.example",
        ),
        ('filterlab: injected by policies/by.yaml:14 "list"',),
        (),
        (),
    ]


def test_what_another_server_answers_is_no_forgery(inside: Path) -> None:
    # The exchange puts the first server's address on it: as such it never arrived.
    annotate(inside, [{**decision(HELLO, 1.0), "action": "redirect"}])
    led = 'filterlab: answered elsewhere, led there by policies/by.yaml:14 "list"'
    assert comments(inside)[1:] == [(led,), (), ()]
    assert not read_index(inside).injected.any()


def test_done_twice_it_gives_the_same_file(inside: Path) -> None:
    annotate(inside, [decision(HELLO, 1.0)])
    once = inside.read_bytes()
    annotate(inside, [decision(HELLO, 1.0)])
    assert inside.read_bytes() == once


def test_without_decisions_the_comments_go_again(inside: Path) -> None:
    before = inside.read_bytes()
    annotate(inside, [decision(HELLO, 1.0)])
    annotate(inside, [])
    assert inside.read_bytes() == before


def test_a_forged_frame_towards_the_server_is_found_without_the_hello(
    tmp_path: Path,
) -> None:
    forged = segment(CLIENT, SERVER, (40_000, 443), b"reset")
    write(tmp_path / "ntec-inside.pcapng", (1.0, INBOUND, HELLO))
    outside = write(tmp_path / "ntec-outside.pcapng", (1.1, OUTBOUND, forged))
    assert annotate(outside, [decision(HELLO, 1.0)]) == {}
    assert comments(outside) == [('filterlab: injected by policies/by.yaml:14 "list"',)]


def test_a_copy_too_many_is_an_injected_one(tmp_path: Path) -> None:
    write(
        tmp_path / "ntec-outside.pcapng", (1.1, OUTBOUND, HELLO), (1.2, INBOUND, ANSWER)
    )
    inside = write(
        tmp_path / "ntec-inside.pcapng",
        (1.0, INBOUND, HELLO),
        (1.3, OUTBOUND, ANSWER),
        (1.4, OUTBOUND, ANSWER),
    )
    annotate(inside, [decision(HELLO, 1.0)])
    assert [bool(found) for found in comments(inside)] == [True, False, True]


def test_another_exchange_is_left_out(inside: Path) -> None:
    assert annotate(inside, [decision(HELLO, 1.0, exchange="beltelecom")]) == {}
    assert not any(comments(inside))


def test_of_equal_frames_the_nearest_in_time_whatever_the_clock(tmp_path: Path) -> None:
    capture = write(
        tmp_path / "ntec-inside.pcapng",
        (1000.0, INBOUND, HELLO),
        (1001.0, INBOUND, ANSWER),
        (1003.0, INBOUND, HELLO),
    )
    # The engine's clock runs 1,000 s behind; the answer, seen once, tells so.
    decided = [decision(HELLO, 2.9), decision(ANSWER, 1.0)]
    assert annotate(capture, decided) == {0: 3, 1: 2}


def test_two_decisions_on_equal_frames_take_one_each(tmp_path: Path) -> None:
    capture = write(
        tmp_path / "ntec-inside.pcapng", (1.0, INBOUND, HELLO), (1.1, INBOUND, HELLO)
    )
    assert annotate(capture, [decision(HELLO, 1.0), decision(HELLO, 1.01)]) == {
        0: 1,
        1: 2,
    }


def test_a_cut_capture_is_annotated_up_to_the_cut(inside: Path) -> None:
    inside.write_bytes(inside.read_bytes()[:-5])
    assert annotate(inside, [decision(HELLO, 1.0)]) == {0: 1}
    assert len(read_frames(inside)) == 3


def test_tshark_shows_the_comment(inside: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    annotate(inside, [decision(HELLO, 1.0)])
    shown = subprocess.run(
        ["tshark", "-r", str(inside), "-T", "fields", "-e", "frame.comment"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert shown[0].startswith("filterlab: block (reset) by policies/by.yaml:14")
    assert shown[1] == 'filterlab: injected by policies/by.yaml:14 "list"'
    assert shown[2:] == ["", ""]
