"""Turns a capture file, pcapng or classic pcap, into frames in file order.

Classic pcap: draft-ietf-opsawg-pcap, section 4 (file header) and 5 (packet record).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filterlab.captures import pcapng
from filterlab.captures.pcapng import CaptureError

ETHERNET, RAW, LINUX_SLL, LINUX_SLL2 = 1, 101, 113, 276  # tcpdump.org/linktypes
MAX_RECORD_BYTES = 1 << 24  # as for a pcapng block

# Magic number as it stands in the file -> byte order, nanoseconds of one fraction.
CLASSIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured frame; `number` counts from 1 as Wireshark does."""

    number: int
    nanoseconds: int  # since 1970
    link_type: int
    data: bytes
    interface: str
    original_length: int
    direction: int = 0  # pcapng.INBOUND, pcapng.OUTBOUND, 0 if the file does not say
    comments: tuple[str, ...] = ()


class FrameReader:
    """Iterates over the frames of a capture stream.

    After the iteration `truncated` says in words where the file was cut off, or is
    None. A file that is no capture raises `CaptureError`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.truncated: str | None = None

    def __iter__(self) -> Iterator[Frame]:
        magic = self._stream.read(4)
        self._stream.seek(-len(magic), 1)
        if magic in CLASSIC:
            yield from self._classic(*CLASSIC[magic])
        elif magic == pcapng.SECTION.to_bytes(4, "big"):
            yield from self._next_generation()
        else:
            raise CaptureError("neither pcapng nor pcap: the first bytes say nothing")

    def _next_generation(self) -> Iterator[Frame]:
        blocks = pcapng.BlockReader(self._stream)
        interfaces: list[pcapng.Interface] = []
        number = 0
        for block in blocks:
            if block.kind == pcapng.SECTION:
                interfaces = []  # numbering starts again in each section
            elif block.kind == pcapng.INTERFACE:
                interfaces.append(pcapng.decode_interface(block))
            elif block.kind in (pcapng.PACKET, pcapng.SIMPLE):
                number += 1
                yield _frame(number, block, interfaces)
        self.truncated = blocks.truncated

    def _classic(self, order: str, unit: int) -> Iterator[Frame]:
        header = self._stream.read(24)
        if len(header) < 24:
            self.truncated = "cut off in the file header"
            return
        link_type = struct.unpack_from(order + "I", header, 20)[0] & 0x0FFFFFFF
        record = struct.Struct(order + "IIII")
        number = 0
        while head := self._stream.read(record.size):
            number += 1
            if len(head) < record.size:
                self.truncated = f"cut off in the header of frame {number}"
                return
            seconds, fraction, captured, original = record.unpack(head)
            if captured > MAX_RECORD_BYTES:
                raise CaptureError(f"frame {number} gives its length as {captured}")
            data = self._stream.read(captured)
            if len(data) < captured:
                self.truncated = f"cut off in frame {number}"
                return
            when = seconds * 1_000_000_000 + fraction * unit
            yield Frame(number, when, link_type, data, "", original)


def read_frames(path: Path) -> list[Frame]:
    """Every whole frame of a capture file."""
    with path.open("rb") as stream:
        return list(FrameReader(stream))


def _frame(
    number: int, block: pcapng.Block, interfaces: list[pcapng.Interface]
) -> Frame:
    if block.kind == pcapng.SIMPLE:
        packet = _simple(block, interfaces)
    else:
        packet = pcapng.decode_packet(block)
    if packet.interface >= len(interfaces):
        raise CaptureError(f"frame {number} is of an interface that is not described")
    interface = interfaces[packet.interface]
    return Frame(
        number,
        interface.nanoseconds(packet.ticks, block.order),
        interface.link_type,
        packet.data,
        interface.name,
        packet.original_length,
        pcapng.direction_of(packet.options, block.order),
        packet.comments,
    )


def _simple(block: pcapng.Block, interfaces: list[pcapng.Interface]) -> pcapng.Packet:
    # Section 4.4: no time, no interface; cut to the first interface's snap length.
    if len(block.body) < 4:
        raise CaptureError("a simple packet block without its length")
    original = struct.unpack_from(block.order + "I", block.body)[0]
    snap = interfaces[0].snap_length if interfaces else 0
    captured = min(original, snap or original, len(block.body) - 4)
    return pcapng.Packet(0, 0, block.body[4 : 4 + captured], original)
