"""The shipped censors do what was published of them, and what evades them does.

Each test names the table or section that it goes by; sources stand in the policies.
"""

from __future__ import annotations

import pytest

from filterlab.policy.effects import DropFrame, Settle
from tests.inspection.wire import (
    Talk,
    extension,
    hello,
    hello_in_records,
    hello_message,
    query,
    record,
    request,
    server_name,
)
from tests.policy.boxes import IN, OUT, injected, opened
from tests.policy.censors import acts_on, engine_of, up

NAME = b"blocked.example"
ESNI = record(hello_message(extension(0xFFCE, b"x" * 40)))


def _meets(name: str, pieces: list[bytes], port: int = 443) -> bool:
    """Whether the censor acts on a connection that says these pieces."""
    engine, talk = engine_of(name), Talk(server_port=port)
    opened(engine, talk)
    return acts_on(up(engine, [talk.send(piece) for piece in pieces]))


_EARLY, _LATE = hello().index(NAME) + 3, len(hello()) - 3


@pytest.mark.parametrize(
    ("censor", "pieces", "acts"),
    [
        # S&P 2025, parsing: TCP reassembly yes and no, TLS reassembly no.
        ("cn-sni-rst", [hello()], True),
        ("cn-sni-rst", [hello()[:_EARLY], hello()[_EARLY:]], True),
        ("cn-sni-rst", [hello_in_records(_EARLY)], False),
        ("cn-sni-rst", [hello_in_records(_LATE - 9)], False),
        ("cn-henan", [hello()], True),
        ("cn-henan", [request()], True),
        ("cn-henan", [hello()[:_EARLY], hello()[_EARLY:]], False),
        ("cn-henan", [hello_in_records(_LATE - 9)], False),
        # WOOT 2021 and SIGCOMM 2020, 5.3: no reassembly.
        ("kz-2020-http-sni-nullroute", [hello()], True),
        ("kz-2020-http-sni-nullroute", [request()], True),
        ("kz-2020-http-sni-nullroute", [request()[:50], request()[50:]], False),
        # CCS 2019, 5.3: one well-formed packet.
        ("in-airtel-http", [request()[:50], request()[50:]], False),
        # 2023: TCP segmentation is no use, record fragmentation is.
        ("ir-http-sni", [hello()[:_EARLY], hello()[_EARLY:]], True),
        ("ir-http-sni", [hello_in_records(_EARLY)], False),
        ("ir-http-sni", [request().replace(b"GET", b"get")], False),
        # WWW 2023: fragments after 8 bytes of HTTP and 4 of TLS.
        ("tm-2022", [hello()], True),
        ("tm-2022", [hello()[:4], hello()[4:]], False),
        ("tm-2022", [request()[:8], request()[8:]], False),
        # IMC 2022: client segmentation.
        ("ru-2022-tspu-sni", [hello()], True),
        ("ru-2022-tspu-sni", [hello()[:_EARLY], hello()[_EARLY:]], False),
        # CCS 2019, Table 1: a request in two halves is reassembled.
        ("cn-http-keyword", [request("a.example", "/?q=ultrasurf")], True),
        ("cn-http-keyword", [b"GET /?q=ultra", b"surf HTTP/1.1\r\n\r\n"], True),
    ],
)
def test_how_carefully_they_read(censor: str, pieces: list[bytes], acts: bool) -> None:
    assert _meets(censor, pieces) is acts


