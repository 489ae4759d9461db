"""The shipped censors of QUIC: what they read, when, and for how long they block.

Each row of the parsing table was measured: USENIX Security 2025, Table 3 (China) and
parsing.csv of RussiaQuicResults (FOCI 2026; Moscow, Saint Petersburg, Novosibirsk).
"""

from __future__ import annotations

import pytest

from filterlab.inspection.flow import UDP
from filterlab.inspection.recogniser import Direction, Finding, Reading
from filterlab.inspection.recognisers.quic import Quic
from filterlab.policy.effects import DropFrame, Settle
from filterlab.policy.engine import Engine
from tests.inspection.flows import quic_datagrams
from tests.inspection.recognisers.test_quic import V2, crypto, initial
from tests.inspection.wire import Talk, extension, hello_message, server_name, sized
from tests.policy.boxes import IN, OUT
from tests.policy.censors import acts_on, engine_of, policy_of, up

NAME = b"blocked.example"
CHINA, RUSSIA = "cn-quic-sni-2024", "ru-2023-quic-sni"
NOT_OVERLOADED, ONE_PORT, ONE_CONNECTION = 0.99, 0.1, 0.7
FREE, LIST = b"free.example", hello_message(server_name(NAME))
ALPN = extension(16, sized(2, sized(1, NAME)))
ECH = extension(0xFE0D, bytes(40))
OUTER = hello_message(server_name(b"cloudflare-ech.example"), ECH)
SIZE = 1162  # of the frames in the example of RFC 9001, A.2
BAD_VERSION = b"\0\0\0\2"


def _padded(frames: bytes) -> bytes:
    return frames.ljust(SIZE, b"\0")


def _alone(message: bytes, **how: int | bytes) -> bytes:
    """A hello in one CRYPTO frame of one packet."""
    return initial(_padded(crypto(0, message)), **how)  # type: ignore[arg-type]


PING = b"\1"
MIXED = PING + b"\0" * 7 + PING + crypto(0, LIST) + PING
FULL = _alone(LIST)
LAST = len(LIST) - 1
MANY = tuple(f"a-{n}" for n in range(300))  # makes a hello of several datagrams

PARSING = [
    ("nothing listed", _alone(hello_message(server_name(FREE))), False, False),
    ("listed", FULL, True, True),
    ("1, one byte of packet number", _alone(LIST, number_bytes=1), True, True),
    ("2, last byte removed", FULL[:-1], False, True),
    ("3, version 2 that is none", FULL[:1] + BAD_VERSION + FULL[5:], False, False),
    ("4, no connection ids", _alone(LIST, dcid=b"", scid=b""), True, False),
    ("5, long source id", _alone(LIST, scid=bytes(255)), False, False),
    ("5, long destination id", _alone(LIST, dcid=bytes(255)), False, False),
    ("6, CRYPTO of no length", initial(_padded(b"\6\0\0" + LIST)), True, False),
    ("7, the name as ALPN", _alone(hello_message(ALPN)), False, False),
    ("8, PING and PADDING", initial(_padded(MIXED)), False, True),
    ("9, ECH", _alone(OUTER), False, False),
    ("10, version 2", _alone(LIST, version=V2), False, False),
    ("no name", _alone(hello_message()), False, False),
]


def _china(*chances: float) -> Engine:
    return engine_of(CHINA, NOT_OVERLOADED, *(chances or (ONE_PORT,)))


def _stops(engine: Engine, talk: Talk, *datagrams: bytes) -> bool:
    """Whether a connection that begins so stands still a second later."""
    for data in datagrams:
        engine.receive(talk.udp(data), 1.0, IN)
    return DropFrame() in engine.receive(talk.udp(b"more"), 2.0, IN)


@pytest.mark.parametrize(
    ("data", "china", "russia"),
    [row[1:] for row in PARSING],
    ids=[r[0] for r in PARSING],
)
def test_what_they_read(data: bytes, china: bool, russia: bool) -> None:
    assert _stops(_china(), Talk(), data) is china
    assert _stops(engine_of(RUSSIA), Talk(), data) is russia


def test_the_published_packet_of_95_bytes_is_read() -> None:
    """The payload of experiment 1 in the artifact's README, which triggers."""
    data = bytes.fromhex(
        "c1000000010000004055f5de2bedfa3f92b1b6c9566bb0fdd4cd655379bc549f9383046e110d"
        "3ec5af79f977950f7357c9af27587d2ca63da6f931afd48e211cbbb364d99a3363d60e23bbf8"
        "064b36e7294572c4a210e895c752cadc168441"
    )
    reading = Reading(quic=policy_of(CHINA).stack.quic, cut_hello=False)
    said = Quic(UDP, reading).feed(Direction.TO_SERVER, data)
    assert isinstance(said, Finding) and said.fields["tls.sni"] == ("google.com",)


@pytest.mark.parametrize(
    ("datagrams", "stops"),
    [
        # Section 7: a datagram before, and a hello in pieces, however cut.
        ([b"random", FULL], False),
        ([initial(_padded(crypto(0, LIST[:30]) + crypto(30, LIST[30:])))], False),
        (
            [initial(_padded(crypto(0, LIST[:-1]) + crypto(len(LIST) - 1, LIST[-1:])))],
            False,
        ),
        ([_alone(LIST[:30]), initial(_padded(crypto(30, LIST[30:])))], False),
        (quic_datagrams(name=NAME.decode(), alpn=("h3",)), True),
        (
            quic_datagrams(
                name=NAME.decode(), alpn=tuple(f"a-{n}" for n in range(300))
            ),
            False,
        ),
    ],
)
def test_china_reads_one_frame_of_the_first_datagram(
    datagrams: list[bytes], stops: bool
) -> None:
    assert _stops(_china(), Talk(), *datagrams) is stops


