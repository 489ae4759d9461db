"""The shipped censors that go by protocols: what stops, what passes, for how long."""

from __future__ import annotations

from random import Random
from struct import pack

import pytest

from filterlab.policy.effects import DropFrame
from filterlab.policy.engine import Engine
from tests.inspection.recognisers.test_quic import crypto, initial
from tests.inspection.wire import (
    Talk,
    extension,
    hello_message,
    query,
    record,
    request,
    server_name,
)
from tests.policy.boxes import IN, OUT, opened
from tests.policy.censors import acts_on, engine_of, up

FET, IRAN, VPN, ECH = (
    "cn-fet-2021",
    "ir-protocol-filter-2020",
    "ru-2023-vpn-protocols",
    "ru-2024-ech",
)
STRIKES, SPARES = 0.26, 0.27
SECRET = Random(23).randbytes(200)


def _halts(engine: Engine, talk: Talk, *pieces: bytes) -> bool:
    """Whether a connection that says this stands still a second later."""
    opened(engine, talk)
    up(engine, [talk.send(piece) for piece in pieces], 1.0)
    return DropFrame() in up(engine, [talk.send(b"more")], 2.0)


@pytest.mark.parametrize(
    ("pieces", "halts"),
    [
        ([SECRET], True),
        # Section 6: one byte 0x21 first, 0 of 25; each exemption.
        ([b"\x21", SECRET], False),
        ([b"abcdef" + SECRET], False),
        ([b"\x16\x03\x01" + SECRET], False),
        ([b"get " + SECRET], False),
        ([SECRET + b"\0" * 200], False),
        ([b"\x21\x21" + SECRET[:2], SECRET], False),
        ([SECRET[:50], SECRET[50:]], True),
    ],
)
def test_china_halts_what_is_fully_encrypted(pieces: list[bytes], halts: bool) -> None:
    """USENIX Security 2023, Algorithm 1 and section 4."""
    assert _halts(engine_of(FET, STRIKES), Talk(server_port=9999), *pieces) is halts


def test_china_strikes_one_connection_in_four() -> None:
    """Section 5.3: p = 26.3 %, as if drawn for each connection."""
    assert not _halts(engine_of(FET, SPARES), Talk(), SECRET)


def test_the_first_packet_arrives_and_180_seconds_follow() -> None:
    """Section 4.1: 3-tuple, towards the server, not armed again."""
    engine, talk = engine_of(FET, STRIKES, 1.0), Talk()
    opened(engine, talk)
    assert not acts_on(up(engine, [talk.send(SECRET)], 0.0))
    for now, acts in ((0.1, True), (100.0, True), (179.0, True), (180.1, False)):
        later = Talk(int(now * 10), 443)
        assert acts_on(up(engine, [later.syn()], now)) is acts
    assert not acts_on(engine.receive(talk.reply(b"x"), 100.0, OUT))
    assert not acts_on(up(engine, [Talk(7, 444).syn()], 100.0))


def test_china_needs_a_handshake_from_inside_over_tcp() -> None:
    """Section 4.1: both SYN and SYN+ACK; inside to outside; UDP is not affected."""
    engine, talk = engine_of(FET, STRIKES, STRIKES), Talk()
    up(engine, [talk.syn(), talk.send(SECRET)])
    assert not acts_on(up(engine, [talk.send(b"x")], 2.0))
    talk = Talk(2)
    for frame, side in ((talk.syn(), OUT), (talk.syn_ack(), IN)):
        engine.receive(frame, 0.0, side)
    engine.receive(talk.send(SECRET), 1.0, OUT)
    assert not acts_on(engine.receive(talk.send(b"x"), 2.0, OUT))
    talk = Talk(3)
    up(engine, [talk.udp(SECRET)])
    assert not acts_on(up(engine, [talk.udp(SECRET)], 2.0))
    # Five minutes after the handshake it still remembers.
    talk = Talk(4)
    opened(engine, talk, 10.0)
    up(engine, [talk.send(SECRET)], 310.0)
    assert acts_on(up(engine, [talk.send(b"x")], 311.0))


TLS_41 = b"\x16\x03\x01\0\x24" + b"\xff" * 36
ODD = b"\xff" * 60


