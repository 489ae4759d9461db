"""The five exemptions, each by a vector of its own, and real first payloads."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.flow import TCP
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.recognisers.first_payload import FirstPayload
from filterlab.inspection.recognisers.fully_encrypted import (
    FullyEncrypted,
    exemptions,
)
from tests.inspection.feeding import fed

# Four set bits in each byte and none of them printable.
_FOUR = bytes((0x8B, 0xB1, 0xD2, 0xE4, 0x96, 0xAA, 0xC5, 0x99))
# 3 and 5 set bits; not printable.
_THREE, _FIVE = b"\x83", b"\xcd"


@pytest.mark.parametrize(
    ("payload", "held"),
    [
        (_FOUR * 8, ()),
        # Ex1: 34 of 10 bytes is 3.4 exactly, 35 is above; 46 is 4.6, 45 is below.
        (_THREE * 6 + _FOUR[:4], ("ex1",)),
        (_THREE * 5 + _FOUR[:5], ()),
        (_FIVE * 6 + _FOUR[:4], ("ex1",)),
        (_FIVE * 5 + _FOUR[:5], ()),
        (b"\0", ("ex1",)),
        (b"\xff" * 9, ("ex1",)),
        # Ex2: six printable bytes first; five are not enough.
        (b"KKKKKK" + _FOUR * 2, ("ex2",)),
        (b"KKKKK" + _FOUR * 2, ()),
        # Ex3: more than half, not half.
        ((b"K" + _FOUR[:1]) * 8 + b"K", ("ex3",)),
        ((b"K" + _FOUR[:1]) * 8, ()),
        # Ex4: 21 in a row; 20 are not enough.
        (_FOUR * 4 + b"K" * 21 + _FOUR, ("ex4",)),
        (_FOUR * 4 + b"K" * 20 + _FOUR, ()),
        # Ex5: TLS up to 03 09, HTTP in any case and with its space.
        (b"\x16\x03\x01" + _FOUR * 8, ("ex5",)),
        (b"\x17\x03\x09" + _FOUR * 8, ("ex5",)),
        (b"\x17\x03\x0a" + _FOUR * 8, ()),
        (b"\x15\x03\x01" + _FOUR * 8, ()),
        (b"pOsT " + _FOUR * 8, ("ex5",)),
        (b"PUT\x8b" + _FOUR * 8, ()),
        (b"DEL " + _FOUR * 8, ()),
    ],
)
def test_each_rule_at_its_edge(payload: bytes, held: tuple[str, ...]) -> None:
    assert exemptions(payload) == held
    said = fed(FullyEncrypted, [payload])
    assert isinstance(said, Finding)
    assert said.fields["fet"] == ("no" if held else "yes",)
    assert said.protocol == ("" if held else "fully-encrypted")


@pytest.mark.parametrize(
    ("payload", "is_blocked"),
    [
        # First bytes and lengths of real tools.
        (bytes.fromhex("2e02dc9357461805d5c9cbe6"), True),  # shadowsocks-libev
        (bytes.fromhex("69c19772d7acd007398b38e6"), True),  # obfs4proxy
        (bytes.fromhex("896ad454101a2231e72e9505"), True),  # v2ray VMess
        (bytes.fromhex("60c14ba520e30b9081faeadc"), True),  # Shadowsocks 2022
        (bytes.fromhex("16030105df010005db030372"), False),  # Trojan
        (bytes.fromhex("000e38914030ca8b21e4590000000000"), False),  # OpenVPN
        (bytes.fromhex("5353482d322e302d4f70656e"), False),  # SSH
        (bytes.fromhex("474554202f3369"), False),  # fteproxy
        (bytes.fromhex("05020001"), False),  # SOCKS 5
    ],
)
def test_real_first_payloads(payload: bytes, is_blocked: bool) -> None:
    # What follows the measured bytes is random in the tools that are blocked.
    whole = payload + Random(7).randbytes(180) if is_blocked else payload
    assert (exemptions(whole) == ()) is is_blocked


def test_random_payloads_are_nearly_always_blocked() -> None:
    chance = Random(2023)
    blocked = sum(exemptions(chance.randbytes(200)) == () for _ in range(2000))
    assert blocked >= 1960


def test_only_the_first_payload_of_the_client_counts() -> None:
    subject = FullyEncrypted(TCP, Reading())
    assert subject.feed(Direction.TO_CLIENT, b"220 hello") is NEED_DATA
    assert subject.feed(Direction.TO_SERVER, b"") is NEED_DATA
    assert subject.conclude() is NOT_MINE


def test_the_numbers_themselves() -> None:
    said = fed(FirstPayload, [b"\x0f" * 50 + b"AB" * 25])
    assert isinstance(said, Finding) and said.protocol == ""
    assert said.fields == {
        "payload.length": ("100",),
        "payload.popcount": ("300",),
        "payload.entropy": ("150",),
        "payload.printable": ("50",),
    }
    subject = FirstPayload(TCP, Reading())
    assert subject.feed(Direction.TO_CLIENT, b"x") is NEED_DATA
    assert subject.conclude() is NOT_MINE


@given(st.binary(max_size=200))
def test_never_raises(data: bytes) -> None:
    for recogniser in (FullyEncrypted, FirstPayload):
        said = fed(recogniser, [data])
        assert said is NEED_DATA if not data else isinstance(said, Finding)
