"""A packet in a few words, whatever its bytes are."""

from __future__ import annotations

import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

from filterlab.report.packets import in_words
from tests.report.folder import HELLO

WAY = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02") / IP(
    src="100.64.0.2", dst="198.18.0.80"
)
QUESTION = dns.message.make_query("news.example", "A")
ANSWER = dns.message.make_response(QUESTION)
ANSWER.answer.append(
    dns.rrset.from_text("news.example.", 60, "IN", "A", "203.0.113.253")
)
EMPTY = dns.message.make_response(QUESTION)
EMPTY.set_rcode(3)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (TCP(flags="S"), "TCP SYN"),
        (TCP(flags="RA"), "TCP RST, ACK"),
        (TCP(flags="PA") / b"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1, 18 bytes"),
        (
            TCP(flags="FPA") / b"HTTP/1.1 302 Found\r\n",
            "HTTP/1.1 302 Found, 20 bytes (FIN)",
        ),
        (TCP(flags="PA") / b"\x17\x03\x03\x00\x01x", "TLS data, 6 bytes"),
        (TCP(flags="PA") / b"x", "data, 1 byte"),
        (
            UDP(sport=5_000, dport=53) / QUESTION.to_wire(),
            "DNS asks A of news.example, 30 bytes",
        ),
        (
            UDP(sport=53, dport=5_000) / ANSWER.to_wire(),
            "DNS answers A of news.example: 203.0.113.253, 46 bytes",
        ),
        (
            UDP(sport=53, dport=5_000) / EMPTY.to_wire(),
            "DNS answers A of news.example: no address (code 3), 30 bytes",
        ),
        (
            UDP(sport=5_000, dport=443) / b"\xc3\x00\x00\x00\x01\x08",
            "QUIC Initial, 6 bytes",
        ),
        (UDP(sport=5_000, dport=443) / b"x", "UDP, 1 byte"),
        (ICMP(type=8), "ICMP echo request"),
    ],
)
def test_what_a_reader_has_to_know(layers: object, words: str) -> None:
    assert in_words(bytes(WAY / layers)) == words


def test_a_greeting_is_named() -> None:
    assert in_words(HELLO).startswith("TLS ClientHello, ")


@given(
    st.binary(max_size=200), st.sampled_from([(6, 80), (6, 53), (17, 53), (17, 443)])
)
def test_no_bytes_make_it_raise_or_long(data: bytes, to: tuple[int, int]) -> None:
    protocol, port = to
    layer = TCP(dport=port) if protocol == 6 else UDP(dport=port)
    for frame in (data, bytes(WAY / layer / data)):
        words = in_words(frame)
        assert len(words) <= 90
        assert words.isprintable()