def _filtered(*pieces: bytes, port: int = 443) -> bool:
    engine, talk = engine_of(IRAN), Talk(server_port=port)
    opened(engine, talk)
    return acts_on(up(engine, [talk.send(piece) for piece in pieces]))


@pytest.mark.parametrize(
    ("first", "passes"),
    [
        # FOCI 2020, 4.3: 12, 8 and 41 bytes, and what each must have.
        (query()[:12], True),
        (query()[:11], False),
        (query()[:2] + b"\x81" + query()[3:], False),  # an answer
        (query()[:5] + b"\x0f" + query()[6:], False),  # 15 questions
        (query()[:7] + b"\1" + query()[8:], False),  # with an answer
        (b"GET xyzw", True),
        (b"GET xyz", False),
        (b"OPTIONS xyz", True),
        (b"CONNECT xyz", True),
        (b"DELETE xyz", True),
        (b"GET  / HTTP/1.1", False),
        (b"PATCH /abcdefg", False),
        (b"TRACE /abcdefg", False),
        (TLS_41, True),
        (TLS_41[:4] + b"\x23" + b"\xff" * 35, False),
        (b"\x16\x03\x01\x02\0" + bytes(512), True),
        (b"\x16\x03\x03\x02\0" + bytes(512), True),
        (b"\x16\x03\x04\x02\0" + b"\xff" * 512, False),
        (b"\x16\x03\x01\x02\0" + b"\xff" * 511, False),
    ],
)
@pytest.mark.parametrize("port", [53, 80, 443])
def test_what_iran_lets_pass(first: bytes, passes: bool, port: int) -> None:
    assert _filtered(first, ODD, port=port) is not passes


def test_iran_looks_at_two_packets_and_drops_from_the_second_on() -> None:
    """FOCI 2020, 4.1 and 4.2: 60 s by all four, armed again by each packet."""
    assert not _filtered(ODD, request())
    assert not _filtered(ODD, ODD, port=8080)
    engine, talk = engine_of(IRAN), Talk()
    opened(engine, talk)
    assert not acts_on(up(engine, [talk.send(ODD)], 0.0))
    assert DropFrame() in up(engine, [talk.send(ODD)], 0.0)
    assert DropFrame() not in engine.receive(talk.reply(b"x"), 1.0, OUT)
    for now in (59.0, 118.0):
        assert DropFrame() in up(engine, [talk.send(ODD)], now)
    assert not acts_on(up(engine, [Talk(9).syn()], 118.0))
    assert not acts_on(up(engine, [talk.send(ODD)], 179.0))


def test_a_tiny_first_segment_trips_the_filter() -> None:
    """FOCI 2020, 5: what evades the other censor is no protocol to this one."""
    assert _filtered(request()[:4], request()[4:])


def test_what_gets_past_the_filter() -> None:
    """FOCI 2020, 5: four strategies, each of 100 %; it reads nothing from outside."""
    for before in ("decoy", "two FINs", "nine ACKs", "nine SYN+ACKs"):
        engine, talk = engine_of(IRAN), Talk()
        if before == "two FINs":
            fin = talk.tcp(b"", "F", talk.seq, 0)
            up(engine, [fin, fin], 0.0)
        opened(engine, talk)
        if before == "decoy":
            text = b"GET testing123"
            up(engine, [talk.tcp(text, "PA", talk.seq, talk.ack, chksum=1)])
        if before == "nine ACKs":
            up(engine, [talk.tcp(b"", "A", talk.seq, talk.ack)] * 9)
        if before == "nine SYN+ACKs":
            odd = talk.tcp(b"", "SA", talk.ack - 1, 7, up=False, chksum=1)
            for _ in range(9):
                engine.receive(odd, 1.0, OUT)
        assert not acts_on(up(engine, [talk.send(ODD), talk.send(ODD)])), before
    engine, talk = engine_of(IRAN), Talk()
    engine.receive(talk.syn(), 0.0, OUT)
    engine.receive(talk.syn_ack(), 0.0, IN)
    said = [engine.receive(talk.send(ODD), 1.0, OUT) for _ in "123"]
    assert not any(map(acts_on, said))


