"""Turns pcapng bytes into blocks and back, losing none that it does not know.

Block layouts: draft-ietf-opsawg-pcapng, section 4 (SHB 4.1, IDB 4.2, EPB 4.3) and
section 3.5 (options). Nothing here opens a file: readers take a binary stream.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

Order = Literal["<", ">"]
Option = tuple[int, bytes]

SECTION, INTERFACE, SIMPLE, PACKET = 0x0A0D0D0A, 1, 3, 6  # block types, section 4
BYTE_ORDER_MAGIC = 0x1A2B3C4D  # section 4.1
END, COMMENT = 0, 1  # section 3.5
SHB_HARDWARE, SHB_OS, SHB_APPLICATION = 2, 3, 4  # section 4.1
IF_NAME, IF_DESCRIPTION, IF_TSRESOL, IF_TSOFFSET = 2, 3, 9, 14  # section 4.2
EPB_FLAGS = 2  # section 4.3
INBOUND, OUTBOUND = 1, 2  # epb_flags, bits 0 and 1
ETHERNET = 1  # LINKTYPE_ETHERNET
MAX_BLOCK_BYTES = 1 << 24  # Wireshark's own limit on a block (wiretap/pcapng.c)


class CaptureError(ValueError):
    """The file is no capture, or is damaged; the text says where."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its type, what is between its two lengths, and its byte order."""

    kind: int
    body: bytes
    order: Order = "<"

    def encode(self) -> bytes:
        """The block as it stands in a file."""
        body = _padded(self.body)
        size = len(body) + 12
        head = struct.pack(self.order + "II", self.kind, size)
        return head + body + struct.pack(self.order + "I", size)


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface description: where frames come from, and what their times mean."""

    link_type: int = ETHERNET
    snap_length: int = 0  # 0: frames are whole
    options: tuple[Option, ...] = ()

    @property
    def name(self) -> str:
        """The interface's name, or an empty text."""
        return text_option(self.options, IF_NAME)

    def nanoseconds(self, ticks: int, order: Order) -> int:
        """What a packet's timestamp says, in nanoseconds since 1970."""
        resolution = first_option(self.options, IF_TSRESOL)
        offset = first_option(self.options, IF_TSOFFSET)
        whole = struct.unpack(order + "q", offset)[0] if offset else 0
        raised = resolution[0] if resolution else 6  # section 4.2: default 10^-6
        base = 2 if raised & 0x80 else 10
        exponent: int = raised & 0x7F
        since = ticks * 1_000_000_000 // base**exponent
        return int(since + whole * 1_000_000_000)


@dataclass(frozen=True, slots=True)
class Packet:
    """An enhanced packet block; `ticks` are in the interface's own resolution."""

    interface: int
    ticks: int
    data: bytes
    original_length: int
    options: tuple[Option, ...] = ()

    @property
    def comments(self) -> tuple[str, ...]:
        """The packet's comments, in file order."""
        return tuple(
            value.decode("utf-8", "replace")
            for code, value in self.options
            if code == COMMENT
        )


def first_option(options: Iterable[Option], code: int) -> bytes:
    """The value of the first option with this code, or no bytes."""
    return next((value for found, value in options if found == code), b"")


def text_option(options: Iterable[Option], code: int) -> str:
    """The first option with this code, as text."""
    return first_option(options, code).decode("utf-8", "replace")


def direction_of(options: Iterable[Option], order: Order) -> int:
    """`INBOUND`, `OUTBOUND`, or 0 where a packet's options do not say."""
    flags = first_option(options, EPB_FLAGS)
    return int(struct.unpack(order + "I", flags)[0]) & 0b11 if len(flags) == 4 else 0


def encode_options(options: Iterable[Option], order: Order = "<") -> bytes:
    """Options as bytes, closed by opt_endofopt; nothing at all if there is none."""
    parts = [
        struct.pack(order + "HH", code, len(value)) + _padded(value)
        for code, value in options
    ]
    return b"".join(parts) + bytes(4) if parts else b""


def decode_options(data: bytes, order: Order) -> tuple[Option, ...]:
    """Options out of bytes; a damaged one ends the list without an error."""
    options: list[Option] = []
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == END or at + 4 + length > len(data):
            break
        options.append((code, data[at + 4 : at + 4 + length]))
        at += 4 + _round_up(length)
    return tuple(options)


