"""What every recogniser is: bytes of one flow in, a finding out.

A recogniser is made for one flow and holds that flow's state. It is fed what the box
could read, piece by piece, and answers with a finding, NEED_DATA or NOT_MINE; it says
NEED_DATA rather than guess, and no bytes make it raise. Once it has answered with a
finding or NOT_MINE it is not asked again. A datagram is always fed whole.

An observer is a recogniser that goes by packets: their sizes, directions and times, or
the very first payload. It is given each packet as it came, instead of the bytes that
the box put in order.

Most recognisers find the protocol of their own name; one that finds others, or none,
lists what it finds in `protocols`. A rule waits only for those that can say what it
asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Literal, NamedTuple, Protocol

from filterlab.inspection.features import Window
from filterlab.inspection.packet import Packet


class Direction(Enum):
    """Which way the bytes go."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"


class Answer(Enum):
    """What a recogniser says when it has found nothing."""

    NEED_DATA = "more bytes are needed to say"
    NOT_MINE = "this flow is something else"


NEED_DATA: Literal[Answer.NEED_DATA] = Answer.NEED_DATA
NOT_MINE: Literal[Answer.NOT_MINE] = Answer.NOT_MINE


class Finding(NamedTuple):
    """What a flow is, and the fields read from it (keys of `fields.FIELDS`).

    `message` holds the bytes that an answer is forged from, where one can be. A
    finding that only describes a flow and does not say what it is has no `protocol`.
    """

    protocol: str
    fields: Mapping[str, tuple[str, ...]]
    message: bytes = b""


@dataclass(frozen=True, slots=True)
class QuicReading:
    """How carefully a box reads QUIC; the defaults are those of a careful one.

    `versions` are those that it opens, by name (None: all that are known). `joins` says
    across what it puts a ClientHello together: `nothing` reads one CRYPTO frame.
    """

    opens: bool = True  # decrypts Initials, for the ClientHello inside
    versions: frozenset[str] | None = None
    joins: Literal["datagrams", "packets", "frames", "nothing"] = "datagrams"
    checks_header: bool = True  # else the four bytes of the version alone say QUIC
    checks_tag: bool = True  # of the AEAD; without it, a packet may be cut short
    empty_ids: bool = True  # reads packets both of whose connection ids are empty
    other_frames: bool = True  # reads on past frames that stand before CRYPTO
    fills_empty: bool = False  # a CRYPTO frame of no length holds all that follows


UNOPENED = QuicReading(opens=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """How carefully a box reads what the transport gave it."""

    joins_records: bool = True  # a TLS message spread over several records
    quic: QuicReading = UNOPENED
    cut_hello: bool = True  # of a ClientHello whose end has not come, what is there
    cut_record: bool = True  # of one whose record ends too early, what the record has
    keeps_dot: bool = False  # a server name's final dot counts


class Recogniser(Protocol):
    """One protocol's recogniser; a class with these is all that a new one needs."""

    name: ClassVar[str]
    transports: ClassVar[frozenset[int]]  # IANA protocol numbers
    byte_limit: ClassVar[int]  # it answers before it has been fed more than this
    each_message: ClassVar[bool]  # every datagram of a flow is a question of its own
    source: ClassVar[str]
    false_positives: ClassVar[str]

    def __init__(self, transport: int, reading: Reading) -> None:
        """Start on a flow of this transport."""

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes of one direction."""

    def conclude(self) -> Finding | Answer:
        """Nothing more will come: what the bytes so far say (never NEED_DATA)."""


class Observer(Recogniser, Protocol):
    """A recogniser that is given packets instead of bytes.

    One that is `patient` (a class attribute) learns nothing from an empty packet, so
    that it need not be made before somebody has spoken.
    """

    def observe(
        self, packet: Packet, from_client: bool, now: float
    ) -> Finding | Answer:
        """Take the next packet that has a payload or opens the connection."""


class Sizer(Observer, Protocol):
    """An observer that, from some point on, goes by packets' sizes and times alone."""

    @property
    def by_size(self) -> bool:
        """Whether that point has been reached."""

    def sized(
        self, from_client: bool, size: int, end: int, now: float
    ) -> Finding | Answer:
        """Take the next packet that has a payload; `end`: the number after it."""


class Measurer(Observer, Protocol):
    """An observer that only measures: it asks a window once, at this many packets.

    Made alone it keeps a window of its own; a box keeps one for all of them.
    """

    packets: ClassVar[int]

    @staticmethod
    def measured(window: Window) -> Finding | Answer:
        """What a window of so many packets says, or of fewer if no more come."""


def host_name(raw: bytes) -> str:
    """A host name as rules compare it: lower case, without a trailing dot."""
    return raw.decode("latin-1").strip().lower().removesuffix(".")
