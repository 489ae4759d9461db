"""Recognises QUIC by its version, and reads the ClientHello in its Initials.

Source: RFC 8999, 5.1 and 6 (long header, version negotiation); RFC 9000, 15 (versions)
and 17.2.5 (Retry: new keys); RFC 9001, 5.2; RFC 9368, 2.3 (the client may go on in
another version with the same connection id); RFC 9369. Google's versions before the
RFC (Q046 and on) are named and not opened. The ClientHello may be spread over CRYPTO
frames, packets and datagrams in any order. A box that does not decrypt QUIC reads
the version alone.
"""

from __future__ import annotations

from typing import ClassVar

from filterlab.inspection.client_hello import (
    CLIENT_HELLO,
    MESSAGE_HEADER,
    Carrier,
    Fields,
    read_client_hello,
)
from filterlab.inspection.flow import UDP
from filterlab.inspection.quic import (
    CID_MOST,
    FIXED_BIT,
    LONG_FORM,
    VERSIONS,
    Initial,
    client_keys,
    crypto_frames,
    initials,
    long_header,
    unprotect,
)
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.stream import Reassembly
from filterlab.inspection.vectors import ShortError

_NEGOTIATION = 0  # RFC 8999, 6
_RESERVED, _RESERVED_MASK = 0x0A0A0A0A, 0x0F0F0F0F  # RFC 9000, 15
_LONGEST_HELLO = 16_384  # as in a TLS record


def version_name(number: int) -> str | None:
    """1, 2, draft-N or Google's name; None for what is no version of QUIC."""
    known = VERSIONS.get(number)
    if known is not None:
        return known.name
    written = number.to_bytes(4, "big")
    # Q046, Q050, T050, T051: the long header, with the name as number
    if written[:1] in (b"Q", b"T") and written[1:].isdigit():
        return written.decode("ascii")
    return None


class Quic:
    """Finds the version of a QUIC connection and, decrypted, its ClientHello."""

    name: ClassVar[str] = "quic"
    transports: ClassVar[frozenset[int]] = frozenset((UDP,))
    byte_limit: ClassVar[int] = _LONGEST_HELLO
    each_message: ClassVar[bool] = False
    source: ClassVar[str] = (
        "RFC 9000, 15 and 17.2; RFC 9001, 5.2 to 5.4; RFC 9369, 3; RFC 8999; "
        "draft-ietf-quic-tls-22 to -34"
    )
    false_positives: ClassVar[str] = (
        "none once decrypted (a 16-byte tag vouches for it); by the version alone, any "
        "datagram whose first bytes are those of a long header (1 in 10^10)"
    )

    __slots__ = (
        "_crypto",
        "_dcids",
        "_decrypts",
        "_fed",
        "_first_version",
        "_hello",
        "_offered",
        "_opened",
        "_version",
    )

    def __init__(self, transport: int, reading: Reading) -> None:
        self._decrypts = reading.decrypts_quic
        self._fed = 0
        self._first_version: int | None = None
        self._version = ""
        self._opened = False  # an Initial has been decrypted
        self._offered: tuple[str, ...] = ()  # by the server's version negotiation
        self._dcids: list[bytes] = []  # what keys may have been made of
        self._crypto = Reassembly(self.byte_limit)
        self._crypto.begin(0)
        self._hello = bytearray()

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next datagram of one direction."""
        if self._first_version is None and not _may_open(direction, data):
            return NOT_MINE
        self._fed += len(data)
        if direction is Direction.TO_SERVER:
            said = self._from_client(data)
        else:
            said = self._from_server(data)
        if said is NEED_DATA and self._fed >= self.byte_limit:
            return self.conclude()
        return said

    def conclude(self) -> Finding | Answer:
        """The version alone, with what is whole of the hello."""
        return self._finding() if self._version else NOT_MINE

    def _from_client(self, data: bytes) -> Finding | Answer:
        header = long_header(data)
        if header is None:
            return NEED_DATA if self._first_version is not None else NOT_MINE
        name = version_name(header.version)
        if self._first_version is None:
            self._first_version = header.version
            if name is None and header.version & _RESERVED_MASK != _RESERVED:
                return NOT_MINE
        if name is not None and (not self._version or not self._opened):
            self._version = name
            if not self._decrypts or header.version not in VERSIONS:
                return self._finding()
        for initial in initials(data):
            if self._read(data, initial):
                return self._finding()
        return NEED_DATA

    def _from_server(self, data: bytes) -> Answer:
        header = long_header(data)
        if header is not None and header.version == _NEGOTIATION:
            listed = data[header.end :]
            each = (listed[i : i + 4] for i in range(0, len(listed) - 3, 4))
            numbers = [int.from_bytes(one, "big") for one in each]
            self._offered = tuple(version_name(n) or f"0x{n:08x}" for n in numbers)
        return NEED_DATA

    def _read(self, data: bytes, initial: Initial) -> bool:
        """Take the CRYPTO frames of one Initial; true if the hello is whole."""
        frames = self._frames(data, initial)
        if frames is None:
            return False
        self._opened = True
        for offset, content in crypto_frames(frames):
            # What is not near the start is no hello; the buffer stays bounded.
            if offset + len(content) <= _LONGEST_HELLO:
                self._hello += self._crypto.push(offset, content)
        held = self._hello
        if len(held) < MESSAGE_HEADER:
            return False
        return len(held) >= MESSAGE_HEADER + int.from_bytes(held[1:4], "big")

    def _frames(self, data: bytes, initial: Initial) -> bytes | None:
        header = initial.header
        for dcid in self._dcids:
            keys = client_keys(header.version, dcid)
            if (frames := unprotect(data, initial, keys)) is not None:
                return frames
        if header.dcid in self._dcids:
            return None
        # The first packet's id, and after a Retry the server's (RFC 9001, 5.2)
        keys = client_keys(header.version, header.dcid)
        frames = unprotect(data, initial, keys)
        if frames is not None:
            self._dcids = [*self._dcids[:1], header.dcid]
        return frames

    def _finding(self) -> Finding:
        fields: Fields = {"quic.version": (self._version,)}
        if self._offered:
            fields["quic.supported_version"] = self._offered
        held = bytes(self._hello)
        if held[:1] == bytes((CLIENT_HELLO,)):
            length = int.from_bytes(held[1:MESSAGE_HEADER], "big")
            body = held[MESSAGE_HEADER : MESSAGE_HEADER + length]
            try:
                read_client_hello(body, Carrier.QUIC, fields)
            except ShortError:
                return Finding("quic", fields)  # as far as it goes
        return Finding("quic", fields)


def _may_open(direction: Direction, data: bytes) -> bool:
    """Whether a connection can begin so: decided by the first bytes."""
    both = LONG_FORM | FIXED_BIT
    if direction is Direction.TO_CLIENT or len(data) < 7 or data[0] & both != both:
        return False
    return data[5] <= CID_MOST
