"""Each packet is counted once: by its frame, or by the switch's own counters."""

from __future__ import annotations

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from filterlab.inspection.flow import FlowKey
from filterlab.openflow.ledger import ETHERNET_BYTES, Ledger
from filterlab.openflow.tables import verdict_entries
from filterlab.policy.effects import Record, Settle, Side
from filterlab.records.keeping import Passed

CLIENT, SERVER = "100.64.0.2", "198.18.0.5"
# Named: scapy asks the network by ARP for what is left out.
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
FLOW = FlowKey(6, bytes([100, 64, 0, 2]), 40000, bytes([198, 18, 0, 5]), 443)


def frame(up: bool, size: int = 0) -> bytes:
    ends = (CLIENT, SERVER, 40000, 443) if up else (SERVER, CLIENT, 443, 40000)
    src, dst, sport, dport = ends
    packet = ETHER / IP(src=src, dst=dst) / TCP(sport=sport, dport=dport, flags="A")
    return bytes(packet / Raw(bytes(size)))


def ledger() -> tuple[Ledger, list[Passed]]:
    told: list[Passed] = []
    return Ledger(60.0, told.append), told


def test_frames_that_came_to_the_controller_are_counted_both_ways() -> None:
    book, told = ledger()
    book.frame(frame(True, 100), Side.INSIDE, 1.0)
    book.frame(frame(False, 500), Side.OUTSIDE, 2.0)
    book.frame(frame(True), Side.INSIDE, 3.5)
    book.close()
    [row] = told
    assert (row.inside, row.inside_port) == (CLIENT, 40000)
    assert (row.outside, row.outside_port) == (SERVER, 443)
    assert row.protocol == "tcp"
    assert (row.bytes_up, row.bytes_down) == (140 + 40, 540)
    assert (row.start, row.end) == (1.0, 3.5)


def test_a_connection_from_outside_is_told_from_the_inside() -> None:
    book, told = ledger()
    book.frame(frame(False, 10), Side.OUTSIDE, 1.0)
    book.close()
    assert told[0].inside == CLIENT
    assert (told[0].bytes_up, told[0].bytes_down) == (0, 50)


def test_what_the_switch_counted_is_added_when_its_entries_go() -> None:
    book, told = ledger()
    book.frame(frame(True, 100), Side.INSIDE, 1.0)
    up, down = verdict_entries(Settle(FLOW, "forward"), 1)
    book.settled(up.match, 1.0)
    book.settled(down.match, 1.0)
    book.expire(500.0)
    assert told == []  # the switch still counts
    book.removed(up.match, 10 * (1000 + ETHERNET_BYTES), 10, 300.0)
    book.removed(down.match, 3 * (1500 + ETHERNET_BYTES), 3, 310.0)
    book.expire(310.0)
    assert told == []
    book.expire(370.0)
    [row] = told
    assert (row.bytes_up, row.bytes_down) == (10_140, 4_500)
    assert row.end == 310.0


def test_an_entry_that_is_put_in_again_is_awaited_once() -> None:
    """A switch replaces an equal entry: it tells of one, with the counts of both."""
    book, told = ledger()
    book.frame(frame(True), Side.INSIDE, 1.0)
    up, _ = verdict_entries(Settle(FLOW, "forward"), 1)
    book.settled(up.match, 1.0)
    book.settled(up.match, 2.0)
    book.removed(up.match, 114, 1, 3.0)
    book.expire(100.0)
    assert [row.bytes_up for row in told] == [140]


def test_an_entry_that_nothing_met_does_not_prolong_a_connection() -> None:
    book, told = ledger()
    book.frame(frame(True), Side.INSIDE, 1.0)
    up, _ = verdict_entries(Settle(FLOW, "forward"), 1)
    book.settled(up.match, 1.0)
    book.removed(up.match, 0, 0, 200.0)
    book.close()
    assert told[0].end == 1.0


def test_both_families_and_transports_are_matched_to_their_entries() -> None:
    book, told = ledger()
    packet = ETHER / IPv6(src="2001:db8::2", dst="2001:db8::5")
    book.frame(bytes(packet / UDP(sport=5000, dport=53)), Side.INSIDE, 1.0)
    flow = FlowKey(17, _v6(2), 5000, _v6(5), 53)
    for entry in verdict_entries(Settle(flow, "forward"), 1):
        book.settled(entry.match, 1.0)
        book.removed(entry.match, 114, 1, 2.0)
    book.close()
    [row] = told
    assert row.inside == "2001:db8::2"
    assert (row.bytes_up, row.bytes_down) == (148, 100)


def _v6(last: int) -> bytes:
    return bytes.fromhex("20010db8") + bytes(11) + bytes([last])


def test_entries_for_whole_addresses_belong_to_no_connection() -> None:
    book, told = ledger()
    for entry in verdict_entries(Settle(FLOW, "drop", "2-tuple"), 1):
        book.settled(entry.match, 1.0)
        book.removed(entry.match, 1000, 1, 2.0)
    book.close()
    assert told == []


def test_what_was_found_stands_in_the_row() -> None:
    book, told = ledger()
    book.frame(frame(True), Side.INSIDE, 1.0)
    book.found(Record(FLOW, Side.INSIDE, {"tls.sni": "news.example"}), 1.1)
    book.close()
    assert dict(told[0].finding) == {"tls.sni": "news.example"}


def test_a_clock_that_goes_back_makes_no_connection_end_before_it_began() -> None:
    book, told = ledger()
    book.frame(frame(True), Side.INSIDE, 100.0)
    book.frame(frame(True), Side.INSIDE, 40.0)
    book.close()
    assert told[0].end >= told[0].start
    assert told[0].bytes_up == 80


def test_what_is_no_ip_is_no_connection() -> None:
    book, told = ledger()
    book.frame(bytes(60), Side.INSIDE, 1.0)
    book.close()
    assert told == []
