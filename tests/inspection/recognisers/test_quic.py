"""QUIC's Initials: the RFCs' packets, aioquic's, and what is made to confuse."""

from __future__ import annotations

from random import Random

import pytest
from aioquic.quic.crypto import CryptoPair
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.flow import UDP
from filterlab.inspection.quic import VERSIONS, client_keys
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    QuicReading,
    Reading,
)
from filterlab.inspection.recognisers.quic import Quic
from tests.inspection.feeding import fed
from tests.inspection.flows import NAME, quic_datagrams
from tests.inspection.wire import hello, sized

OPENS = Reading(quic=QuicReading())
V2 = 0x6B3343CF
_DCID = bytes.fromhex("8394c8f03e515708")  # RFC 9001, A.1
_HELLO = hello(NAME.encode())[5:]


def _varint(number: int) -> bytes:
    if number < 64:
        return bytes((number,))
    return (number | 0x4000).to_bytes(2, "big")


def crypto(offset: int, content: bytes) -> bytes:
    """A CRYPTO frame."""
    return b"\x06" + _varint(offset) + _varint(len(content)) + content


def initial(
    frames: bytes,
    version: int = 1,
    number: int = 2,
    dcid: bytes = _DCID,
    keys_of: bytes | None = None,
    scid: bytes = b"",
    number_bytes: int = 4,
) -> bytes:
    """An Initial, protected by aioquic as of the connection id `keys_of`."""
    pair = CryptoPair()
    pair.setup_initial(dcid if keys_of is None else keys_of, True, version)
    first = (0xD0 if version == V2 else 0xC0) | number_bytes - 1
    header = bytes((first,)) + version.to_bytes(4, "big") + sized(1, dcid)
    header += sized(1, scid) + _varint(0)
    header += (0x4000 | number_bytes + len(frames) + 16).to_bytes(2, "big")
    header += number.to_bytes(number_bytes, "big")
    return pair.encrypt_packet(header, frames, number)


def read(*datagrams: bytes, reading: Reading = OPENS) -> Finding | Answer:
    """What is said of a client's datagrams, concluded if they end too early."""
    subject = Quic(UDP, reading)
    for datagram in datagrams:
        said = subject.feed(Direction.TO_SERVER, datagram)
        if said is not NEED_DATA:
            return said
    return subject.conclude()


def sni(said: Finding | Answer) -> str | None:
    """The name that was found."""
    assert isinstance(said, Finding)
    return said.fields.get("tls.sni", (None,))[0]


@pytest.mark.parametrize(
    ("version", "key", "iv", "hp"),
    [
        (  # RFC 9001, A.1
            1,
            "1f369613dd76d5467730efcbe3b1a22d",
            "fa044b2f42a3fd3b46fb255c",
            "9f50449e04a0e810283a1e9933adedd2",
        ),
        (  # RFC 9369, A.1
            V2,
            "8b1a0bc121284290a29e0971b5cd045d",
            "91f73e2351d8fa91660e909f",
            "45b95e15235d6f45a6b19cbcb0294ba9",
        ),
        (  # draft-ietf-quic-tls-29, A.1
            0xFF00001D,
            "175257a31eb09dea9366d8bb79ad80ba",
            "6b26114b9cba2b63a9e8dd4f",
            "9ddd12c994c0698b89374a9c077a3077",
        ),
    ],
)
def test_keys_are_those_of_the_documents(
    version: int, key: str, iv: str, hp: str
) -> None:
    keys = client_keys(version, _DCID)
    assert (keys.key.hex(), keys.iv.hex(), keys.hp.hex()) == (key, iv, hp)


@pytest.mark.parametrize(
    ("version", "name", "starts"),
    [
        (  # RFC 9001, A.2
            1,
            "1",
            "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11",
        ),
        (  # RFC 9369, A.2
            V2,
            "2",
            "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485",
        ),
    ],
)
def test_opens_the_packet_of_the_rfc(version: int, name: str, starts: str) -> None:
    message = bytes.fromhex(
        "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00"
        "000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a0008"
        "0006001d0017001800100007000504616c706e000500050100000000003300260024001d002093"
        "70b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400"
        "0d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffff"
        "ffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e5157"
        "0806048000ffff"
    )
    frames = b"\x06\x00\x40\xf1" + message
    datagram = initial(frames.ljust(1162, b"\0"), version)
    assert datagram.hex().startswith(starts) and len(datagram) == 1200
    said = read(datagram)
    assert sni(said) == "example.com" and isinstance(said, Finding)
    assert said.protocol == "quic" and said.fields["quic.version"] == (name,)
    assert said.fields["tls.handshake.ja4"][0].startswith("q13d0211an_")


@pytest.mark.parametrize(("version", "name"), [(1, "1"), (V2, "2")])
@pytest.mark.parametrize("alpn", [("h3",), tuple(f"many-{n:03}" for n in range(250))])
def test_opens_what_a_real_client_sends(
    version: int, name: str, alpn: tuple[str, ...]
) -> None:
    datagrams = quic_datagrams(version, alpn=alpn)
    assert len(datagrams) == (1 if len(alpn) == 1 else 3)
    for order in (datagrams, datagrams[::-1], datagrams * 2):
        said = read(*order)
        assert sni(said) == NAME and isinstance(said, Finding)
        assert said.fields["quic.version"] == (name,)
        assert said.fields["tls.alpn"] == alpn
    if len(alpn) > 1:
        assert fed(Quic, datagrams[:1], UDP, OPENS) is NEED_DATA