@pytest.mark.parametrize(
    ("port", "server_port", "stops"),
    [(65_000, 443, True), (4000, 5000, False), (5000, 5000, False), (5001, 5000, True)],
)
def test_china_asks_for_the_higher_source_port(
    port: int, server_port: int, stops: bool
) -> None:
    """Section 3.3; experiment 2 of the artifact."""
    assert _stops(_china(), Talk(port, server_port), FULL) is stops


def test_china_forgets_a_connection_after_a_minute() -> None:
    """Section 3.1: a datagram of four values not seen for 60 s is looked at."""
    for wait, stops in ((59.0, False), (61.0, True)):
        engine, talk = _china(), Talk()
        up(engine, [talk.udp(b"random")], 0.0)
        up(engine, [talk.udp(FULL)], wait)
        assert acts_on(up(engine, [talk.udp(b"x")], wait + 1)) is stops


def test_the_null_route_of_china() -> None:
    """Sections 3.1 and 3.2: the trigger arrives; 180 s, once, from about 110 ms on."""
    engine, talk = _china(ONE_PORT), Talk()
    assert not acts_on(up(engine, [talk.udp(FULL)], 0.0))
    assert not acts_on(up(engine, [talk.udp(b"x")], 0.08))
    for now, stops in ((0.2, True), (100.0, True), (180.2, False)):
        assert acts_on(up(engine, [Talk(50_000 + int(now)).udp(b"x")], now)) is stops
    assert not acts_on(engine.receive(talk.udp(b"x", up=False), 50.0, OUT))
    engine = _china(ONE_CONNECTION)
    up(engine, [talk.udp(FULL)], 0.0)
    assert acts_on(up(engine, [talk.udp(b"x")], 1.0))
    assert not acts_on(up(engine, [Talk(9999).udp(b"x")], 1.0))


def test_china_looks_at_what_leaves_the_country() -> None:
    """Outbound alone since 13 March 2025."""
    engine, talk = _china(), Talk()
    engine.receive(talk.udp(FULL), 0.0, OUT)
    assert not acts_on(engine.receive(talk.udp(b"x"), 1.0, OUT))


@pytest.mark.parametrize(
    ("hour_utc", "share"), [(20, 0.65), (5, 0.2), (10, 0.07), (2, 0.07), (17, 0.2)]
)
def test_the_load_of_the_hour(hour_utc: int, share: float) -> None:
    """Figure 4 and its data: most is stopped from two to seven in the morning."""
    now = hour_utc * 3600.0
    for chance, stops in ((1 - share - 0.01, False), (1 - share + 0.01, True)):
        engine, talk = engine_of(CHINA, chance), Talk()
        up(engine, [talk.udp(FULL)], now)
        assert acts_on(up(engine, [talk.udp(b"x")], now + 1)) is stops


VERSION_1, DRAFT_29 = b"\xc0\0\0\0\1", b"\xc0\xff\0\0\x1d"


@pytest.mark.parametrize(
    ("datagrams", "port", "stops"),
    [
        # ntc.party 1823/10 to 13: the rule as it was found out.
        ([VERSION_1.ljust(1001, b"\0")], 443, True),
        ([VERSION_1.ljust(1000, b"\0")], 443, False),
        ([VERSION_1.ljust(1001, b"\0")], 444, False),
        ([DRAFT_29.ljust(1200, b"\0")], 443, False),
        ([b"fake", VERSION_1.ljust(1200, b"\0")], 443, False),
        # Nothing but the version is looked at.
        ([b"\0\0\0\0\1".ljust(1001, b"\xff")], 443, True),
        ([b"\xff\0\0\0\1".ljust(1001, b"\xff")], 443, True),
        ([b"\xc0\0\0\0\2".ljust(1001, b"\0")], 443, False),
    ],
)
def test_the_rule_of_2022(datagrams: list[bytes], port: int, stops: bool) -> None:
    engine = engine_of("ru-2022-quic-v1")
    assert _stops(engine, Talk(server_port=port), *datagrams) is stops


def test_the_drop_of_2022_lasts() -> None:
    """IMC 2022, Fig. 2 as cited: 420 s; and only what began inside."""
    engine, talk = engine_of("ru-2022-quic-v1"), Talk()
    first = talk.udp(VERSION_1.ljust(1200, b"\0"))
    assert DropFrame() in up(engine, [first], 0.0)
    assert DropFrame() in engine.receive(talk.udp(b"x", up=False), 419.0, OUT)
    assert not acts_on(up(engine, [talk.udp(b"x")], 421.0))
    other = Talk(9)
    assert not acts_on(engine.receive(other.udp(first[42:]), 0.0, OUT))


def test_a_switch_is_told_of_the_drop() -> None:
    engine, talk = engine_of(RUSSIA), Talk()
    settles = [e for e in up(engine, [talk.udp(FULL)]) if isinstance(e, Settle)]
    assert [(s.action, s.match, s.seconds) for s in settles] == [
        ("drop", "4-tuple", 420)
    ]