def test_three_dns_injectors() -> None:
    """FOCI 2020, Table 3: DF, AA, IP identification and TTL of each."""
    engine, talk = engine_of("cn-dns-triplet"), Talk(server_port=53)
    said = injected(engine.receive(talk.udp(query("www.short.example")), 0.0, IN))
    looks = [
        (p.frame[20] >> 6 & 1, p.payload[2] >> 2 & 1, p.ttl == 64, p.frame[18:20])
        for _, p in said
    ]
    assert [look[:2] for look in looks] == [(0, 1), (1, 0), (0, 0)]
    assert looks[2][2:] == (True, b"\0\0")  # mirrors the query's TTL
    assert [p.payload[-8:-4].hex() for _, p in said][:1] == ["003c0004"]
    assert len(injected(engine.receive(talk.udp(query()), 0.0, IN))) == 2
    # From outside as well; not over another port, and not two questions at once.
    other = Talk(9, 53)
    assert injected(engine.receive(other.udp(query()), 0.0, OUT))
    assert not acts_on(engine.receive(Talk(8, 54).udp(query()), 0.0, IN))
    twice = query()[:5] + b"\2" + query()[6:]
    assert not acts_on(engine.receive(Talk(7, 53).udp(twice), 0.0, IN))


@pytest.mark.parametrize("censor", ["cn-http-keyword", "tm-2022"])
@pytest.mark.parametrize("more", [{}, {"chksum": 1}])
def test_a_reset_that_does_not_arrive_makes_them_forget(
    censor: str, more: dict[str, int]
) -> None:
    """CCS 2019, Table 1 (TCB teardown); WWW 2023, 6.1: all such strategies succeed."""
    engine, talk = engine_of(censor), Talk(server_port=80)
    opened(engine, talk)
    ack = talk.tcp(b"", "A", talk.seq, talk.ack)
    up(engine, [ack, talk.tcp(b"", "R", talk.seq, talk.ack, **more)])
    page = request(path="/?q=ultrasurf")
    assert not acts_on(up(engine, [talk.send(page)]))


@pytest.mark.parametrize(("chance", "acts"), [(0.2, False), (0.8, True)])
def test_a_reset_before_the_handshake_ends_is_a_coin(chance: float, acts: bool) -> None:
    """CCS 2019, 5.2: resynchronises with a probability of about a half."""
    engine, talk = engine_of("cn-http-keyword", chance), Talk(server_port=80)
    opened(engine, talk)
    up(engine, [talk.tcp(b"", "R", talk.seq, 0)])
    page = request(path="/?q=ultrasurf")
    assert acts_on(up(engine, [talk.send(page)])) is acts


def test_a_decoy_with_a_wrong_checksum_moves_the_place() -> None:
    """CCS 2019, Table 1: data with a wrong checksum or TTL, China 80 % and more."""
    engine, talk = engine_of("cn-http-keyword"), Talk(server_port=80)
    opened(engine, talk)
    decoy = talk.tcp(b"x" * 200, "PA", talk.seq, talk.ack, chksum=1)
    page = request(path="/?q=ultrasurf")
    assert not acts_on(up(engine, [decoy, talk.send(page)]))


def test_the_keyword_penalty() -> None:
    """WOOT 2021, Table I: 90 s by 3-tuple, data only, not armed again."""
    engine = engine_of("cn-http-keyword", 0.1, 0.1)
    talk = Talk(server_port=80)
    opened(engine, talk)
    assert acts_on(up(engine, [talk.send(request(path="/?q=ultrasurf"))]))
    for now, acts in ((50.0, True), (90.9, True), (91.1, False)):
        later = Talk(int(now * 10), 80)
        assert not acts_on(opened(engine, later, now))
        assert acts_on(up(engine, [later.send(b"GET / HTTP/1.1\r\n")], now)) is acts
    assert not acts_on(up(engine, [Talk(9, 81).send(b"GET")], 60.0))


def test_what_the_sni_resets_look_like() -> None:
    """S&P 2025, fingerprints: I one RST, II three RST+ACK, III one; to both ends."""
    engine, talk = engine_of("cn-sni-rst"), Talk()
    engine.receive(talk.syn(), 0.0, IN)  # the SYN+ACK is not needed
    said = injected(engine.receive(talk.send(hello()), 0.0, IN))
    for wanted in (IN, OUT):
        mine = [p for side, p in said if side is wanted]
        assert [p.flags for p in mine] == [0x04, 0x14, 0x14, 0x14, 0x14]
        bits = [p.frame[20] >> 6 for p in mine]
        assert bits == [0, 1, 1, 1, 0]
        assert int.from_bytes(mine[0].frame[18:20]) == 0
        assert 0x9916 <= int.from_bytes(mine[4].frame[18:20]) <= 0x9933


