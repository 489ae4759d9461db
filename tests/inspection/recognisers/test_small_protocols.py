"""Protocols that one or two packets tell: NTP, STUN, IKE, ESP, L2TP, PPTP and GRE."""

from __future__ import annotations

import pytest

from filterlab.inspection.flow import ESP, GRE, TCP, UDP
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Direction,
    Finding,
    Recogniser,
)
from filterlab.inspection.recognisers.esp import Esp
from filterlab.inspection.recognisers.gre import Gre
from filterlab.inspection.recognisers.isakmp import Isakmp
from filterlab.inspection.recognisers.l2tp import L2tp
from filterlab.inspection.recognisers.ntp import Ntp
from filterlab.inspection.recognisers.pptp import Pptp
from filterlab.inspection.recognisers.stun import Stun
from tests.inspection.feeding import every_way, fed, never_guesses, talked
from tests.inspection.wire import sized

UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
_TIME = b"\xe9\xc0\x01\x02\x03\x04\x05\x06"
_ASKED = b"\x23" + bytes(39) + _TIME
_TOLD = b"\x24\x02" + bytes(22) + _TIME + bytes(16)


def test_ntp_is_an_answer_that_repeats_the_question() -> None:
    found = Finding("ntp", {"ntp.flags.vn": ("4",), "ntp.stratum": ("2",)})
    assert talked(Ntp, (UP, _ASKED), (DOWN, _TOLD), transport=UDP) == found
    late = (UP, _ASKED), (UP, _ASKED[:-1] + b"!"), (DOWN, _TOLD)
    assert talked(Ntp, *late, transport=UDP) == found
    assert fed(Ntp, [_ASKED], UDP) is NEED_DATA
    assert talked(Ntp, (UP, _ASKED), transport=UDP, to_the_end=True) is NOT_MINE
    assert fed(Ntp, [_ASKED] * 99, UDP) is NOT_MINE


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (_ASKED[:-1], _TOLD),
        (_ASKED + b"x", _TOLD),
        (b"\x3b" + _ASKED[1:], _TOLD),  # version 7
        (b"\x24" + _ASKED[1:], _TOLD),  # a server's mode
        (b"\x23\x50" + _ASKED[2:], _TOLD),  # stratum 80
        (_ASKED, _TOLD[:24] + bytes(24)),
        (_ASKED, b"\x23" + _TOLD[1:]),
    ],
)
def test_ntp_is_nothing_else(asked: bytes, told: bytes) -> None:
    assert talked(Ntp, (UP, asked), (DOWN, told), transport=UDP) is NOT_MINE


def _stun(kind: int = 1, attributes: bytes = b"") -> bytes:
    return (
        kind.to_bytes(2, "big")
        + sized(2, attributes)[:2]
        + (b"\x21\x12\xa4\x42" + bytes(12) + attributes)
    )


# RFC 5769, 2.1: SOFTWARE of the sample request
_SOFTWARE = b"\x80\x22\0\x10STUN test client"
_SAMPLE = _stun(1, b"\x00\x24\0\4\x6e\0\1\xff\0\6\0\3abc\0" + _SOFTWARE)


def test_stun_reads_method_and_software() -> None:
    fields = {
        "stun.type.method": ("binding",),
        "stun.att.software": ("STUN test client",),
    }
    assert fed(Stun, [_SAMPLE], UDP) == Finding("stun", fields)
    for pieces in every_way(_SAMPLE):
        assert fed(Stun, pieces) == Finding("stun", fields)
    never_guesses(Stun, _SAMPLE)
    for at in range(len(_SAMPLE)):
        assert fed(Stun, [_SAMPLE[:at]], UDP) is NOT_MINE


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        (0x0003, "allocate"),
        (0x0113, "allocate"),  # an error response
        (0x0016, "send"),  # an indication
        (0x0108, "createpermission"),  # a success response
        (0x3EEF, "0x0fff"),
    ],
)
def test_stun_tells_methods_from_classes(kind: int, method: str) -> None:
    said = fed(Stun, [_stun(kind)], UDP)
    assert said == Finding("stun", {"stun.type.method": (method,)})


@pytest.mark.parametrize(
    "data",
    [b"", b"\x40" + _stun()[1:], _stun()[:3] + b"\1" + _stun()[4:], _stun()[:4] + b"?"],
)
def test_stun_is_nothing_else(data: bytes) -> None:
    assert fed(Stun, [data], UDP) is NOT_MINE
    assert data == b"" or fed(Stun, [data], TCP) is NOT_MINE


def test_stun_reads_no_more_than_its_limit() -> None:
    endless = b"\0\1\xff\xf0\x21\x12\xa4\x42" + bytes(5000)
    assert fed(Stun, [endless], TCP) == Finding(
        "stun", {"stun.type.method": ("binding",)}
    )


def _ike(version: int, exchange: int, rest: bytes = bytes(40)) -> bytes:
    length = (28 + len(rest)).to_bytes(4, "big")
    return (
        b"initiate"
        + bytes(8)
        + bytes((33, version, exchange, 8))
        + bytes(4)
        + (length + rest)
    )


