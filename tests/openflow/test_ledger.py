"""Each packet is counted once: by its frame, or by the switch's own counters."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from filterlab.inspection.flow import FlowKey
from filterlab.openflow.ledger import ETHERNET_BYTES, Ledger
from filterlab.openflow.tables import Value, flow_match
from filterlab.policy.effects import Led, Record, Side
from filterlab.records.keeping import Passed

CLIENT, SERVER = "100.64.0.2", "198.18.0.5"
# Named: scapy asks the network by ARP for what is left out.
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
FLOW = FlowKey(6, bytes([100, 64, 0, 2]), 40000, bytes([198, 18, 0, 5]), 443)
UP = flow_match(FLOW, "4-tuple", True)
DOWN = flow_match(FLOW, "4-tuple", False)


def frame(up: bool, size: int = 0) -> bytes:
    ends = (CLIENT, SERVER, 40000, 443) if up else (SERVER, CLIENT, 443, 40000)
    src, dst, sport, dport = ends
    packet = ETHER / IP(src=src, dst=dst) / TCP(sport=sport, dport=dport, flags="A")
    return bytes(packet / Raw(bytes(size)))


def ledger() -> tuple[Ledger, list[Passed]]:
    told: list[Passed] = []
    return Ledger(told.append), told


def removed(
    book: Ledger, match: Mapping[str, Value], size: int, packets: int, now: float
) -> None:
    """An entry goes, after packets of this size."""
    book.removed(match, packets * (size + ETHERNET_BYTES), packets, now)


def test_the_first_frame_and_what_the_switch_counted_make_a_connection() -> None:
    book, told = ledger()
    book.first(frame(True, 100), Side.INSIDE, 1.0)
    assert book.awaits == 2
    removed(book, UP, 1000, 10, 300.0)
    assert told == []  # the way back is still counted
    removed(book, DOWN, 1500, 3, 310.0)
    assert book.awaits == 0
    [row] = told
    assert (row.inside, row.inside_port) == (CLIENT, 40000)
    assert (row.outside, row.outside_port) == (SERVER, 443)
    assert row.protocol == "tcp"
    assert (row.bytes_up, row.bytes_down) == (10_140, 4_500)
    assert (row.start, row.end) == (1.0, 310.0)


def test_a_frame_whose_way_is_counted_already_is_the_switchs() -> None:
    book, told = ledger()
    book.first(frame(True, 100), Side.INSIDE, 1.0)
    book.first(frame(True, 100), Side.INSIDE, 1.1)
    book.first(frame(False, 100), Side.OUTSIDE, 1.2)
    book.close()
    assert (told[0].bytes_up, told[0].bytes_down) == (140, 0)
    assert book.awaits == 0


def test_a_way_that_was_silent_is_counted_from_its_next_frame_on() -> None:
    book, told = ledger()
    book.first(frame(True), Side.INSIDE, 1.0)
    removed(book, DOWN, 100, 1, 50.0)
    book.first(frame(False, 60), Side.OUTSIDE, 90.0)
    removed(book, DOWN, 100, 1, 200.0)
    removed(book, UP, 40, 1, 200.0)
    [row] = told
    assert (row.bytes_up, row.bytes_down) == (80, 300)


def test_a_connection_from_outside_is_told_from_the_inside() -> None:
    book, told = ledger()
    book.first(frame(False, 10), Side.OUTSIDE, 1.0)
    removed(book, UP, 40, 2, 2.0)
    book.close()
    assert told[0].inside == CLIENT
    assert (told[0].bytes_up, told[0].bytes_down) == (80, 50)


def test_the_same_ends_again_are_another_connection() -> None:
    book, told = ledger()
    for start in (1.0, 500.0):
        book.first(frame(True), Side.INSIDE, start)
        removed(book, UP, 40, 1, start + 1)
        removed(book, DOWN, 40, 1, start + 1)
    assert [(row.start, row.bytes_up) for row in told] == [(1.0, 80), (500.0, 80)]


def test_a_connection_ended_when_the_switch_last_counted_a_packet_of_it() -> None:
    book, told = ledger()
    book.first(frame(True), Side.INSIDE, 1.0)
    book.counted(UP, 5, 10.0)
    book.counted(UP, 5, 20.0)
    removed(book, UP, 100, 5, 1000.0)
    removed(book, DOWN, 0, 0, 1000.0)
    assert told[0].end == 10.0
    assert told[0].bytes_up == 540


def test_an_entry_that_nothing_met_does_not_prolong_a_connection() -> None:
    book, told = ledger()
    book.first(frame(True), Side.INSIDE, 1.0)
    removed(book, UP, 0, 0, 200.0)
    removed(book, DOWN, 0, 0, 200.0)
    assert told[0].end == 1.0


def test_both_families_and_transports_are_matched_to_their_entries() -> None:
    book, told = ledger()
    packet = ETHER / IPv6(src="2001:db8::2", dst="2001:db8::5")
    book.first(bytes(packet / UDP(sport=5000, dport=53)), Side.INSIDE, 1.0)
    flow = FlowKey(17, _v6(2), 5000, _v6(5), 53)
    for to_server in (True, False):
        removed(book, flow_match(flow, "4-tuple", to_server), 100, 1, 2.0)
    [row] = told
    assert row.inside == "2001:db8::2"
    assert (row.bytes_up, row.bytes_down) == (148, 100)


def _v6(last: int) -> bytes:
    return bytes.fromhex("20010db8") + bytes(11) + bytes([last])


def test_what_was_found_stands_in_the_row() -> None:
    book, told = ledger()
    book.first(frame(True), Side.INSIDE, 1.0)
    book.found(Record(FLOW, Side.INSIDE, {"tls.sni": "news.example"}))
    book.close()
    assert dict(told[0].finding) == {"tls.sni": "news.example"}


OTHER = "198.18.0.9"
LED = Led(FLOW, bytes([198, 18, 0, 9]), 8080)
ANSWERS = FlowKey(6, bytes([100, 64, 0, 2]), 40000, bytes([198, 18, 0, 9]), 8080)


def answer(size: int) -> bytes:
    """What the other server says, as it comes to the exchange."""
    ports = TCP(sport=8080, dport=40000, flags="A")
    return bytes(ETHER / IP(src=OTHER, dst=CLIENT) / ports / Raw(bytes(size)))


def all_removed(book: Ledger) -> None:
    removed(book, UP, 1000, 10, 300.0)
    removed(book, flow_match(ANSWERS, "4-tuple", False), 1500, 3, 310.0)
    removed(book, DOWN, 0, 0, 310.0)
    removed(book, flow_match(ANSWERS, "4-tuple", True), 0, 0, 310.0)


@pytest.mark.parametrize("side", list(Side))
def test_a_connection_that_is_led_elsewhere_is_one(side: Side) -> None:
    book, told = ledger()
    book.first(frame(True, 100), Side.INSIDE, 1.0)
    book.led(LED)
    book.first(answer(60), side, 1.1)
    book.led(LED)
    assert book.awaits == 4
    all_removed(book)
    assert book.awaits == 0
    [row] = told
    assert (row.outside, row.outside_port) == (SERVER, 443)
    assert (row.led_to, row.led_to_port) == (OTHER, 8080)
    assert (row.bytes_up, row.bytes_down) == (10_140, 4_600)
    assert (row.start, row.end) == (1.0, 310.0)


@pytest.mark.parametrize("side", list(Side))
def test_it_is_one_also_if_the_other_server_speaks_first(side: Side) -> None:
    book, told = ledger()
    book.first(answer(60), side, 1.0)
    book.first(frame(True, 100), Side.INSIDE, 1.1)
    book.led(LED)
    assert book.awaits == 4
    all_removed(book)
    [row] = told
    assert (row.outside, row.bytes_up, row.bytes_down) == (SERVER, 10_140, 4_600)
    book.first(frame(True), Side.INSIDE, 400.0)
    book.close()
    assert told[1].led_to is None


def test_an_end_that_speaks_to_itself_is_a_connection() -> None:
    book, told = ledger()
    alone = ETHER / IP(src=CLIENT, dst=CLIENT) / UDP(sport=9, dport=9)
    book.first(bytes(alone), Side.INSIDE, 1.0)
    book.close()
    assert len(told) == 1 and book.awaits == 0


def test_the_boxes_own_probers_are_no_subscribers() -> None:
    told: list[Passed] = []
    book = Ledger(told.append, [bytes([198, 18, 0, 5])])
    book.first(frame(True), Side.INSIDE, 1.0)
    removed(book, UP, 40, 1, 2.0)
    book.close()
    assert told == []


def test_a_clock_that_goes_back_makes_no_connection_end_before_it_began() -> None:
    book, told = ledger()
    book.first(frame(True), Side.INSIDE, 100.0)
    removed(book, UP, 40, 1, 40.0)
    removed(book, DOWN, 40, 1, 40.0)
    assert told[0].end >= told[0].start
    assert told[0].bytes_up == 80


def test_what_is_no_ip_is_no_connection() -> None:
    book, told = ledger()
    book.first(bytes(60), Side.INSIDE, 1.0)
    book.close()
    assert told == []
