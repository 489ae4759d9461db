"""How a box follows connections, apart from what it looks for in them.

This is where published censors differ most (design, section 5). The defaults are those
of a careful box: it reads only what the server would take, and whatever the server
would read. Values only; `filterlab.inspection` acts on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from filterlab.inspection.recogniser import UNOPENED, QuicReading
from filterlab.inspection.tracking import Event


class Grade(StrEnum):
    """How carefully a box puts a stream together before it looks."""

    PACKET = "packet"  # each packet on its own
    SEGMENT = "segment"  # one TCP segment at a time, in order
    TCP = "tcp"  # the reassembled TCP stream
    TLS_RECORD = "tls-record"  # the TCP stream, with TLS records joined as well


@dataclass(frozen=True, slots=True)
class StackModel:
    """How a box follows connections.

    `hops`: how far behind the box servers are; a client's packet with a smaller TTL
    is passed over (RFC 1812, 5.3.1), 0 believes all. `options` says which TCP options
    a segment may have. `opened` says on which side a connection's first packet must
    come from to be read, `reads` whose data is. `gives_up_bytes`: a box that reads
    piece by piece leaves a flow alone after a piece so long that it knows nothing in.
    `most_packets`: one that leaves a connection alone once more have come.
    `overlap` says which bytes stay where segments overlap that came early.
    """

    grade: Grade = Grade.TLS_RECORD
    needs_syn: bool = True
    needs_syn_ack: bool = False
    syn_anew: bool = True  # another SYN begins the connection anew
    checks_checksum: bool = True
    checks_seq: bool = True  # a box that keeps order does so in any case
    checks_ack: bool = True
    checks_offset: bool = True
    options: Literal["any", "known", "none"] = "any"
    hops: int = 0
    opened: Literal["inside", "outside", "either"] = "either"
    datagrams: Literal["flow", "each"] = "flow"  # judged with those before it?
    reads: Literal["client", "server", "both"] = "both"
    tells_ends: bool = True
    out_of_order: Literal["hold", "skip"] = "hold"
    overlap: Literal["first", "last"] = "first"
    syn_data: bool = True  # what a SYN carries counts
    short_first: int = 0  # a stream whose first segment is no longer is left alone
    cut_hello: bool = True  # reads of a ClientHello what has come of it
    cut_record: bool = True  # reads one whose TLS record ends before it does
    final_dot: Literal["ignored", "kept"] = "ignored"
    fragments: Literal["read", "pass", "drop", "hold"] = "read"
    fragments_most: int = 64  # of one datagram; Linux, ipfrag_max_dist
    gives_up_bytes: int | None = None
    known_once: bool = False  # of pieces, the first that may be something decides
    inspect_bytes: int = 16_384  # one TLS record at its largest (RFC 8446, 5.1)
    inspect_packets: int = 64
    most_packets: int | None = None  # of a connection, empty ones too
    max_flows: int = 1_000_000
    when_full: Literal["open", "closed"] = "open"
    idle_seconds: float = 120.0
    quic: QuicReading = UNOPENED  # once it opens them, `tls.` keys hold of QUIC too
    teardown: tuple[Event, ...] = ()
    resync: tuple[Event, ...] = ()
