"""Recognises QUIC by its version, and reads the ClientHello in its Initials.

Source: RFC 8999, 5.1 and 6 (long header, version negotiation); RFC 9000, 15 (versions)
and 17.2.5 (Retry: new keys); RFC 9001, 5.2; RFC 9368, 2.3 (the client may go on in
another version with the same connection id); RFC 9369. Google's versions before the
RFC (Q046 and on) are named and not opened. The ClientHello may be spread over CRYPTO
frames, packets and datagrams in any order; a box may be less careful than that
(`QuicReading`). One that does not decrypt QUIC reads the version alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.client_hello import (
    CLIENT_HELLO,
    MESSAGE_HEADER,
    Carrier,
    Fields,
    read_client_hello,
)
from filterlab.inspection.flow import UDP
from filterlab.inspection.opening import Opening
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
_LONG = range(LONG_FORM | FIXED_BIT, 256)
_VERSION_END, _LONG_LEAST = 5, 7  # up to where version and empty ids go
_CRYPTO = b"\x06"  # RFC 9000, 19.6


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
        "_begun",
        "_crypto",
        "_cut_hello",
        "_dcids",
        "_fed",
        "_first_version",
        "_hello",
        "_how",
        "_offered",
        "_opened",
        "_version",
    )

    def __init__(self, transport: int, reading: Reading) -> None:
        self._how = reading.quic
        self._cut_hello = reading.cut_hello
        self._fed = 0
        self._first_version: int | None = None
        self._version = ""
        self._opened = False  # an Initial has been decrypted
        self._offered: tuple[str, ...] = ()  # by the server's version negotiation
        self._dcids: list[bytes] = []  # what keys may have been made of
        self._begun = b""  # a hello that went on where the box does not
        self._begin()

    def _begin(self) -> None:
        """Put a ClientHello together from here on."""
        self._crypto = Reassembly(self.byte_limit)
        self._crypto.begin(0)
        self._hello = bytearray()

    def _begin_again(self, *joins: str) -> None:
        if self._how.joins in joins:
            self._begun = self._begun or bytes(self._hello)
            self._begin()

    @staticmethod
    def opening(reading: Reading) -> Mapping[int, Opening]:
        """How a connection begins, for a box that looks at more than the version."""
        if not reading.quic.checks_header:
            return {UDP: Opening(least=_VERSION_END)}
        cid = range(CID_MOST + 1)
        return {UDP: Opening((_LONG, *[None] * 4, cid), least=_LONG_LEAST)}

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next datagram of one direction."""
        if not self._how.checks_header:
            return _by_version(direction, data)
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
            if not self._how.opens or not self._is_opened(header.version):
                return self._finding()
        self._begin_again("packets")
        for initial in initials(data, cut=not self._how.checks_tag):
            if self._read(data, initial):
                return self._finding()
        return NEED_DATA

    def _is_opened(self, version: int) -> bool:
        wanted = self._how.versions
        known = VERSIONS.get(version)
        return known is not None and (wanted is None or known.name in wanted)

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
        if not self._how.other_frames and frames[:1] != _CRYPTO:
            return False
        self._begin_again("frames")
        for offset, content in crypto_frames(frames, self._how.fills_empty):
            self._begin_again("nothing")
            # What is not near the start is no hello; the buffer stays bounded.
            if offset + len(content) <= _LONGEST_HELLO:
                self._hello += self._crypto.push(offset, content)
            if self._is_whole():
                return True
        return False

    def _is_whole(self) -> bool:
        held = self._hello
        if len(held) < MESSAGE_HEADER:
            return False
        return len(held) >= MESSAGE_HEADER + int.from_bytes(held[1:4], "big")

    def _frames(self, data: bytes, initial: Initial) -> bytes | None:
        header, tag = initial.header, self._how.checks_tag
        if not (self._how.empty_ids or header.dcid or header.scid):
            return None
        for dcid in self._dcids:
            keys = client_keys(header.version, dcid)
            if (frames := unprotect(data, initial, keys, tag)) is not None:
                return frames
        if header.dcid in self._dcids:
            return None
        # The first packet's id, and after a Retry the server's (RFC 9001, 5.2)
        keys = client_keys(header.version, header.dcid)
        frames = unprotect(data, initial, keys, tag)
        if frames is not None:
            self._dcids = [*self._dcids[:1], header.dcid]
        return frames

    def _finding(self) -> Finding:
        fields: Fields = {"quic.version": (self._version,)}
        if self._offered:
            fields["quic.supported_version"] = self._offered
        whole = self._is_whole()
        if not whole and not self._cut_hello:
            return Finding("quic", fields)
        held = bytes(self._hello) if whole else self._begun or bytes(self._hello)
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
    if (
        direction is Direction.TO_CLIENT
        or len(data) < _LONG_LEAST
        or data[0] & both != both
    ):
        return False
    return data[5] <= CID_MOST


def _by_version(direction: Direction, data: bytes) -> Finding | Answer:
    """What a box says that looks at the four bytes of the version and at no other."""
    name = version_name(int.from_bytes(data[1:5], "big"))
    if direction is Direction.TO_CLIENT or len(data) < _VERSION_END or name is None:
        return NOT_MINE
    return Finding("quic", {"quic.version": (name,)})
