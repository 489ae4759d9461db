"""Turns a capture file into columns: where each frame lies, its time, its direction.

`filterlab.captures.frames` reads the same files frame by frame; this reads them for
who wants millions of frames a second. Only the lengths are followed one by one, the
rest is read by columns. Classic pcap: draft-ietf-opsawg-pcap; pcapng:
draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filterlab.captures import pcapng
from filterlab.captures.frames import CLASSIC, MAX_RECORD_BYTES
from filterlab.captures.pcapng import CaptureError

Numbers = NDArray[np.int64]
Octets = NDArray[np.uint8]

INJECTED = b"filterlab: injected"  # how `annotate` marks what an exchange made
_BLOCK, _PACKET = 12, 28  # bytes of a block without body; of a packet block's head
_FAR = 2**62  # nanoseconds; a century and a half, and no overflow
_FLAGS_OPTION = 8  # code, length and value of epb_flags (section 4.3)


@dataclass(frozen=True, slots=True)
class Index:
    """Every whole frame of a capture, one array an attribute, in file order.

    `description` is of each interface (if_description); `interface` says which one
    a frame is of. `truncated` says in words where the file was cut off, or is None.
    """

    data: Octets
    start: Numbers
    length: Numbers
    nanoseconds: Numbers  # since 1970
    link_type: Numbers
    interface: Numbers
    direction: Numbers  # pcapng.INBOUND, pcapng.OUTBOUND or 0
    injected: NDArray[np.bool_]  # by a comment of `annotate`
    descriptions: tuple[str, ...] = ()
    truncated: str | None = None

    def __len__(self) -> int:
        return len(self.start)

    def frame(self, number: int) -> bytes:
        """The bytes of one frame; here numbers count from 0."""
        start = int(self.start[number])
        return self.data[start : start + int(self.length[number])].tobytes()


@dataclass(slots=True)
class Section:
    """One section of a file while it is read."""

    order: pcapng.Order = "<"
    interfaces: list[pcapng.Interface] = field(default_factory=list)
    packets: list[int] = field(default_factory=list)  # where their blocks begin
    sizes: list[int] = field(default_factory=list)  # 0: a simple packet block


def read_index(path: Path) -> Index:
    """The columns of a capture file; raises CaptureError, and OSError."""
    with path.open("rb") as stream:
        magic = stream.read(4)
        if magic in CLASSIC or magic == pcapng.SECTION.to_bytes(4, "big"):
            whole = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            data = np.frombuffer(whole, np.uint8)
            if magic in CLASSIC:
                return _classic(whole, data, *CLASSIC[magic])
            return _next_generation(whole, data)
    raise CaptureError("neither pcapng nor pcap: the first bytes say nothing")


def _classic(whole: mmap.mmap, data: Octets, order: str, unit: int) -> Index:
    if len(whole) < 24:
        return _joined(data, [], (), "cut off in the file header")
    link_type = struct.unpack_from(order + "I", whole, 20)[0] & 0x0FFFFFFF
    at, after = _classic_starts(whole, order)
    head = _words(data, at, 3, order)
    strange = np.flatnonzero(head[:, 2] > MAX_RECORD_BYTES)
    if len(strange):
        number, captured = int(strange[0]) + 1, int(head[strange[0], 2])
        raise CaptureError(f"frame {number} gives its length as {captured}")
    truncated = None
    if after > len(whole):
        truncated = f"cut off in frame {len(at)}"
        at, head = at[:-1], head[:-1]
    elif after < len(whole):
        truncated = f"cut off in the header of frame {len(at) + 1}"
    count = len(at)
    columns = Columns(
        at + 16,
        head[:, 2],
        head[:, 0] * 1_000_000_000 + head[:, 1] * unit,
        np.full(count, link_type, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.bool_),
    )
    return _joined(data, [columns], ("",), truncated)


def _classic_starts(whole: mmap.mmap, order: str) -> tuple[Numbers, int]:
    """Where frames begin, and where the next one would: believing every length."""
    length = struct.Struct(order + "I").unpack_from
    starts: list[int] = []
    note, at, last = starts.append, 24, len(whole) - 16
    while at <= last:
        note(at)
        at += 16 + length(whole, at + 8)[0]
    return np.array(starts, np.int64), at


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one section, as `Index` has them of all."""

    start: Numbers
    length: Numbers
    nanoseconds: Numbers
    link_type: Numbers
    interface: Numbers
    direction: Numbers
    injected: NDArray[np.bool_]