@pytest.mark.parametrize("number", [v for v in VERSIONS if v >> 8 == 0xFF0000])
def test_tells_drafts_apart(number: int) -> None:
    said = fed(Quic, [b"\xc0" + number.to_bytes(4, "big") + bytes(1195)], UDP)
    draft = f"draft-{number & 0xFF}"
    assert said == Finding("quic", {"quic.version": (draft,)})


def test_a_draft_with_the_salt_of_version_1_is_opened() -> None:
    # aioquic has no draft's salt, but drafts 33 and 34 have the RFC's.
    sealed = initial(crypto(0, _HELLO), version=1)
    pair = CryptoPair()
    pair.setup_initial(_DCID, True, 1)
    header = b"\xc3\xff\x00\x00\x22" + sized(1, _DCID) + b"\0\0"
    header += sealed[16:18] + (2).to_bytes(4, "big")
    said = read(pair.encrypt_packet(header, crypto(0, _HELLO), 2))
    assert sni(said) == NAME and isinstance(said, Finding)
    assert said.fields["quic.version"] == ("draft-34",)


def test_a_box_that_does_not_open_reads_the_version() -> None:
    said = read(quic_datagrams()[0], reading=Reading())
    assert said == Finding("quic", {"quic.version": ("1",)})
    google = b"\xc0Q050" + bytes(1195)
    assert read(google) == Finding("quic", {"quic.version": ("Q050",)})


@pytest.mark.parametrize("size", [1, 7, 100])
def test_joins_frames_in_any_order(size: int) -> None:
    pieces = [(at, _HELLO[at : at + size]) for at in range(0, len(_HELLO), size)]
    Random(7).shuffle(pieces)
    frames = b"\x01\0\0".join(crypto(at, piece) for at, piece in pieces)
    assert sni(read(initial(b"\x02\0\0\0\0" + frames))) == NAME
    half = len(pieces) // 2
    packets = [
        initial(b"".join(crypto(*piece) for piece in part) + bytes(20), number=number)
        for number, part in enumerate((pieces[:half], pieces[half:]))
    ]
    assert sni(read(b"".join(packets))) == NAME  # coalesced in one datagram
    assert sni(read(*packets[::-1])) == NAME  # one datagram each
    assert sni(read(packets[1] + b"\x40" * 30, *packets)) == NAME


def test_keeps_the_first_keys_after_the_server_has_answered() -> None:
    first = initial(crypto(0, _HELLO[:40]))
    later = initial(crypto(40, _HELLO[40:]), number=9, dcid=b"server!!", keys_of=_DCID)
    assert sni(read(first, later)) == NAME


def test_takes_new_keys_after_a_retry() -> None:
    retry = initial(crypto(0, _HELLO[:40])), initial(crypto(40, _HELLO[40:]), dcid=b"r")
    assert sni(read(*retry)) == NAME


def test_follows_version_negotiation() -> None:
    reserved = b"\xc0\x1a\x2a\x3a\x4a" + sized(1, _DCID) + sized(1, b"") + bytes(1100)
    subject = Quic(UDP, OPENS)
    assert subject.feed(Direction.TO_SERVER, reserved) is NEED_DATA
    listed = b"\0\0\0\x01" + V2.to_bytes(4, "big") + b"\xfa\xce\xb0\x02"
    offer = b"\x80\0\0\0\0" + sized(1, b"") + sized(1, _DCID) + listed
    assert subject.feed(Direction.TO_CLIENT, offer) is NEED_DATA
    said = subject.feed(Direction.TO_SERVER, initial(crypto(0, _HELLO), V2))
    assert sni(said) == NAME and isinstance(said, Finding)
    assert said.fields["quic.version"] == ("2",)
    assert said.fields["quic.supported_version"] == ("1", "2", "0xfaceb002")


def test_a_broken_tag_hides_the_name_but_not_the_version() -> None:
    datagram = initial(crypto(0, _HELLO))
    assert fed(Quic, [datagram[:-1] + b"\0"], UDP, OPENS) is NEED_DATA
    assert read(datagram[:-1]) == Finding("quic", {"quic.version": ("1",)})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0\0\0\0",
        b"\x40" + bytes(1199),  # a short header
        b"\x80\0\0\0\x01" + bytes(1195),  # without the fixed bit
        b"\xc0\0\0\0\x02" + bytes(1195),  # no version
        b"\xc0\0\0\0\x01\x15" + bytes(1194),  # a connection id of 21 bytes
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_other_datagrams_are_not_its_own(data: bytes) -> None:
    assert fed(Quic, [data], UDP, OPENS) is NOT_MINE


def test_a_server_that_speaks_first_is_none() -> None:
    datagram = quic_datagrams()[0]
    assert fed(Quic, [datagram], UDP, OPENS, Direction.TO_CLIENT) is NOT_MINE


def test_gives_up_at_its_limit() -> None:
    endless = [initial(crypto(4000, _HELLO) + bytes(1000), number=n) for n in range(20)]
    said = fed(Quic, endless, UDP, OPENS)
    assert said == Finding("quic", {"quic.version": ("1",)})


@given(st.binary(max_size=400), st.booleans(), st.integers(0, 1300))
def test_never_raises(data: bytes, to_client: bool, at: int) -> None:
    direction = Direction.TO_CLIENT if to_client else Direction.TO_SERVER
    head = b"\xc0\0\0\0\x01"
    real = quic_datagrams()[0]
    for first in (initial(data), head + data, real[:at] + data + real[at:]):
        subject = Quic(UDP, OPENS)
        subject.feed(Direction.TO_SERVER, first)
        subject.feed(direction, data)
        subject.feed(Direction.TO_SERVER, head + data)
        assert subject.conclude() is not NEED_DATA