def test_what_the_henan_reset_looks_like_and_needs() -> None:
    """S&P 2025: to the client only, ten bytes of payload; a header of 20 bytes."""
    engine, talk = engine_of("cn-henan"), Talk(server_port=4444)
    said = injected(up(engine, [talk.send(hello())]))
    ((side, reset),) = said
    assert side is IN and reset.flags == 0x14
    assert reset.payload.hex() == "01020304050607080900"
    assert reset.frame[18:21].hex() == "000100"
    options = [("NOP", None)] * 4
    with_options = Talk(9).tcp(hello(), "PA", 1, 1, options=options)  # type: ignore[arg-type]
    assert not acts_on(up(engine, [with_options]))
    from_outside = Talk(8).tcp(hello(), "PA", 1, 1)
    assert not acts_on(engine.receive(from_outside, 0.0, OUT))


def test_esni_comes_to_a_halt() -> None:
    """WOOT 2021, Table I: 3-tuple, towards the server, a second late, not re-armed."""
    engine, talk = engine_of("cn-esni-2020", 0.5), Talk()
    opened(engine, talk)
    assert not acts_on(up(engine, [talk.send(ESNI)], 0.0))
    assert not acts_on(up(engine, [Talk(9).syn()], 0.9))
    for now, acts in ((1.5, True), (150.0, True), (151.5, False)):
        assert acts_on(up(engine, [Talk(int(now)).syn()], now)) is acts
    assert not acts_on(engine.receive(talk.reply(b"x"), 100.0, OUT))
    # A first segment of four bytes; no whole handshake; ECH, which has another number.
    assert not _slows([ESNI[:4], ESNI[4:]])
    ech = record(hello_message(server_name(NAME), extension(0xFE0D, b"x")))
    assert not _slows([ech])
    engine, talk = engine_of("cn-esni-2020"), Talk()
    up(engine, [talk.syn(), talk.send(ESNI)])
    assert not acts_on(up(engine, [Talk(9).syn()], 3.0))


def _slows(pieces: list[bytes]) -> bool:
    engine, talk = engine_of("cn-esni-2020"), Talk()
    opened(engine, talk)
    up(engine, [talk.send(piece) for piece in pieces])
    return acts_on(up(engine, [Talk(9).syn()], 3.0))


def test_airtel_needs_no_connection_and_believes_no_options() -> None:
    """SIGCOMM 2020, 5.2 (FIN+PSH+ACK, then RST); CCS 2019, Table 1 (decoys fail)."""
    engine, talk = engine_of("in-airtel-http"), Talk(server_port=80)
    page, reset = injected(up(engine, [talk.send(request())]))
    assert (page[0], page[1].flags, reset[0]) == (IN, 0x19, IN)
    assert reset[1].flags & 0x04 and reset[1].seq == page[1].next_seq
    assert not acts_on(up(engine, [Talk(2, 8080).send(request())]))
    odd = Talk(3, 80).tcp(request(), "PA", 1, 1, options=[(253, b"xx")])  # type: ignore[arg-type]
    assert not acts_on(up(engine, [odd]))
    talk = Talk(4, 80)
    decoys = [
        talk.tcp(b"x" * 90, "PA", talk.seq, talk.ack, chksum=1),
        talk.tcp(b"", "R", talk.seq, talk.ack),
    ]
    assert acts_on(up(engine, [*decoys, talk.send(request())]))