def _joined(
    data: Octets,
    parts: list[Columns],
    descriptions: tuple[str, ...],
    truncated: str | None,
) -> Index:
    def column(name: str, kind: type) -> NDArray[np.generic]:
        arrays = [getattr(part, name) for part in parts]
        return np.concatenate(arrays) if arrays else np.zeros(0, kind)

    names = [name for name in Columns.__slots__ if name != "injected"]
    numbers = {name: column(name, np.int64) for name in names}
    injected = column("injected", np.bool_)
    return Index(
        data,
        **numbers,  # type: ignore[arg-type]
        injected=injected,  # type: ignore[arg-type]
        descriptions=descriptions,
        truncated=truncated,
    )


def _next_generation(whole: mmap.mmap, data: Octets) -> Index:
    parts: list[Columns] = []
    descriptions: list[str] = []
    walk = Walk(whole)
    number = 0
    for section in walk.sections():
        parts.append(_section(whole, data, section, number, len(descriptions)))
        number += len(section.packets)
        descriptions += [
            pcapng.text_option(interface.options, pcapng.IF_DESCRIPTION)
            for interface in section.interfaces
        ]
    return _joined(data, parts, tuple(descriptions), walk.truncated)


class Walk:
    """Follows the lengths of a pcapng file from block to block."""

    def __init__(self, whole: mmap.mmap) -> None:
        self._whole = whole
        self.truncated: str | None = None

    def sections(self) -> Iterator[Section]:
        """Each section, once its end has been reached."""
        whole, size = self._whole, len(self._whole)
        section: Section | None = None
        at = 0
        while at < size:
            if at + 8 > size:
                self.truncated = f"cut off in the head of the block at byte {at}"
                break
            if whole[at : at + 4] == b"\x0a\x0d\x0d\x0a":
                if at + 12 > size:
                    self.truncated = f"cut off in the section header at byte {at}"
                    break
                if section is not None:
                    yield section
                order = pcapng.section_order(whole[at + 8 : at + 12], at)
                section = Section(order)
            assert section is not None  # the file begins with one
            at = self._blocks(section, at)
        if section is not None:
            yield section

    def _blocks(self, section: Section, at: int) -> int:
        """Note the blocks from here to the next section's header; where that is."""
        whole, size = self._whole, len(self._whole)
        heads = struct.Struct(section.order + "II").unpack_from
        first = at
        while at + 8 <= size:
            kind, block = heads(whole, at)
            if kind == pcapng.SECTION and at > first:
                return at
            least = 16 if kind == pcapng.SECTION else 12
            if block < least or block % 4 or block > pcapng.MAX_BLOCK_BYTES:
                raise CaptureError(f"block at byte {at} gives its length as {block}")
            if at + block > size:
                got = f"{size - at} of {block} bytes"
                self.truncated = f"cut off in the block at byte {at}: {got}"
                return size
            if heads(whole, at + block - 8)[1] != block:
                raise CaptureError(f"block at byte {at} disagrees about its length")
            if kind == pcapng.PACKET:
                section.packets.append(at)
                section.sizes.append(block)
            elif kind == pcapng.SIMPLE:
                section.packets.append(at)
                section.sizes.append(0)
            elif kind == pcapng.INTERFACE:
                body = whole[at + 8 : at + block - 4]
                described = pcapng.Block(kind, body, section.order)
                section.interfaces.append(pcapng.decode_interface(described))
            at += block
        return at


def _section(
    whole: mmap.mmap, data: Octets, section: Section, before: int, described: int
) -> Columns:
    """The columns of a section that comes after so many frames and interfaces."""
    at, sizes = np.array(section.packets, np.int64), np.array(section.sizes, np.int64)
    if (sizes > 0).any() and int(sizes[sizes > 0].min()) < _PACKET + 4:
        short = int(sizes[sizes > 0].min()) - _BLOCK
        raise CaptureError(f"a block of type 6 has {short} bytes, not 20")
    head = _words(data, at, 7, section.order)
    is_simple = sizes == 0
    if is_simple.any():
        _read_simple(head, at, is_simple, section)
    interface, captured = head[:, 2], head[:, 5]
    start = at + np.where(is_simple, 12, _PACKET)
    if len(at):
        _check(interface, captured, sizes, section, before)
    direction, injected = _options(whole, data, section, at, sizes, captured)
    links = np.array([i.link_type for i in section.interfaces] or [0], np.int64)
    return Columns(
        start,
        captured,
        _times(head, section),
        links[interface] if len(at) else at,
        interface + described,
        direction,
        injected,
    )