@pytest.mark.parametrize(
    ("version", "exchange", "fields"),
    [
        (0x20, 34, ("2.0", "ike_sa_init")),
        (0x10, 2, ("1.0", "main")),
        (0x10, 4, ("1.0", "aggressive")),
    ],
)
def test_ike_is_read_with_and_without_esp_beside_it(
    version: int, exchange: int, fields: tuple[str, str]
) -> None:
    named = ("isakmp.version", "isakmp.exchangetype")
    found = Finding("isakmp", {k: (v,) for k, v in zip(named, fields, strict=True)})
    message = _ike(version, exchange)
    assert fed(Isakmp, [message], UDP) == found
    assert fed(Isakmp, [b"\xff", bytes(4) + message], UDP) == found
    for at in range(len(message)):
        assert fed(Isakmp, [message[:at]], UDP) is NOT_MINE


@pytest.mark.parametrize(
    "data",
    [
        _ike(0x20, 35),
        _ike(0x30, 34),
        _ike(0x20, 34) + b"x",
        bytes(8) + _ike(0x20, 34)[8:],
        _ike(0x20, 34)[:8] + b"answered" + _ike(0x20, 34)[16:],
    ],
)
def test_ike_is_nothing_else(data: bytes) -> None:
    assert fed(Isakmp, [data], UDP) is NOT_MINE
    assert fed(Isakmp, [_ike(0x20, 34)], UDP, direction=DOWN) is NOT_MINE


def _esp(number: int, spi: bytes = b"\xc0\xff\xee\x01") -> bytes:
    return spi + number.to_bytes(4, "big") + bytes(range(40))


def test_esp_is_known_by_its_protocol_and_by_its_counting() -> None:
    found = Finding("esp", {"esp.spi": ("0xc0ffee01",)})
    assert fed(Esp, [_esp(9)], ESP) == found
    assert fed(Esp, [b"\xff", *map(_esp, (1, 2, 3))], UDP) == found
    assert fed(Esp, map(_esp, (1, 2)), UDP) is NEED_DATA
    for numbers in ((1, 3), (2, 1), (0,), (70_000,)):
        assert fed(Esp, map(_esp, numbers), UDP) is NOT_MINE
    assert fed(Esp, [_esp(1, bytes(4))], ESP) is NOT_MINE
    assert fed(Esp, [_esp(1)[:20]], ESP) is NOT_MINE
    assert Esp(UDP, None).conclude() is NOT_MINE  # type: ignore[arg-type]


def test_l2tp_is_its_first_request() -> None:
    message = b"\xc8\x02\0\x14" + bytes(8) + b"\x80\x08\0\0\0\0\0\1"
    assert fed(L2tp, [message], UDP) == Finding("l2tp", {"l2tp.version": ("2",)})
    third = b"\xc8\x03" + message[2:]
    assert fed(L2tp, [third], UDP) == Finding("l2tp", {"l2tp.version": ("3",)})
    for at in range(len(message)):
        assert fed(L2tp, [message[:at]], UDP) is NOT_MINE
        broken = message[:at] + bytes((message[at] ^ 1,)) + message[at + 1 :]
        counters = (8, 9, 10, 11)
        assert (fed(L2tp, [broken], UDP) is NOT_MINE) != (at in counters or at == 1)
    assert fed(L2tp, [message], UDP, direction=DOWN) is NOT_MINE


def test_pptp_is_its_first_request() -> None:
    message = b"\0\x9c\0\1\x1a\x2b\x3c\x4d\0\1\0\0\1\0" + bytes(14)
    message += b"minsk".ljust(64, b"\0") + b"Linux".ljust(64, b"\0")
    found = Finding(
        "pptp", {"pptp.host_name": ("minsk",), "pptp.vendor_name": ("Linux",)}
    )
    for pieces in every_way(message):
        assert fed(Pptp, pieces) == found
    never_guesses(Pptp, message)
    assert fed(Pptp, [b"\0\x9d"]) is NOT_MINE


def test_gre_tells_what_is_inside() -> None:
    found = Finding("gre", {"gre.proto": ("0x880b",)})
    assert fed(Gre, [b"\x30\x81\x88\x0b" + bytes(12)], GRE) == found
    assert fed(Gre, [b"\0\0\x08\0" + bytes(20)], GRE) == Finding(
        "gre", {"gre.proto": ("0x0800",)}
    )
    for data in (b"\0\0\x08", b"\x30\x81\x08\0", b"\x10\x81\x88\x0b", b"\0\2\x08\0"):
        assert fed(Gre, [data], GRE) is NOT_MINE


@pytest.mark.parametrize("recogniser", [Isakmp, L2tp, Pptp, Gre, Stun])
def test_nothing_more_to_say_at_the_end(recogniser: type[Recogniser]) -> None:
    assert talked(recogniser, transport=UDP, to_the_end=True) is NOT_MINE
