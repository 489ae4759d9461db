"""Capture files for tests: written byte by byte, without the code under test."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from filterlab.captures import pcapng

Timed = tuple[float, bytes]  # seconds, frame
START = 1_700_000_000


def pcap(
    path: Path, frames: Iterable[Timed], link_type: int = 1, unit: int = 1_000
) -> Path:
    """A classic pcap; `unit` is what its fractions count, in nanoseconds."""
    magic = 0xA1B2C3D4 if unit == 1_000 else 0xA1B23C4D
    parts = [struct.pack("<IHHIIII", magic, 2, 4, 0, 0, 0, link_type)]
    for seconds, frame in frames:
        whole, rest = divmod(round(seconds * 1e9), 1_000_000_000)
        size = len(frame)
        parts.append(struct.pack("<IIII", START + whole, rest // unit, size, size))
        parts.append(frame)
    path.write_bytes(b"".join(parts))
    return path


def of_exchange(
    path: Path, side: str, frames: Iterable[tuple[float, bytes, int, str]]
) -> Path:
    """A capture as the lab makes it: time, frame, direction, comment."""
    options = (
        (pcapng.IF_NAME, b"x-eth1"),
        (pcapng.IF_DESCRIPTION, f"x-{side}".encode()),
        (pcapng.IF_TSRESOL, b"\x09"),
    )
    blocks = [
        pcapng.section_block(((pcapng.SHB_APPLICATION, b"FilterLab"),)),
        pcapng.interface_block(pcapng.Interface(pcapng.ETHERNET, 0, options)),
    ]
    for seconds, frame, direction, comment in frames:
        marks = ((pcapng.EPB_FLAGS, struct.pack("<I", direction)),)
        if comment:
            marks += ((pcapng.COMMENT, comment.encode()),)
        ticks = round((START + seconds) * 1e9)
        packet = pcapng.Packet(0, ticks, frame, len(frame), marks)
        blocks.append(pcapng.packet_block(packet))
    path.write_bytes(b"".join(block.encode() for block in blocks))
    return path
