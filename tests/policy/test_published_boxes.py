"""Published censors that are more than a list: two boxes or stages, counts, fragments.

Each test names the section that it goes by; sources stand in the policies.
"""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from filterlab.inspection.checksum import checksum
from filterlab.inspection.packet import SYN, Packet, dissect
from filterlab.policy.effects import DropFrame, Effect, Forward, Inject, Settle
from filterlab.policy.engine import Engine
from filterlab.policy.rules import AfterFlows, Drop
from filterlab.policy.tally import MOST_HOSTS, Tallies
from tests.inspection.wire import (
    ETHER,
    IP,
    UDP,
    IPv6,
    IPv6ExtHdrFragment,
    Talk,
    hello,
    request,
    sized,
)
from tests.policy.boxes import IN, OUT, PREFIX, box, injected, log, opened, rule
from tests.policy.censors import acts_on, engine_of, up

KEY_EXCHANGE = b"\x16\3\3" + sized(2, b"\x10" + sized(3, bytes(66)))
CHANGE_CIPHER_SPEC = b"\x14\3\3\0\1\1"
# Nothing that an exemption of Wu et al. (USENIX Security 2023) holds for.
ENCRYPTED = bytes(range(128, 256)) * 4


@pytest.mark.parametrize(
    ("chances", "at_hello", "later"),
    [
        ((0.88,), 3, 0),  # the first box acts on 88.2 %
        ((0.89, 0.86), 0, 1),  # and the second on 87.0 % of what it missed
        ((0.89, 0.88), 0, 0),
    ],
)
@pytest.mark.parametrize("goes_on", [KEY_EXCHANGE, CHANGE_CIPHER_SPEC])
def test_the_second_box_looks_where_the_first_has_missed(
    chances: tuple[float, ...], at_hello: int, later: int, goes_on: bytes
) -> None:
    """FOCI 2021, 4: RST+ACK on the hello; one RST once the handshake goes on."""
    engine, talk = engine_of("cn-sni-dual-box-2021", *chances), Talk()
    opened(engine, talk)
    first = injected(up(engine, [talk.send(hello())]))
    second = injected(up(engine, [talk.send(goes_on)]))
    for said, count, flags in ((first, at_hello, 0x14), (second, later, 0x04)):
        assert [side for side, _ in said] == [IN] * count + [OUT] * count
        assert {packet.flags for _, packet in said} <= {flags}


def test_both_boxes_ask_for_a_listed_name() -> None:
    engine, talk = engine_of("cn-sni-dual-box-2021", 0.99, 0.0), Talk()
    opened(engine, talk)
    said = up(engine, [talk.send(hello(b"free.example")), talk.send(KEY_EXCHANGE)])
    assert not acts_on(said)


def _weak_sign(engine: Engine, port: int, now: float) -> list[Effect]:
    talk = Talk(port=port, server_port=8388)
    opened(engine, talk, now)
    return engine.receive(talk.send(ENCRYPTED), now, IN)


def test_a_server_is_blocked_from_the_38th_weak_sign_on() -> None:
    """NDSS 2024, 6: at most 38 flows, and none of an innocent server."""
    engine = engine_of("vpn-host-accumulation")
    said = [_weak_sign(engine, 2000 + n, 60.0 * n) for n in range(38)]
    assert not any(map(acts_on, said[:37]))
    assert log(said[37]).rule == "server of many"
    # From then on for everybody, and whatever it is.
    other = Talk(port=9, server_port=443)
    assert DropFrame() in engine.receive(other.syn(), 2400.0, IN)


def test_flows_count_for_so_long_and_once_each() -> None:
    after = AfterFlows(3, "server", 60.0)
    engine = box(rule(PREFIX, Drop(), after_flows=after))
    first = Talk(port=1, server_port=80)
    # A flow that has been counted is not counted again by its next packets.
    assert not acts_on([e for n in range(5) for e in opened(engine, first, n)])
    for port, now, drops in ((2, 10.0, False), (3, 65.0, False), (4, 69.0, True)):
        said = engine.receive(Talk(port=port, server_port=80).syn(), now, IN)
        assert (DropFrame() in said) is drops, port