SESSION = b"session!"
RESET = b"\x38" + SESSION + bytes(5)
ANSWER = b"\x40" + b"servers!" + b"\1" + bytes(4) + SESSION + bytes(4)
CONTROL, DATA = b"\x20" + bytes(90), b"\x48" + bytes(90)
INITIATION = pack("<II", 1, 7) + bytes(140)
RESPONSE = pack("<III", 2, 8, 7) + bytes(80)
KEPT = pack("<IIQ", 4, 8, 0) + bytes(16)


@pytest.mark.parametrize(
    ("opening", "data", "pass_"),
    [
        # net4people/bbs 274: the handshake is let through, then data is counted.
        ([RESET, ANSWER, *[CONTROL] * 30], DATA, 15),
        ([INITIATION, RESPONSE], KEPT, 2),
    ],
)
def test_russia_counts_a_tunnels_data(
    opening: list[bytes], data: bytes, pass_: int
) -> None:
    engine, talk = engine_of(VPN), Talk(server_port=1194)
    for n, message in enumerate(opening):
        frame = talk.udp(message, up=n != 1)
        assert DropFrame() not in engine.receive(frame, 0.0, IN if n != 1 else OUT)
    dropped = [DropFrame() in up(engine, [talk.udp(data)]) for _ in range(20)]
    assert dropped == [False] * pass_ + [True] * (20 - pass_)
    assert DropFrame() in engine.receive(talk.udp(data, up=False), 2.0, OUT)


def test_russia_counts_openvpn_over_tcp() -> None:
    engine, talk = engine_of(VPN), Talk(server_port=1194)
    opened(engine, talk)

    def sized(message: bytes) -> bytes:
        return len(message).to_bytes(2, "big") + message

    up(engine, [talk.send(sized(m)) for m in (RESET, CONTROL, CONTROL)])
    dropped = [DropFrame() in up(engine, [talk.send(sized(DATA))]) for _ in range(20)]
    assert dropped == [False] * 15 + [True] * 5


def test_russia_leaves_what_it_does_not_know_and_what_stays_at_home() -> None:
    """net4people/bbs 274: AmneziaWG's junk and headers; servers in the country."""
    changed = pack("<II", 0x5A5A5A5A, 7) + bytes(140)
    for opening, six in (([b"junk" * 20, changed], False), ([INITIATION], True)):
        engine, talk = engine_of(VPN), Talk(server_port=51_820, six=six)
        frames = [talk.udp(m) for m in (*opening, *[KEPT] * 10)]
        assert not acts_on(up(engine, frames))


OUTER = server_name(b"cloudflare-ech.example")
LISTED, FREE = server_name(b"blocked.example"), server_name(b"free.example")
HELLO = extension(0xFE0D, bytes(60))


@pytest.mark.parametrize(
    ("extensions", "at_the_hoster", "elsewhere"),
    [
        # The verdict files russia/cf_cdn.txt and cf_single_ip.txt, line by line.
        ([HELLO], False, False),
        ([HELLO, FREE], False, False),
        ([HELLO, server_name(b"")], False, False),
        ([HELLO, LISTED], True, True),
        ([LISTED], True, True),
        ([OUTER], False, False),
        ([HELLO, OUTER], True, False),
    ],
)
@pytest.mark.parametrize("over", ["tls", "quic"])
def test_russia_on_encrypted_hellos(
    over: str, extensions: list[bytes], at_the_hoster: bool, elsewhere: bool
) -> None:
    message = hello_message(*extensions)
    for six, drops in ((False, at_the_hoster), (True, elsewhere)):
        engine, talk = engine_of(ECH), Talk(six=six)
        opened(engine, talk)
        frame = talk.send(record(message))
        if over == "quic":
            frame = talk.udp(initial(crypto(0, message).ljust(1162, b"\0")))
        assert (DropFrame() in up(engine, [frame])) is drops


@pytest.mark.parametrize("at", [3, 30, 80])
def test_russia_puts_encrypted_hellos_together(at: int) -> None:
    """The data's README: segments and records are no use, each by itself."""
    message = hello_message(OUTER, HELLO)
    whole = record(message)
    for pieces in (
        [whole[:at], whole[at:]],
        [record(message[:at]), record(message[at:])],
    ):
        engine, talk = engine_of(ECH), Talk()
        opened(engine, talk)
        assert DropFrame() in up(engine, [talk.send(piece) for piece in pieces])
