"""pcapng blocks go to bytes and back, in both byte orders, and survive a cut."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.captures import pcapng
from filterlab.captures.frames import FrameReader
from filterlab.captures.pcapng import (
    Block,
    BlockReader,
    CaptureError,
    Interface,
    Packet,
)

orders = st.sampled_from(["<", ">"])
texts = st.text(max_size=40).map(str.encode)
options = st.lists(st.tuples(st.integers(1, 0xFFFF), texts), max_size=4).map(tuple)
packets = st.builds(
    Packet,
    interface=st.integers(0, 3),
    ticks=st.integers(0, 2**64 - 1),
    data=st.binary(max_size=80),
    original_length=st.integers(0, 2**32 - 1),
    options=options,
)


def read(data: bytes) -> tuple[list[Block], str | None]:
    reader = BlockReader(BytesIO(data))
    return list(reader), reader.truncated


@given(packets, orders)
def test_a_packet_comes_back_as_it_went(packet: Packet, order: pcapng.Order) -> None:
    block = pcapng.packet_block(packet, order)
    section = pcapng.section_block(order=order)
    blocks, truncated = read(section.encode() + block.encode())
    assert truncated is None
    assert pcapng.decode_packet(blocks[1]) == packet


@given(options, orders, st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1))
def test_an_interface_comes_back_as_it_went(
    given_options: tuple[pcapng.Option, ...],
    order: pcapng.Order,
    link_type: int,
    snap: int,
) -> None:
    interface = Interface(link_type, snap, given_options)
    block = pcapng.interface_block(interface, order)
    assert pcapng.decode_interface(block) == interface


@given(st.integers(7, 2**31), st.binary(max_size=40), orders)
def test_unknown_blocks_are_kept_byte_for_byte(
    kind: int, body: bytes, order: pcapng.Order
) -> None:
    if kind == pcapng.SECTION:
        return
    data = (
        pcapng.section_block(order=order).encode() + Block(kind, body, order).encode()
    )
    blocks, _ = read(data)
    assert b"".join(block.encode() for block in blocks) == data


@given(st.lists(packets, min_size=1, max_size=4), orders, st.data())
def test_a_cut_file_is_read_up_to_the_cut(
    some: list[Packet], order: pcapng.Order, data: st.DataObject
) -> None:
    parts = [pcapng.section_block(order=order).encode()]
    parts += [pcapng.packet_block(packet, order).encode() for packet in some]
    whole = b"".join(parts)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [sum(map(len, parts[: n + 1])) for n in range(len(parts))]
    blocks, truncated = read(whole[:cut])
    assert len(blocks) == sum(end <= cut for end in ends)
    assert (truncated is None) == (cut in (0, *ends))


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_a_capture_error(data: bytes) -> None:
    start = pcapng.section_block().encode()
    interface = pcapng.interface_block(Interface()).encode()
    for bytes_ in (data, start + data, start + interface + data):
        try:
            list(FrameReader(BytesIO(bytes_)))
        except CaptureError as error:
            assert str(error)


def test_lengths_that_disagree_are_damage_and_not_a_cut() -> None:
    data = bytearray(pcapng.section_block().encode())
    data[-4] ^= 0xFF
    with pytest.raises(CaptureError, match="disagrees about its length"):
        read(bytes(data))


def test_a_length_out_of_reason_is_refused() -> None:
    data = pcapng.section_block().encode() + struct.pack("<II", 6, 0xFFFFFFFC)
    with pytest.raises(CaptureError, match="gives its length as"):
        read(data)


@pytest.mark.parametrize(
    ("resolution", "ticks", "nanoseconds"),
    [
        (b"", 1_500_000, 1_500_000_000),  # microseconds where the file says nothing
        (b"\x09", 1_500_000_000, 1_500_000_000),
        (b"\x03", 1_500, 1_500_000_000),
        (b"\x81", 3, 1_500_000_000),  # halves of a second
        (b"\x0c", 1_500_000_000_000, 1_500_000_000),
    ],
)
def test_time_has_the_resolution_that_the_interface_names(
    resolution: bytes, ticks: int, nanoseconds: int
) -> None:
    given_options = ((pcapng.IF_TSRESOL, resolution),) if resolution else ()
    interface = Interface(options=given_options)
    assert interface.nanoseconds(ticks, "<") == nanoseconds


def test_time_has_the_offset_that_the_interface_names() -> None:
    interface = Interface(options=((pcapng.IF_TSOFFSET, struct.pack(">q", 10)),))
    assert interface.nanoseconds(1, ">") == 10_000_001_000


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("direction", [pcapng.INBOUND, pcapng.OUTBOUND])
def test_direction_is_read_in_either_byte_order(
    order: pcapng.Order, direction: int
) -> None:
    flags = struct.pack(order + "I", direction | 0xFF000000)  # link-layer errors too
    found = pcapng.direction_of([(pcapng.EPB_FLAGS, flags)], order)
    assert found == direction
