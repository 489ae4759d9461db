"""The resets that open OpenVPN, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.recognisers.openvpn import OpenVpn
from tests.inspection.feeding import every_way, fed, never_guesses

_SESSION = bytes.fromhex("59002e8f55872500")
_ZERO = bytes(5)  # no acknowledgements, message 0
_REPLAY = bytes.fromhex("00000001 674005fa")


def _reset(after: bytes, opcode: int = 7) -> bytes:
    return bytes((opcode << 3,)) + _SESSION + after


# Lengths as the real programs send them: 14, 42, 54, 54 + key.
_PLAIN = _reset(_ZERO)
_TLS_AUTH = _reset(b"h" * 20 + _REPLAY + _ZERO)
_TLS_AUTH_SHA256 = _reset(b"h" * 32 + _REPLAY + _ZERO)
_TLS_CRYPT = _reset(_REPLAY + b"t" * 32 + b"\x9b\x04\x71\xee\x35")
_EARLY = _reset(
    bytes.fromhex("0f000001 674005fa") + b"t" * 32 + b"\x9b\x04\x71\xee\x35"
)
_V2 = _reset(_REPLAY + b"t" * 37 + b"k" * 288 + (290).to_bytes(2, "big"), 10)
_SHAPES = {
    "plain": _PLAIN,
    "tls-auth": _TLS_AUTH,
    "tls-crypt": _TLS_CRYPT,
    "tls-crypt-v2": _V2,
}


def _said(*messages: tuple[bool, bytes], transport: int = UDP) -> object:
    subject = OpenVpn(transport, Reading())
    said: object = NEED_DATA
    for up, data in messages:
        said = subject.feed(Direction.TO_SERVER if up else Direction.TO_CLIENT, data)
        if said is not NEED_DATA:
            break
    return said


def _wrapping(said: object) -> str:
    assert isinstance(said, Finding) and said.protocol == "openvpn"
    return said.fields["openvpn.wrapping"][0]


@pytest.mark.parametrize("wrapping", _SHAPES)
def test_knows_the_reset_over_udp(wrapping: str) -> None:
    data = _SHAPES[wrapping]
    assert _wrapping(fed(OpenVpn, [data], UDP)) == wrapping


def test_knows_other_digests_and_early_negotiation() -> None:
    assert _wrapping(_said((True, _TLS_AUTH_SHA256))) == "tls-auth"
    assert _wrapping(_said((True, _EARLY))) == "tls-crypt"


def test_knows_the_first_bytes_of_the_real_programs() -> None:
    # The first 12 of each payload and its length are what was measured.
    real = {
        "plain": bytes.fromhex("380159002e8f558725000000") + bytes(2),
        "tls-crypt": bytes.fromhex("380d67f523e5d58438000000")
        + bytes.fromhex("01 674005fa")
        + b"t" * 37,
    }
    for wrapping, data in real.items():
        assert _wrapping(_said((True, data))) == wrapping
    assert [len(data) for data in real.values()] == [14, 54]


@pytest.mark.parametrize("wrapping", _SHAPES)
def test_knows_the_reset_over_tcp_however_it_is_cut(wrapping: str) -> None:
    message = _SHAPES[wrapping]
    data = len(message).to_bytes(2, "big") + message
    for pieces in every_way(data):
        assert _wrapping(fed(OpenVpn, pieces)) == wrapping
    never_guesses(OpenVpn, data)


def test_waits_for_the_server_where_the_reset_is_unknown() -> None:
    odd = _reset(b"something else altogether")
    echo = b"\x40" + b"serverid" + b"\x01" + bytes(4) + _SESSION + bytes(4)
    assert _said((True, odd)) is NEED_DATA
    assert _wrapping(_said((True, odd), (False, echo))) == "other"
    other = b"\x40" + b"serverid" + bytes(17)
    assert _said((True, odd), (False, other)) is NOT_MINE
    assert OpenVpn(UDP, Reading()).conclude() is NOT_MINE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x38",
        _reset(b""),
        _PLAIN[:-1],
        b"\x39" + _PLAIN[1:],  # key id 1
        b"\x40" + _PLAIN[1:],  # a server's opcode
        b"\x38" + bytes(13),  # no session id
        b"\x38" * 1200,
        b"\x01\0\0\0" + bytes(144),  # WireGuard
        b"\xc0\0\0\0\x01" + bytes(1195),  # QUIC
        b"\x84\x10\x01\x20\0\x01" + bytes(47),  # DNS
    ],
)
def test_other_datagrams_are_not_its_own(data: bytes) -> None:
    assert _said((True, data)) is NOT_MINE


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01", b"GET / HTTP", b"SSH-2.0", b"\0\x03\x38"]
)
def test_other_streams_are_not_its_own(data: bytes) -> None:
    assert fed(OpenVpn, [data], TCP) is NOT_MINE


def test_a_server_that_speaks_first_is_none() -> None:
    assert _said((False, b"\x40" + b"i" * 25)) is NOT_MINE


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), max_size=6))
def test_never_raises(messages: list[tuple[bool, bytes]]) -> None:
    for transport in (TCP, UDP):
        _said(*messages, transport=transport)
        _said(*((up, b"\x38" + data) for up, data in messages), transport=transport)