@pytest.mark.parametrize(
    ("censor", "seconds", "to_client"),
    [("kz-2020-http-sni-nullroute", 120, False), ("ir-http-sni", 180, True)],
)
def test_null_routes_last_while_they_are_met(
    censor: str, seconds: int, to_client: bool
) -> None:
    """WOOT 2021, Table I: 4-tuple, armed again by each packet."""
    engine, talk = engine_of(censor), Talk()
    opened(engine, talk, 0.0)
    assert acts_on(up(engine, [talk.send(hello())], 0.0))
    reply = engine.receive(talk.reply(b"x"), 1.0, OUT)
    assert (DropFrame() in reply) is to_client
    for now in (seconds * 0.9, seconds * 1.8):
        assert DropFrame() in up(engine, [talk.send(b"x")], now)
    assert not acts_on(up(engine, [Talk(9).syn()], 1.0))
    assert DropFrame() not in up(engine, [talk.send(b"x")], seconds * 2.9)


def test_kazakhstan_ignores_what_begins_oddly() -> None:
    """SIGCOMM 2020, Table 2: SYN+ACKs with payload 100 %; no SYN+ACK is needed."""
    engine, talk = engine_of("kz-2020-http-sni-nullroute"), Talk(server_port=80)
    engine.receive(talk.syn(), 0.0, IN)
    for _ in range(3):
        loaded = talk.tcp(b"load", "SA", talk.ack - 1, talk.seq, up=False)
        engine.receive(loaded, 0.0, OUT)
    assert not acts_on(up(engine, [talk.send(request())]))
    talk = Talk(9, 80)
    assert acts_on(up(engine, [talk.syn(), talk.send(request())]))


def test_turkmenistan() -> None:
    """WWW 2023: 127.0.0.1 for 300 s; RST; identification 30000, TTL 128; both ways."""
    engine = engine_of("tm-2022")
    for side, port in ((IN, 1), (OUT, 2)):
        (answer,) = injected(engine.receive(Talk(port, 53).udp(query()), 0.0, side))
        assert answer[0] is side and answer[1].ttl == 128
        assert answer[1].payload[-4:] == b"\x7f\0\0\1"
        assert int.from_bytes(answer[1].payload[-10:-6]) == 300
        assert int.from_bytes(answer[1].frame[18:20]) == 30_000
    talk = Talk(40_009, 4444)
    (reset,) = injected(engine.receive(talk.send(hello()), 0.0, OUT))
    assert (reset[0], reset[1].flags, reset[1].ttl) == (OUT, 4, 128)
    for now, acts in ((29.0, True), (58.0, True), (89.0, False)):
        assert acts_on(engine.receive(talk.send(b"x"), now, OUT)) is acts


def test_the_tspu_asks_who_began() -> None:
    """IMC 2022: nothing that begins abroad triggers; a SYN from abroad ends it."""
    engine, talk = engine_of("ru-2022-tspu-sni"), Talk()
    for frame, side in ((talk.syn(), OUT), (talk.syn_ack(), IN)):
        engine.receive(frame, 0.0, side)
    assert not acts_on(engine.receive(talk.send(hello()), 0.0, OUT))
    talk = Talk(9)
    engine.receive(talk.syn(), 0.0, IN)
    simultaneous = talk.tcp(b"", "S", talk.ack - 1, 0, up=False)
    engine.receive(simultaneous, 0.0, OUT)
    assert not acts_on(up(engine, [talk.send(hello())]))


def test_the_four_ways_of_the_tspu() -> None:
    """IMC 2022, Fig. 2 as cited: 75 s, 5 to 8 packets then 420 s, throttle, 40 s."""
    engine, talk = engine_of("ru-2022-tspu-sni"), Talk()
    opened(engine, talk)
    ((side, reset),) = injected(up(engine, [talk.send(hello())]))
    assert side is IN and reset.flags == 0x14
    assert injected(up(engine, [talk.send(b"x")], 75.0))
    talk = Talk(40_002)
    opened(engine, talk)
    frames = [
        talk.send(hello(b"delayed.example")),
        *(talk.send(b"x") for _ in "12345678"),
    ]
    dropped = [DropFrame() in engine.receive(f, 1.0, IN) for f in frames]
    assert 6 <= dropped.index(True) <= 9 and all(dropped[dropped.index(True) :])
    assert DropFrame() in engine.receive(talk.reply(b"x"), 420.0, OUT)
    talk = Talk(40_003)
    opened(engine, talk)
    assert DropFrame() in up(engine, [talk.send(hello(b"silent.example"))])
    assert DropFrame() in up(engine, [talk.send(b"x")], 40.0)