def test_counted_hosts_are_bounded() -> None:
    tallies, after = Tallies(), AfterFlows(2, "client", 1e9)
    ends = [(6, n.to_bytes(4), 1, bytes(4), 2) for n in range(MOST_HOSTS + 1)]
    assert not any(tallies.suffice(0, after, each, 0.0) for each in ends)
    assert tallies.suffice(0, after, ends[-1], 0.0)
    assert not tallies.suffice(0, after, ends[0], 0.0)  # forgotten
    assert not tallies.suffice(1, after, ends[-1], 0.0)  # another rule's


def _socks(engine: Engine, port: int, now: float) -> Talk:
    """A session that lives, although it is recognised."""
    talk = Talk(port=port, server_port=1080)
    opened(engine, talk, now)
    said = engine.receive(talk.send(b"\5\1\0"), now, IN)
    said += engine.receive(talk.reply(b"\5\0"), now, OUT)
    said += engine.receive(talk.send(b"\5\1\0\1\xc6\x12\0\1\0\x50"), now, IN)
    assert log(said).rule == "protocols" and not acts_on(said)
    return talk


@pytest.mark.parametrize(("chance", "begins"), [(0.0, 300.0), (0.999, 899.0)])
def test_what_is_recognised_is_listed_minutes_later(
    chance: float, begins: float
) -> None:
    """The lecture: 5 to 15 minutes; running sessions live until then."""
    engine = engine_of("ru-asbi-two-stage", chance)
    talk = _socks(engine, 40_005, 0.0)
    # More of the same meanwhile does not put it off.
    _socks(engine, 40_007, begins - 10)
    later = Talk(port=8, server_port=1080)
    assert DropFrame() not in engine.receive(later.syn(), begins - 1, IN)
    met = engine.receive(Talk(port=9, server_port=1080).syn(), begins + 1, IN)
    assert DropFrame() in met
    assert [e.match for e in met if isinstance(e, Settle)] == ["server-port"]
    assert DropFrame() in engine.receive(talk.send(b"more"), begins + 2, IN)
    # Another port of the server is not on the list.
    assert Forward() in engine.receive(Talk(server_port=443).syn(), begins + 3, IN)


@pytest.mark.parametrize(
    ("sizes", "acts"), [((411,) * 3, True), ((410, 500, 500), False)]
)
def test_three_long_packets_of_what_looks_encrypted(
    sizes: tuple[int, ...], acts: bool
) -> None:
    """net4people/bbs 363: at least three packets of the client of 411 bytes or more."""
    engine, talk = engine_of("ru-2024-encapsulated-https"), Talk(server_port=8388)
    opened(engine, talk)
    frames = [talk.send(ENCRYPTED[:size]) for size in sizes]
    frames += [talk.send(b"\xf0" * 40) for _ in range(5)]
    assert acts_on(up(engine, frames)) is acts
    engine, talk = engine_of("ru-2024-encapsulated-https"), Talk()
    opened(engine, talk)
    frames = [talk.send(hello()), *(talk.send(b"\x17\3\3\2\0" * 100) for _ in range(7))]
    assert not acts_on(up(engine, frames))


def test_a_proxy_is_given_all_of_tls() -> None:
    """Qurium 2020: a transparent proxy, which forges certificates and redirects."""
    engine, talk = engine_of("by-2020-a1-squid"), Talk()
    ((_, packet),) = injected(engine.receive(talk.syn(), 0.0, IN))
    assert packet.flags == SYN and packet.dst_port == 8080
    assert packet.dst == ip_address("198.18.4.2").packed
    engine, talk = engine_of("by-2020-a1-squid"), Talk(server_port=80)
    opened(engine, talk)
    (page, *_) = [p for _, p in injected(up(engine, [talk.send(request())]))]
    assert b"Location: https://a1.example/mininfo/" in page.payload


