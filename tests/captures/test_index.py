"""The columns of a capture are what the frame-by-frame reader reads."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from filterlab.captures import pcapng
from filterlab.captures.frames import FrameReader
from filterlab.captures.index import Index, read_index
from filterlab.captures.pcapng import CaptureError
from tests.replay.captures import of_exchange, pcap

FRAMES = [(n * 0.123456789, bytes([n]) * (20 + n * 7)) for n in range(12)]
Row = tuple[int, int, int, bytes]


def by_index(path: Path) -> tuple[list[Row], str | None]:
    index = read_index(path)
    rows = [
        (
            int(index.nanoseconds[n]),
            int(index.link_type[n]),
            int(index.direction[n]),
            index.frame(n),
        )
        for n in range(len(index))
    ]
    return rows, index.truncated


def by_frame(path: Path) -> tuple[list[Row], str | None]:
    with path.open("rb") as stream:
        reader = FrameReader(stream)
        rows = [(f.nanoseconds, f.link_type, f.direction, f.data) for f in reader]
        return rows, reader.truncated


def mixed_file(path: Path, order: pcapng.Order) -> Path:
    """Two sections, four resolutions, simple packets, comments before the flags."""
    blocks = []
    for section in range(2):
        blocks.append(pcapng.section_block(order=order))
        for exponent in (b"", b"\x06", b"\x09", b"\x94"):
            options = ((pcapng.IF_TSRESOL, exponent),) if exponent else ()
            if section:
                shift = struct.pack(order + "q", -5)
                options += ((pcapng.IF_TSOFFSET, shift),)
            blocks.append(
                pcapng.interface_block(pcapng.Interface(101, 30, options), order)
            )
        for number, (_, frame) in enumerate(FRAMES):
            flags = (pcapng.EPB_FLAGS, struct.pack(order + "I", number % 3))
            comment = (pcapng.COMMENT, b"x" * number)
            marks = ((), (flags,), (comment, flags), (flags, comment))[number % 4]
            ticks = 1_700_000_000_000_000 + number * 999_999
            packet = pcapng.Packet(number % 4, ticks, frame, len(frame), marks)
            blocks.append(pcapng.packet_block(packet, order))
        body = struct.pack(order + "I", 40) + bytes(40)
        blocks.append(pcapng.Block(pcapng.SIMPLE, body, order))
        blocks.append(pcapng.Block(5, b"statistics!!", order))
    path.write_bytes(b"".join(block.encode() for block in blocks))
    return path


def files(folder: Path) -> list[Path]:
    directed = [(t, f, n % 2 + 1, "why" * (n % 3)) for n, (t, f) in enumerate(FRAMES)]
    return [
        pcap(folder / "micro.pcap", FRAMES),
        pcap(folder / "nano.pcap", FRAMES, 113, unit=1),
        mixed_file(folder / "little.pcapng", "<"),
        mixed_file(folder / "big.pcapng", ">"),
        of_exchange(folder / "x-inside.pcapng", "inside", directed),
    ]


def test_both_readers_read_the_same(tmp_path: Path) -> None:
    for path in files(tmp_path):
        assert by_index(path) == by_frame(path), path.name


def test_a_file_cut_anywhere_is_read_up_to_the_cut(tmp_path: Path) -> None:
    part = tmp_path / "part"
    for path in files(tmp_path):
        whole = path.read_bytes()
        for size in range(4, len(whole), 13):
            part.write_bytes(whole[:size])
            assert by_index(part) == by_frame(part), f"{path.name}, {size} bytes"


def test_damage_is_refused_or_read_alike(tmp_path: Path) -> None:
    chosen = random.Random(5)
    part = tmp_path / "part"
    for path in files(tmp_path):
        whole = path.read_bytes()
        for _ in range(60):
            at = chosen.randrange(4, len(whole))
            part.write_bytes(whole[:at] + chosen.randbytes(2) + whole[at + 2 :])
            try:
                wanted = by_frame(part)
            except (CaptureError, ZeroDivisionError, struct.error):
                continue  # what one refuses, the other may leave unread
            if any(abs(row[0]) >= 2**62 for row in wanted[0]):
                continue  # such times are not to be told apart
            try:
                assert by_index(part) == wanted, f"{path.name} at {at}"
            except CaptureError:
                continue


def test_a_file_that_is_no_capture_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"x", b"#!/bin/sh\n"):
        (tmp_path / "text").write_bytes(content)
        with pytest.raises(CaptureError, match="neither pcapng nor pcap"):
            read_index(tmp_path / "text")


def test_what_an_exchange_injected_is_marked(tmp_path: Path) -> None:
    said = ["", "filterlab: injected by p.yaml:3", "filterlab: block by p.yaml:3"]
    rows = [(t, f, 2, text) for (t, f), text in zip(FRAMES, said, strict=False)]
    index: Index = read_index(of_exchange(tmp_path / "x", "inside", rows))
    assert index.injected.tolist() == [False, True, False]
    assert index.descriptions == ("x-inside",)