def section_block(options: Iterable[Option] = (), order: Order = "<") -> Block:
    """A section header of unknown length, version 1.0."""
    head = struct.pack(order + "IHHq", BYTE_ORDER_MAGIC, 1, 0, -1)
    return Block(SECTION, head + encode_options(options, order), order)


def interface_block(interface: Interface, order: Order = "<") -> Block:
    """An interface description block."""
    head = struct.pack(order + "HHI", interface.link_type, 0, interface.snap_length)
    return Block(INTERFACE, head + encode_options(interface.options, order), order)


def packet_block(packet: Packet, order: Order = "<") -> Block:
    """An enhanced packet block."""
    head = struct.pack(
        order + "IIIII",
        packet.interface,
        packet.ticks >> 32,
        packet.ticks & 0xFFFFFFFF,
        len(packet.data),
        packet.original_length,
    )
    options = encode_options(packet.options, order)
    return Block(PACKET, head + _padded(packet.data) + options, order)


def decode_interface(block: Block) -> Interface:
    """What an interface description block says."""
    _at_least(block, 8)
    link_type, _, snap = struct.unpack_from(block.order + "HHI", block.body)
    return Interface(link_type, snap, decode_options(block.body[8:], block.order))


def decode_packet(block: Block) -> Packet:
    """What an enhanced packet block says."""
    _at_least(block, 20)
    number, high, low, captured, original = struct.unpack_from(
        block.order + "IIIII", block.body
    )
    _at_least(block, 20 + captured)
    data = block.body[20 : 20 + captured]
    rest = block.body[20 + _round_up(captured) :]
    options = decode_options(rest, block.order)
    return Packet(number, high << 32 | low, data, original, options)


def read_block(data: bytes) -> Block:
    """One whole block that is no section header; its lengths tell the byte order."""
    big = int.from_bytes(data[4:8], "big") == len(data)
    order: Order = ">" if big else "<"
    kind = struct.unpack_from(order + "I", data)[0]
    return Block(kind, data[8:-4], order)


def packet_data(block: Block) -> bytes:
    """The frame in an enhanced packet block, without reading the rest."""
    _at_least(block, 20)
    captured = struct.unpack_from(block.order + "I", block.body, 12)[0]
    return block.body[20 : 20 + captured]


class BlockReader:
    """Iterates over the blocks of a stream, up to its end or to where it was cut.

    After the iteration `truncated` says in words what was missing, or is None. A
    stream that is damaged rather than cut raises `CaptureError`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.truncated: str | None = None
        self.at = 0  # where in the stream the block began that came last
        self.end = 0  # where it ended

    def __iter__(self) -> Iterator[Block]:
        order: Order = "<"
        at = 0
        while head := self._stream.read(8):
            if len(head) < 8:
                self.truncated = f"cut off in the head of the block at byte {at}"
                return
            rest = b""
            if head[:4] == SECTION.to_bytes(4, "big"):
                rest = self._stream.read(4)
                if len(rest) < 4:
                    self.truncated = f"cut off in the section header at byte {at}"
                    return
                order = section_order(rest, at)
            kind, size = struct.unpack(order + "II", head)
            if size < 12 + len(rest) or size % 4 or size > MAX_BLOCK_BYTES:
                raise CaptureError(f"block at byte {at} gives its length as {size}")
            rest += self._stream.read(size - 8 - len(rest))
            if len(rest) < size - 8:
                got = len(rest) + 8
                self.truncated = (
                    f"cut off in the block at byte {at}: {got} of {size} bytes"
                )
                return
            if struct.unpack_from(order + "I", rest, size - 12)[0] != size:
                raise CaptureError(f"block at byte {at} disagrees about its length")
            self.at, self.end = at, at + size
            yield Block(kind, rest[:-4], order)
            at += size


def section_order(magic: bytes, at: int) -> Order:
    if magic == BYTE_ORDER_MAGIC.to_bytes(4, "little"):
        return "<"
    if magic == BYTE_ORDER_MAGIC.to_bytes(4, "big"):
        return ">"
    raise CaptureError(f"section header at byte {at} has no byte-order magic")


def _at_least(block: Block, size: int) -> None:
    if len(block.body) < size:
        raise CaptureError(
            f"a block of type {block.kind} has {len(block.body)} bytes, not {size}"
        )


def _round_up(length: int) -> int:
    return (length + 3) & ~3  # every value is padded to 32 bits, section 3.5


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