def _check(
    interface: Numbers, captured: Numbers, sizes: Numbers, section: Section, before: int
) -> None:
    strange = np.flatnonzero(interface >= len(section.interfaces))
    if len(strange):
        number = before + int(strange[0]) + 1
        raise CaptureError(f"frame {number} is of an interface that is not described")
    over = np.flatnonzero((sizes > 0) & (captured > sizes - _PACKET - 4))
    if len(over):
        which = int(over[0])
        held, wanted = int(sizes[which]) - _BLOCK, 20 + int(captured[which])
        raise CaptureError(f"a block of type 6 has {held} bytes, not {wanted}")


def _read_simple(
    head: Numbers, at: Numbers, is_simple: NDArray[np.bool_], section: Section
) -> None:
    """Put simple packet blocks (section 4.4) into the form of the others."""
    snap = section.interfaces[0].snap_length if section.interfaces else 0
    for row in np.flatnonzero(is_simple):
        size, original = int(head[row, 1]), int(head[row, 2])
        if size < _BLOCK + 4:
            raise CaptureError("a simple packet block without its length")
        captured = min(original, snap or original, size - _BLOCK - 4)
        head[row, 2:7] = (0, 0, 0, captured, original)


def _times(head: Numbers, section: Section) -> Numbers:
    """The times of packet blocks, each in its interface's resolution."""
    ticks = head[:, 3] << 32 | head[:, 4]
    result = ticks * 1_000  # section 4.2: microseconds where nothing is said
    for number, interface in enumerate(section.interfaces):
        resolution = pcapng.first_option(interface.options, pcapng.IF_TSRESOL)
        offset = pcapng.first_option(interface.options, pcapng.IF_TSOFFSET)
        of_this = head[:, 2] == number
        if resolution[:1] == b"\x09" and not offset:
            result[of_this] = ticks[of_this]
        elif (resolution[:1] or b"\x06") != b"\x06" or offset:
            exact = [
                max(-_FAR, min(_FAR, interface.nanoseconds(tick, section.order)))
                for tick in ticks[of_this].tolist()
            ]
            result[of_this] = exact
    return result


def _options(
    whole: mmap.mmap,
    data: Octets,
    section: Section,
    at: Numbers,
    sizes: Numbers,
    captured: Numbers,
) -> tuple[Numbers, NDArray[np.bool_]]:
    """The direction of each packet, and whether a comment calls it injected."""
    direction = np.zeros(len(at), np.int64)
    injected = np.zeros(len(at), np.bool_)
    options = at + _PACKET + (captured + 3 & ~3)
    room = at + sizes - 4 - options
    some = np.flatnonzero((sizes > 0) & (room >= _FLAGS_OPTION))
    if not len(some):
        return direction, injected
    pairs = _halves(data, options[some], section.order)
    is_flags = (pairs[:, 0] == pcapng.EPB_FLAGS) & (pairs[:, 1] == 4)
    low = pairs[:, 2 if section.order == "<" else 3]
    direction[some[is_flags]] = low[is_flags] & 0b11
    ends = options[some] + _FLAGS_OPTION
    more = room[some] >= _FLAGS_OPTION + 4
    more[more] = _halves(data, ends[more], section.order, 1)[:, 0] != pcapng.END
    for row in some[(~is_flags & (pairs[:, 0] != pcapng.END)) | more]:
        start, end = int(options[row]), int(at[row] + sizes[row] - 4)
        read = pcapng.decode_options(whole[start:end], section.order)
        direction[row] = pcapng.direction_of(read, section.order)
        injected[row] = any(
            code == pcapng.COMMENT and value.startswith(INJECTED)
            for code, value in read
        )
    return direction, injected


def _words(data: Octets, at: Numbers, count: int, order: str) -> Numbers:
    """So many 32-bit numbers from each of these places on, a row each."""
    rows = _rows(data, at, count * 4)
    return rows.view(order + "u4").astype(np.int64)


def _halves(data: Octets, at: Numbers, order: str, count: int = 4) -> Numbers:
    """So many 16-bit numbers from each of these places on, a row each."""
    return _rows(data, at, count * 2).view(order + "u2").astype(np.int64)


def _rows(data: Octets, at: Numbers, width: int) -> Octets:
    if not len(at):
        return np.zeros((0, width), np.uint8)
    # A window near the end of the file is filled up with zeros.
    short = at > len(data) - width
    if not short.any():
        windows = np.lib.stride_tricks.sliding_window_view(data, width)
        return windows[at]
    rows = np.zeros((len(at), width), np.uint8)
    rows[~short] = _rows(data, at[~short], width)
    for row in np.flatnonzero(short):
        rest = data[int(at[row]) : int(at[row]) + width]
        rows[row, : len(rest)] = rest
    return rows