def _fragments(count: int, ttls: tuple[int, ...] = (64,)) -> list[bytes]:
    """A datagram to port 9999 in so many fragments of eight bytes."""
    whole = bytes(UDP(sport=40_000, dport=9999) / (b"x" * (count * 8 - 8)))
    pieces = [whole[at : at + 8] for at in range(0, len(whole), 8)]
    return [
        bytes(
            ETHER
            / IP(
                src="100.64.0.2",
                dst="198.18.0.5",
                id=7,
                proto=17,
                ttl=ttls[min(number, len(ttls) - 1)],
                flags="MF" if number < count - 1 else 0,
                frag=number,
            )
            / piece
        )
        for number, piece in enumerate(pieces)
    ]


def _released(effects: list[Effect]) -> list[Packet]:
    frames = [e.frame for e in effects if isinstance(e, Inject)]
    return [packet for frame in frames if (packet := dissect(frame)) is not None]


def test_fragments_wait_for_the_last_and_take_the_first_ones_ttl() -> None:
    """IMC 2022: kept, forwarded without having been put together, TTL of the first."""
    engine = engine_of("ru-tspu-fragments")
    frames = _fragments(3, ttls=(61, 50, 40))
    for frame in (frames[1], frames[0]):
        assert engine.receive(frame, 0.0, IN) == [DropFrame()]
    said = engine.receive(frames[2], 1.0, IN)
    assert said[0] == DropFrame()
    released = _released(said)
    assert [packet.ttl for packet in released] == [61] * 3
    content = [packet.frame[34:] for packet in released]
    assert content == [frames[n][34:] for n in (1, 0, 2)]  # as they came
    assert all(checksum(packet.frame[14:34]) == 0 for packet in released)
    # One that comes again opens another datagram.
    assert engine.receive(frames[2], 1.0, IN) == [DropFrame()]


def test_fragments_of_ipv6_take_the_first_ones_hop_limit() -> None:
    engine = engine_of("ru-tspu-fragments")
    datagram = bytes(UDP(sport=40_000, dport=9999) / (b"x" * 24))
    frames = [
        bytes(
            ETHER
            / IPv6(src="2001:db8:100::2", dst="2001:db8:200::5", hlim=hops)
            / IPv6ExtHdrFragment(offset=at // 8, m=more, id=9, nh=17)
            / datagram[at : at + 16]
        )
        for at, more, hops in ((0, 1, 61), (16, 0, 50))
    ]
    assert engine.receive(frames[0], 0.0, IN) == [DropFrame()]
    released = _released(engine.receive(frames[1], 0.0, IN))
    assert [packet.frame[21] for packet in released] == [61, 61]
    assert released[1].frame[54:] == frames[1][54:]


@pytest.mark.parametrize(("count", "passes"), [(45, True), (46, False)])
def test_more_than_45_fragments_do_not_come_through(count: int, passes: bool) -> None:
    engine = engine_of("ru-tspu-fragments")
    said = [engine.receive(frame, 0.0, IN) for frame in _fragments(count)]
    assert len(_released([e for each in said for e in each])) == (
        count if passes else 0
    )


def test_fragments_of_listed_addresses_do_not_come_through() -> None:
    engine = engine_of("ru-tspu-fragments")
    frames = [
        frame.replace(ip_address("198.18.0.5").packed, ip_address("198.18.99.5").packed)
        for frame in _fragments(2)
    ]
    said = [effect for frame in frames for effect in engine.receive(frame, 0.0, IN)]
    assert not _released(said) and log(said).rule == "listed addresses"
    assert engine_of("ru-tspu-fragments").receive(frames[1], 40.0, IN) == [DropFrame()]
