"""Frames are the same from pcapng and from every kind of classic pcap."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import pytest

from filterlab.captures import frames, pcapng
from filterlab.captures.frames import Frame, FrameReader
from filterlab.captures.pcapng import CaptureError, Interface, Packet


def pcap(magic: bytes, order: str, link_type: int, *records: bytes) -> bytes:
    header = magic + struct.pack(order + "HHiIII", 2, 4, 0, 0, 65_535, link_type)
    return header + b"".join(records)


def record(order: str, seconds: int, fraction: int, data: bytes) -> bytes:
    return struct.pack(order + "IIII", seconds, fraction, len(data), 99) + data


@pytest.mark.parametrize(
    ("magic", "order", "unit"),
    [
        (b"\xd4\xc3\xb2\xa1", "<", 1_000),
        (b"\xa1\xb2\xc3\xd4", ">", 1_000),
        (b"\x4d\x3c\xb2\xa1", "<", 1),
        (b"\xa1\xb2\x3c\x4d", ">", 1),
    ],
)
def test_classic_pcap_of_each_kind(magic: bytes, order: str, unit: int) -> None:
    data = pcap(magic, order, frames.RAW, record(order, 7, 5, b"abc"))
    assert list(FrameReader(BytesIO(data))) == [
        Frame(1, 7_000_000_000 + 5 * unit, frames.RAW, b"abc", "", 99)
    ]


def test_a_cut_pcap_says_in_which_frame() -> None:
    whole = pcap(b"\xd4\xc3\xb2\xa1", "<", 1, *[record("<", 1, 0, b"abcd")] * 2)
    reader = FrameReader(BytesIO(whole[:-1]))
    assert [frame.number for frame in reader] == [1]
    assert reader.truncated == "cut off in frame 2"


def test_sections_number_their_own_interfaces() -> None:
    def section(name: bytes, link_type: int) -> bytes:
        interface = Interface(link_type, 0, ((pcapng.IF_NAME, name),))
        blocks = (
            pcapng.section_block(),
            pcapng.interface_block(interface),
            pcapng.packet_block(Packet(0, 1, b"x", 1, ((pcapng.COMMENT, b"why"),))),
        )
        return b"".join(block.encode() for block in blocks)

    data = section(b"one", 1) + section(b"two", 113)
    first, second = FrameReader(BytesIO(data))
    assert (first.number, first.interface, first.link_type) == (1, "one", 1)
    assert (second.number, second.interface, second.link_type) == (2, "two", 113)
    assert second.comments == ("why",)


def test_a_simple_packet_is_a_frame_without_time() -> None:
    body = struct.pack("<I", 3) + b"abc\0"
    blocks = (
        pcapng.section_block(),
        pcapng.interface_block(Interface()),
        pcapng.Block(pcapng.SIMPLE, body),
    )
    data = b"".join(block.encode() for block in blocks)
    (frame,) = FrameReader(BytesIO(data))
    assert (frame.data, frame.nanoseconds) == (b"abc", 0)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x0a"])
def test_what_is_no_capture_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(data)
    with pytest.raises(CaptureError, match="neither pcapng nor pcap"):
        frames.read_frames(path)
