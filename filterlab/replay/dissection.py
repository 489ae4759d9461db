"""Shows for one flow what each recogniser saw, up to the byte where it decided.

The flow is read as a careful box reads it: each direction in order, each recogniser
given one byte at a time in a stream, and whole datagrams. What a policy's own stack
model would have read of it may be less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from filterlab.inspection.catalogue import RECOGNISERS
from filterlab.inspection.flow import TCP, Ends
from filterlab.inspection.packet import SYN, Packet, dissect
from filterlab.inspection.recogniser import (
    NEED_DATA,
    Answer,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.stream import Reassembly
from filterlab.policy.ends import ends_of, is_from_server
from filterlab.replay.feed import Feed
from filterlab.replay.headers import ethernet_frame

READ_BYTES = 65_536  # of a flow; no recogniser asks for more
SHOWN_BYTES = 32  # two rows of a hex dump, up to the byte that decided


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one direction, in order, and the frame that brought them."""

    row: int
    direction: Direction
    data: bytes
    packet: Packet


def explain(feed: Feed, number: int) -> Iterator[str]:
    """What each recogniser saw of the flow that a frame belongs to.

    `number` is the frame's in the first capture. Raises LookupError if no such frame
    was given to the exchange, or if it is of no flow.
    """
    rows = ((feed.numbers == number) & (feed.captures == 0)).nonzero()[0]
    if not len(rows):
        raise LookupError(f"there is no frame {number} that came to the exchange")
    packet = dissect(ethernet_frame(feed.index, int(rows[0])))
    if packet is None or not packet.whole:
        raise LookupError(f"frame {number} is of no flow that can be read")
    pieces = list(_pieces(feed, _unordered(ends_of(packet, True))))
    up = sum(len(p.data) for p in pieces if p.direction is Direction.TO_SERVER)
    down = sum(len(p.data) for p in pieces) - up
    yield f"{up:,} bytes to the server and {down:,} to the client, in order"
    for name, make in RECOGNISERS.items():
        if packet.protocol not in make.transports:
            continue
        recogniser = make(packet.protocol, Reading())
        observe = getattr(recogniser, "observe", None)
        if observe is not None:
            yield from _observed(name, observe, feed, pieces)
        else:
            yield from _fed(name, recogniser.feed, recogniser.conclude, feed, pieces)


def _unordered(ends: Ends) -> tuple[int, frozenset[tuple[bytes, int]]]:
    protocol, src, src_port, dst, dst_port = ends
    return protocol, frozenset(((src, src_port), (dst, dst_port)))


def _pieces(
    feed: Feed, wanted: tuple[int, frozenset[tuple[bytes, int]]]
) -> Iterator[Piece]:
    """The flow's bytes, until no recogniser asks for more."""
    streams: dict[bool, Reassembly] = {}
    client: tuple[bytes, int] | None = None
    left = READ_BYTES
    for row in range(len(feed.index)):
        packet = dissect(ethernet_frame(feed.index, row))
        if packet is None or _unordered(ends_of(packet, True)) != wanted:
            continue
        if client is None:
            _, address, port, _, _ = ends_of(packet, not is_from_server(packet))
            client = address, port
        up = (packet.src, packet.src_port) == client
        data = packet.payload
        if packet.protocol == TCP:
            stream = streams.setdefault(up, Reassembly(READ_BYTES))
            seq = packet.seq
            if packet.flags & SYN:
                seq = (seq + 1) & 0xFFFFFFFF
                stream.begin(seq)
            data = stream.push(seq, data) if data else b""
        direction = Direction.TO_SERVER if up else Direction.TO_CLIENT
        if data or packet.flags & SYN:
            yield Piece(row, direction, data[:left], packet)
        left -= len(data)
        if left <= 0:
            return


def _observed(
    name: str,
    observe: Callable[[Packet, bool, float], Finding | Answer],
    feed: Feed,
    pieces: list[Piece],
) -> Iterator[str]:
    """A recogniser that goes by whole packets."""
    for count, piece in enumerate(pieces, 1):
        up = piece.direction is Direction.TO_SERVER
        said = observe(piece.packet, up, float(feed.seconds[piece.row]))
        if said is not NEED_DATA:
            frame = int(feed.numbers[piece.row])
            yield f"  {name:<14} {_words(said)}, by packet {count} (frame {frame})"
            return
    yield f"  {name:<14} undecided after {len(pieces)} packets"


def _fed(
    name: str,
    feed_it: Callable[[Direction, bytes], Finding | Answer],
    conclude: Callable[[], Finding | Answer],
    feed: Feed,
    pieces: list[Piece],
) -> Iterator[str]:
    """A recogniser that goes by bytes."""
    seen = {Direction.TO_SERVER: bytearray(), Direction.TO_CLIENT: bytearray()}
    for piece in pieces:
        is_stream = piece.packet.protocol == TCP
        size = 1 if is_stream else max(1, len(piece.data))
        for at in range(0, len(piece.data), size):
            data = piece.data[at : at + size]
            seen[piece.direction] += data
            said = feed_it(piece.direction, data)
            if said is NEED_DATA:
                continue
            count = len(seen[piece.direction])
            frame = int(feed.numbers[piece.row])
            where = f"byte {count:,} {piece.direction.value} (frame {frame})"
            yield f"  {name:<14} {_words(said)}, at {where}"
            if is_stream or isinstance(said, Finding):
                yield from _dump(bytes(seen[piece.direction]))
            return
    total = sum(map(len, seen.values()))
    yield f"  {name:<14} undecided after {total:,} bytes; then {_words(conclude())}"


def _words(said: Finding | Answer) -> str:
    if not isinstance(said, Finding):
        return "not mine"
    found = [f"{key} = {', '.join(v)}" for key, v in said.fields.items()]
    text = f"{said.protocol}: {'; '.join(found)}" if found else said.protocol
    return "".join(c if c.isprintable() else "?" for c in text)


def _dump(data: bytes) -> Iterator[str]:
    """The last bytes up to here, sixteen a row, as `xxd` has them."""
    first = max(0, len(data) - SHOWN_BYTES) // 16 * 16
    for at in range(first, len(data), 16):
        row = data[at : at + 16]
        shown = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
        yield f"      {at:05x}  {row.hex(' '):<47}  {shown}"
