"""Finds the first ClientHello of a capture, and counts the parts that it came in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from filterlab.captures.frames import read_frames
from filterlab.inspection.flow import TCP
from filterlab.inspection.packet import dissect

HANDSHAKE, CLIENT_HELLO = 22, 1  # RFC 8446, 5.1 and 4
RECORD_HEADER = 5  # bytes, RFC 8446, 5.1
_HTTPS = 443


@dataclass(frozen=True, slots=True)
class Hello:
    """The lengths of a hello's TLS records, and of the TCP segments that bear them."""

    kind: int
    records: list[int]
    segments: list[int]


def client_hello(path: Path) -> Hello:
    """The first hello on its way to a web server; repeated segments count once."""
    segments: dict[int, bytes] = {}
    sender: tuple[bytes, int] | None = None
    for frame in read_frames(path):
        packet = dissect(frame.data)
        if packet is None or packet.protocol != TCP or packet.dst_port != _HTTPS:
            continue
        if not packet.payload:
            continue
        sender = sender or (packet.src, packet.src_port)
        if sender == (packet.src, packet.src_port):
            segments.setdefault(packet.seq, packet.payload)
    stream = b"".join(segments[seq] for seq in sorted(segments))
    records, message = _records(stream)
    end = sum(records) + RECORD_HEADER * len(records)
    lengths, at = [], 0
    for seq in sorted(segments):
        if at < end:
            lengths.append(len(segments[seq]))
        at += len(segments[seq])
    return Hello(message[0], records, lengths)


def _records(stream: bytes) -> tuple[list[int], bytes]:
    """The records up to the end of the first handshake message, and that message."""
    lengths, message, at = list[int](), b"", 0
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4]):
        assert stream[at] == HANDSHAKE
        length = int.from_bytes(stream[at + 3 : at + 5])
        message += stream[at + RECORD_HEADER :][:length]
        lengths.append(length)
        at += RECORD_HEADER + length
    return lengths, message
