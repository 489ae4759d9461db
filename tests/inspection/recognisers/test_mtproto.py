"""MTProto's transports: plain ones, the obfuscated one, and fake TLS."""

from __future__ import annotations

from random import Random

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.flow import TCP
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Direction,
    Finding,
    Reading,
    Recogniser,
)
from filterlab.inspection.recognisers.fake_tls import FakeTls
from filterlab.inspection.recognisers.mtproto import Mtproto
from tests.inspection.feeding import every_way, fed, never_guesses
from tests.inspection.wire import hello

_UP, _DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
_REQ_PQ = bytes(8) + b"messagei" + (20).to_bytes(4, "little") + b"\xf1\x8e\x7e\xbe"
_REQ_PQ += b"nonce of 16 byte"
_KEYED = b"the key!" + b"k" * 72
_OPENINGS = {
    "abridged": b"\xef" + bytes((len(_REQ_PQ) // 4,)) + _REQ_PQ,
    "intermediate": b"\xee" * 4 + len(_REQ_PQ).to_bytes(4, "little") + _REQ_PQ,
    "padded": b"\xdd" * 4 + (len(_REQ_PQ) + 7).to_bytes(4, "little") + _REQ_PQ,
}


def _obfuscated(tag: bytes, seed: int = 1) -> bytes:
    """64 bytes as a client makes them: the tag, encrypted under what stands before."""
    init = Random(seed).randbytes(56)
    cipher = Cipher(AES(init[8:40]), CTR(init[40:56])).encryptor()
    return init + cipher.update(bytes(56) + tag + b"\x02\0\0\0")[56:]


def _said(recogniser: type[Recogniser], *talk: tuple[Direction, bytes]) -> object:
    subject = recogniser(TCP, Reading())
    said: object = NEED_DATA
    for direction, data in talk:
        said = subject.feed(direction, data)
        if said is not NEED_DATA:
            break
    return said


def _transport(said: object) -> tuple[str, ...]:
    assert isinstance(said, Finding) and said.protocol == "mtproto"
    return said.fields["mtproto.transport"] + said.fields["mtproto.framing"]


@pytest.mark.parametrize("name", _OPENINGS)
def test_a_request_for_a_key_is_enough(name: str) -> None:
    data = _OPENINGS[name]
    for pieces in every_way(data):
        assert _transport(fed(Mtproto, pieces)) == (name, name)
    never_guesses(Mtproto, data)


def test_with_a_key_both_sides_must_name_it() -> None:
    for opening, answer in (
        (b"\xef\x14", b"\x14"),
        (b"\xef\x7f\x14\0\0", b"\x7f\x14\0\0"),
        (b"\xee" * 4 + b"\x50\0\0\0", b"\x50\0\0\0"),
    ):
        up = (_UP, opening + _KEYED)
        assert _said(Mtproto, up) is NEED_DATA
        assert isinstance(_said(Mtproto, up, (_DOWN, answer + _KEYED)), Finding)
        other = (_DOWN, answer + b"x" * 80)
        assert _said(Mtproto, up, other) in (NEED_DATA, NOT_MINE)


@pytest.mark.parametrize(
    ("tag", "framing"),
    [
        (b"\xef" * 4, "abridged"),
        (b"\xee" * 4, "intermediate"),
        (b"\xdd" * 4, "padded"),
    ],
)
def test_opens_the_obfuscated_transport(tag: bytes, framing: str) -> None:
    data = _obfuscated(tag)
    for pieces in every_way(data):
        assert _transport(fed(Mtproto, pieces)) == ("obfuscated", framing)
    never_guesses(Mtproto, data)


@pytest.mark.parametrize(
    "data",
    [
        _obfuscated(b"\xcc" * 4),  # a proxy's secret is in the key
        Random(64).randbytes(64),
        b"\xef\xff" + Random(1).randbytes(62),
        b"\xee" * 4 + bytes(60),
        hello(),
    ],
)
def test_random_bytes_are_not_its_own(data: bytes) -> None:
    assert _said(Mtproto, (_UP, data)) is NOT_MINE


def test_a_server_that_speaks_first_or_too_early_is_none() -> None:
    assert _said(Mtproto, (_DOWN, b"220")) is NOT_MINE
    assert _said(Mtproto, (_UP, b"\x16\x03"), (_DOWN, b"x")) is NOT_MINE
    assert Mtproto(TCP, Reading()).conclude() is NOT_MINE


def _record(kind: int, size: int, first: bytes = b"") -> bytes:
    body = first + bytes(size - len(first))
    return bytes((kind, 3, 3)) + size.to_bytes(2, "big") + body


_HELLO = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 32 + b"\x20" + bytes(473)
)
_SERVER = _record(22, 122, b"\x02") + _record(20, 1, b"\x01") + _record(23, 2000)
_CCS = _record(20, 1, b"\x01")


def _fake(client: bytes, server: bytes = _SERVER) -> object:
    return _said(FakeTls, (_UP, _HELLO), (_DOWN, server), (_UP, client))


def test_a_client_that_never_finishes_is_fake() -> None:
    assert len(_HELLO) == 517
    said = _fake(_CCS + _record(23, 64 + 105))
    assert isinstance(said, Finding) and said.protocol == "mtproto-fake-tls"
    bits = [(_UP, _HELLO[i : i + 1]) for i in range(517)]
    bits += [(_DOWN, _SERVER[i : i + 1]) for i in range(len(_SERVER))]
    last = _CCS + _record(23, 300)
    bits += [(_UP, last[i : i + 1]) for i in range(len(last))]
    assert isinstance(_said(FakeTls, *bits), Finding)


@pytest.mark.parametrize(
    ("client", "server"),
    [
        (_CCS + _record(23, 53), _SERVER),
        (_CCS + _record(23, 69) + _record(23, 400), _SERVER),
        (_record(22, 70), _SERVER),  # a second hello, or TLS 1.2
        (_CCS + _record(23, 300), _record(22, 90) + _record(22, 3000)),
        (_CCS + _record(23, 300), b""),  # early data
        (_record(23, 300), _SERVER),
        (b"\x99" * 9, _SERVER),
        (_CCS, b"HTTP/1.1 400"),
    ],
)
def test_real_handshakes_are_not(client: bytes, server: bytes) -> None:
    assert _fake(client, server) is NOT_MINE


def test_fake_tls_waits_and_gives_up() -> None:
    assert _said(FakeTls, (_UP, _HELLO), (_DOWN, _SERVER), (_UP, _CCS)) is NEED_DATA
    assert _said(FakeTls, (_UP, b"GET /")) is NOT_MINE
    assert _said(FakeTls, (_DOWN, _SERVER)) is NOT_MINE
    assert FakeTls(TCP, Reading()).conclude() is NOT_MINE
    many = (_DOWN, _SERVER + _record(23, 9) * 20)
    assert _said(FakeTls, (_UP, _HELLO), many) is NOT_MINE


@given(st.lists(st.tuples(st.sampled_from(Direction), st.binary(max_size=120))))
def test_never_raises(talk: list[tuple[Direction, bytes]]) -> None:
    _said(Mtproto, *talk)
    for start in (b"\xef", b"\xee" * 4, b"\xdd" * 4):
        _said(Mtproto, (_UP, start), *talk)
    _said(FakeTls, *talk)
    _said(FakeTls, (_UP, _HELLO), *talk)
    _said(FakeTls, (_UP, _HELLO), (_DOWN, _SERVER), *talk)
