"""What DNA cannot say: records cut in two, names cut in two, decoys."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterlab.strategies.decoys import QuicDecoy
from filterlab.strategies.hello import name_asked_for, server_name
from filterlab.strategies.named import BUILTINS, directions, manipulation
from filterlab.strategies.records import RecordFragmentation
from filterlab.strategies.splitting import SplitAtName
from tests.inspection.wire import IP, TCP, UDP, hello, request

CLIENT, SERVER = "100.64.0.2", "198.18.0.5"
NAME = b"blocked.example"
HELLO = hello()
START = 2**32 - 40  # so that sequence numbers wrap inside the hello
LATER = b"\x14\x03\x03\0\1\1 and more"
REPLY = b"server's"


def up(load: bytes, offset: int, flags: str = "PA", ack: int = 9) -> bytes:
    layer = TCP(sport=4000, dport=443, flags=flags, ack=ack)
    layer.seq = (START + offset) % 2**32
    return bytes(IP(src=CLIENT, dst=SERVER, ttl=64) / layer / load)


def down(acknowledged: int, sack: tuple[int, int] | None = None) -> bytes:
    edges = [("SAck", tuple((START + one) % 2**32 for one in sack))] if sack else []
    layer = TCP(sport=443, dport=4000, flags="A", options=edges)
    layer.ack = (START + acknowledged) % 2**32
    return bytes(IP(src=SERVER, dst=CLIENT, ttl=64) / layer / REPLY)


def put_together(packets: list[bytes]) -> bytes:
    """The stream that the server has, whatever comes twice or late."""
    stream: dict[int, int] = {}
    for data in packets:
        segment = IP(data)[TCP]
        at = (segment.seq - START) % 2**32
        for index, byte in enumerate(bytes(segment.payload)):
            assert stream.setdefault(at + index, byte) == byte
    assert sorted(stream) == list(range(len(stream)))
    return bytes(stream[at] for at in sorted(stream))


def records(stream: bytes) -> list[bytes]:
    found = []
    while stream[:1] == b"\x16":
        size = 5 + int.from_bytes(stream[3:5], "big")
        found.append(stream[5:size])
        stream = stream[size:]
    return [*found, stream]


def test_a_record_is_cut_within_the_name_and_nothing_else_changes() -> None:
    cutting = RecordFragmentation()
    sent = [o.data for o in cutting.outbound(up(HELLO, 0))]
    sent += [o.data for o in cutting.outbound(up(LATER, len(HELLO)))]
    first, second, later = records(put_together(sent))
    assert first + second + later == HELLO[5:] + LATER
    assert NAME in first + second
    assert NAME not in first
    assert NAME not in second


@settings(deadline=None)
@given(st.lists(st.integers(0, len(HELLO) + len(LATER)), min_size=2, max_size=8))
def test_the_stream_is_the_same_however_it_is_cut_and_sent_again(
    cuts: list[int],
) -> None:
    cutting = RecordFragmentation()
    stream = HELLO + LATER
    pieces = [(0, len(HELLO)), (len(HELLO), len(stream))]
    edges = sorted({0, *cuts, len(stream)})
    pieces += list(itertools.pairwise(edges))
    sent = [one.data for a, b in pieces for one in cutting.outbound(up(stream[a:b], a))]
    first, second, later = records(put_together(sent))
    assert (first + second + later) == HELLO[5:] + LATER


def test_what_is_acknowledged_is_moved_back() -> None:
    cutting = RecordFragmentation()
    cutting.outbound(up(HELLO, 0))
    (start, end) = server_name(HELLO) or (0, 0)
    middle = (start + end) // 2
    whole = len(HELLO)

    def acknowledged(offset: int, sack: tuple[int, int] | None = None) -> IP:
        return IP(cutting.inbound(down(offset, sack)))

    def offset(number: int) -> int:
        return (number - START) % 2**32

    for sent, heard in [(0, 0), (middle, middle), (middle + 3, middle), (20, 20)]:
        assert offset(acknowledged(sent)[TCP].ack) == heard
    made = acknowledged(whole + 5, (whole + 9, whole + 12))
    assert offset(made[TCP].ack) == whole
    ((_, edges),) = [o for o in made[TCP].options if o[0] == "SAck"]
    assert [offset(edge) for edge in edges] == [whole + 4, whole + 7]
    assert bytes(made[TCP].payload) == REPLY


def test_a_packet_that_grew_too_long_becomes_two() -> None:
    long = HELLO[:5] + HELLO[5:] + b"\x17" * (1460 - len(HELLO))
    sent = [o.data for o in RecordFragmentation().outbound(up(long, 0))]
    assert len(sent) == 2
    assert max(map(len, sent)) <= 1500
    assert len(put_together(sent)) == 1465


def test_a_new_connection_of_the_same_ports_is_cut_anew() -> None:
    cutting = RecordFragmentation()
    cutting.outbound(up(HELLO, 0))
    assert len(cutting.outbound(up(b"", 0, "S"))) == 1
    (out,) = cutting.outbound(up(b"x", len(HELLO)))
    assert out.data == up(b"x", len(HELLO))
    assert cutting.inbound(down(len(HELLO) + 5)) == down(len(HELLO) + 5)


@pytest.mark.parametrize("load", [HELLO, request()])
def test_a_name_is_cut_into_two_segments(load: bytes) -> None:
    sent = [o.data for o in SplitAtName().outbound(up(load, 0))]
    assert len(sent) == 2
    assert put_together(sent) == load
    assert not any(NAME in data for data in sent)
    assert SplitAtName().inbound(sent[0]) == sent[0]


def test_a_decoy_goes_before_a_flow_s_first_long_header() -> None:
    decoying = QuicDecoy(Random(1))

    def datagram(port: int, load: bytes, target: int = 443) -> bytes:
        ip = IP(src=CLIENT, dst=SERVER)
        return bytes(ip / UDP(sport=port, dport=target) / load)

    initial = datagram(5000, b"\xc3" + b"q" * 1199)
    decoy, first = decoying.outbound(initial)
    assert first.data == initial
    assert IP(decoy.data)[UDP].sport == 5000
    assert not bytes(IP(decoy.data)[UDP].payload)[0] & 0x80
    assert len(decoying.outbound(initial)) == 1
    assert len(decoying.outbound(datagram(5001, b"\x40 short header"))) == 1
    assert len(decoying.outbound(datagram(5002, b"\xc3 dns", 53))) == 1
    assert len(decoying.outbound(datagram(5003, b"\xc3 other"))) == 2


@pytest.mark.parametrize("size", range(len(HELLO)))
def test_a_hello_cut_short_has_its_name_or_none(size: int) -> None:
    start, end = server_name(HELLO) or (0, 0)
    assert HELLO[start:end] == NAME
    assert server_name(HELLO[:size]) == ((start, end) if size >= end else None)


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01" * 30])
def test_no_name_is_none(data: bytes) -> None:
    assert name_asked_for(data) is None


@settings(deadline=None)
@given(st.binary(max_size=120), st.sampled_from(sorted(BUILTINS)))
def test_no_bytes_make_one_fail(data: bytes, word: str) -> None:
    applied = manipulation(word, "1", 0, print)
    for load in (data, up(b"\x16\x03\x01\0\x60\x01" + data, 0), b"\x45" + data):
        applied.outbound(load)
        applied.inbound(load)


def test_which_way_packets_have_to_go_through() -> None:
    assert directions("tls-record-fragmentation") == (True, True)
    assert directions("split-at-name") == (True, False)
    assert directions(r"[TCP:flags:S]-drop-| \/") == (True, False)
    assert directions(r"\/ [TCP:flags:R]-drop-|") == (False, True)
