"""Headers read from frames of every sort, and from no frames at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.checksum import checksums_right
from filterlab.inspection.packet import Packet, dissect
from tests.inspection.wire import (
    CLIENT,
    ETHER,
    ICMP,
    IP,
    SERVER,
    TCP,
    UDP,
    Dot1Q,
    IPv6,
    Talk,
    framed,
    hello,
)


def _read(frame: bytes) -> Packet:
    packet = dissect(frame)
    assert packet is not None
    return packet


def test_reads_tcp() -> None:
    packet = _read(Talk().tcp(b"abc", "PA", 7, 9) + b"padding")
    assert packet.version == 4 and packet.protocol == 6 and packet.whole
    assert packet.src == bytes((100, 64, 0, 2)) and packet.dst == bytes((198, 18, 0, 5))
    assert (packet.src_port, packet.dst_port) == (40_000, 443)
    assert (packet.seq, packet.ack, packet.flags) == (7, 9, 0x18)
    assert packet.payload == b"abc" and packet.next_seq == 10 and packet.ttl == 64
    assert packet.icmp_type is None


def test_syn_and_fin_count_one_each() -> None:
    assert _read(Talk().tcp(b"", "S", 2**32 - 1, 0)).next_seq == 0
    assert _read(Talk().tcp(b"ab", "FA", 5, 0)).next_seq == 8


def test_reads_past_vlan_tags_and_options() -> None:
    ip = IP(src=CLIENT, dst=SERVER, options=[b"\x07\x07\x04\0\0\0\0"])
    frame = bytes(ETHER / Dot1Q(vlan=5) / Dot1Q(vlan=6) / ip / UDP(dport=53) / b"x")
    packet = _read(frame)
    assert packet.dst_port == 53 and packet.payload == b"x"
    assert packet.ethernet == frame[:22]
    assert dissect(frame[:14] + b"\x81\0" * 10) is None


def test_reads_ipv6_past_its_extension_headers() -> None:
    plain = Talk(six=True).udp(b"data")
    hops = b"\x3c\0\x01\x04\0\0\0\0" + b"\x33\0\x01\x04\0\0\0\0"
    authentication = b"\x2c\x01" + bytes(10)
    atomic = b"\x11\0\0\0\0\0\0\1"
    headers = hops + authentication + atomic
    length = int.from_bytes(plain[18:20], "big") + len(headers)
    frame = plain[:18] + length.to_bytes(2, "big") + b"\0" + plain[21:54] + headers
    packet = _read(frame + plain[54:])
    assert packet.whole and packet.dst_port == 443 and packet.payload == b"data"
    assert packet.ttl == 64 and checksums_right(packet)
    for cut in range(20):
        short = frame[:18] + cut.to_bytes(2, "big") + frame[20:]
        assert not _read(short).whole


def test_fragments_have_no_ports() -> None:
    for offset, more in ((0, 1), (4, 0)):
        ip = IP(src=CLIENT, dst=SERVER, frag=offset, flags=more)
        packet = _read(bytes(ETHER / ip / UDP(dport=53) / (b"x" * 8)))
        assert packet.fragment and not packet.whole and packet.dst_port == 0
    head = bytes(ETHER / IPv6(nh=44, plen=24))
    for bits in (b"\0\1", b"\0\x08"):
        fragment = head + b"\x11\0" + bits + b"\0\0\0\1" + bytes(16)
        packet = _read(fragment)
        assert packet.fragment and packet.protocol == 17 and not packet.whole


def test_broken_transport_headers_have_no_ports() -> None:
    tcp = Talk().tcp(b"", "S", 1, 0)
    for offset in (b"\x40", b"\xf0"):
        assert not _read(tcp[:46] + offset + tcp[47:]).whole
    assert not _read(framed(TCP() / b"")[:-1]).whole
    udp = Talk().udp(b"abc")
    assert not _read(udp[:38] + b"\0\x07" + udp[40:]).whole
    assert not _read(udp[:38] + b"\0\xff" + udp[40:]).whole
    assert not _read(udp[:40]).whole
    assert not _read(bytes(ETHER / IP(proto=1))).whole


def test_reads_the_icmp_type() -> None:
    assert _read(framed(ICMP(type=11))).icmp_type == 11


def test_what_is_no_ip_is_nothing() -> None:
    talk = Talk().send(b"")
    assert dissect(b"") is None
    assert dissect(talk[:12] + b"\x08\x06" + talk[14:]) is None
    assert dissect(talk[:14] + b"\x44" + talk[15:]) is None
    assert dissect(talk[:16] + b"\0\x10" + talk[18:]) is None
    assert dissect(bytes(ETHER / Dot1Q() / IP())[:36]) is None
    assert dissect(Talk(six=True).send(b"")[:50]) is None


def test_checks_checksums() -> None:
    for six in (False, True):
        for frame in (Talk(six=six).send(b"odd"), Talk(six=six).udp(b"even")):
            assert checksums_right(_read(frame))
            assert not checksums_right(_read(frame[:-1] + b"!"))
    icmp = framed(ICMP())
    assert checksums_right(_read(icmp))
    assert not checksums_right(_read(icmp[:22] + b"\x01" + icmp[23:]))


def test_an_unused_udp_checksum_is_right_in_ipv4_only() -> None:
    for six, right in ((False, True), (True, False)):
        frame = Talk(six=six).udp(b"abc")
        at = 60 if six else 40
        assert checksums_right(_read(frame[:at] + b"\0\0" + frame[at + 2 :])) is right


def test_a_cut_packet_counts_as_right() -> None:
    packet = _read(Talk().send(hello())[:-20])
    assert packet.cut and checksums_right(packet)


_SEEDS = st.sampled_from(
    [Talk().send(hello()), Talk(six=True).send(hello()), Talk().udp(b"a" * 20)]
)


@given(st.binary(max_size=120), _SEEDS, st.integers(12, 80))
def test_never_raises(data: bytes, seed: bytes, at: int) -> None:
    for frame in (data, seed[:at] + data, seed[:at] + data + seed[at + len(data) :]):
        packet = dissect(frame)
        if packet is not None:
            checksums_right(packet)
            assert len(packet.payload) <= len(frame)
            assert packet.icmp_type is None or packet.whole
