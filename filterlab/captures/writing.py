"""Writes a capture of one interface, out of frames that are there already."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from filterlab.captures import pcapng

_NANOSECONDS = bytes([9])  # if_tsresol: 10^-9


def write_capture(
    path: Path, label: str, frames: Iterable[tuple[int, bytes, int]]
) -> None:
    """Each frame: nanoseconds since 1970, its bytes, and its direction or 0."""
    options = (
        (pcapng.IF_NAME, label.encode()),
        (pcapng.IF_DESCRIPTION, label.encode()),
        (pcapng.IF_TSRESOL, _NANOSECONDS),
    )
    blocks = [
        pcapng.section_block(((pcapng.SHB_APPLICATION, b"FilterLab"),)),
        pcapng.interface_block(pcapng.Interface(options=options)),
    ]
    for nanoseconds, data, direction in frames:
        flags = ((pcapng.EPB_FLAGS, struct.pack("<I", direction)),) if direction else ()
        packet = pcapng.Packet(0, nanoseconds, data, len(data), flags)
        blocks.append(pcapng.packet_block(packet))
    path.write_bytes(b"".join(block.encode() for block in blocks))