TWITTER = hello(b"twitter.example")


@pytest.mark.parametrize(
    ("pieces", "slows"),
    [
        ([TWITTER], True),
        ([hello(b"abs.twimg.example")], True),
        # What works: two segments; more than a packet; 101 bytes of junk; a record of
        # another kind before; a final dot.
        ([TWITTER[:_EARLY], TWITTER[_EARLY:]], False),
        ([TWITTER[:-5]], False),
        ([b"\xff" * 101, TWITTER], False),
        ([b"\x14\x03\x03\0\1\1" + TWITTER], False),
        ([hello(b"twitter.example.")], False),
        # What does not: less junk, another hello before.
        ([b"\xff" * 100, TWITTER], True),
        ([hello(b"other.example"), TWITTER], True),
    ],
)
def test_what_slows_twitter_down(pieces: list[bytes], slows: bool) -> None:
    """IMC 2021, the seven that evade and the three that do not."""
    assert _meets("ru-2021-twitter-throttle", pieces) is slows


def test_twitter_from_either_end_of_what_began_inside() -> None:
    """IMC 2021: hello from either side; resets do not end it; ten idle minutes do."""
    name = "ru-2021-twitter-throttle"
    engine, talk = engine_of(name), Talk()
    opened(engine, talk)
    up(engine, [talk.tcp(b"", "R", talk.seq, talk.ack)])
    limits = [
        e.limit.kbit_s
        for e in engine.receive(talk.reply(TWITTER), 0.0, OUT)
        if isinstance(e, Settle) and e.limit
    ]
    assert limits == [140, 140]  # a bucket for each direction
    engine, talk = engine_of(name), Talk()
    opened(engine, talk)
    assert not acts_on(up(engine, [talk.send(TWITTER)], 601.0))
    engine, talk = engine_of(name), Talk()
    engine.receive(talk.syn(), 0.0, OUT)
    assert not acts_on(engine.receive(talk.send(TWITTER), 0.0, OUT))


@pytest.mark.parametrize(
    ("sizes", "freezes"), [([1400] * 30, True), ([2] * 30, True), ([1400], False)]
)
def test_the_freeze_counts_packets(sizes: list[int], freezes: bool) -> None:
    """net4people/bbs 490: many bytes freeze, many tiny packets too, one does not."""
    engine, talk = engine_of("ru-2025-freeze-16-20k"), Talk()
    opened(engine, talk)
    said = up(engine, [talk.send(hello())])
    said += up(engine, [talk.send(b"x" * size) for size in sizes])
    assert acts_on(said) is freezes and not injected(said)
    for port, name in ((22, NAME), (443, b"allowed.example")):
        talk = Talk(2, port)
        opened(engine, talk)
        said = up(engine, [talk.send(hello(name))])
        said += up(engine, [talk.send(b"x" * size) for size in sizes])
        assert not acts_on(said)


def test_mobile_data_lets_a_connection_open() -> None:
    """net4people/bbs 516: the SYN arrives, the hello does not; no ICMP."""
    engine, talk = engine_of("ru-2025-mobile-allowlist"), Talk()
    assert not acts_on(opened(engine, talk))
    assert DropFrame() in up(engine, [talk.send(hello(b"gosuslugi.example"))])
    assert DropFrame() in up(engine, [Talk(2).udp(b"x" * 1200)])
