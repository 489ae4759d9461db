"""What comes out of a strategy: packets read back by Scapy, which made none of them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterlab.inspection.checksum import checksum, pseudo_header
from filterlab.strategies.named import doubtful, manipulation
from filterlab.strategies.packet import read
from filterlab.strategies.parser import parse
from filterlab.strategies.running import Running
from tests.inspection.wire import DNS, DNSQR, IP, TCP, UDP, IPv6
from tests.strategies.published import ALL

CLIENT, SERVER = "100.64.0.2", "198.18.0.5"
OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None)]
OPTIONS += [("WScale", 7)]
LOAD = b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n"


def packet(flags: str = "PA", load: bytes = LOAD, **more: object) -> bytes:
    layer = TCP(sport=40000, dport=80, seq=1000, ack=5000, flags=flags, **more)
    return bytes(IP(src=CLIENT, dst=SERVER, ttl=64, id=9, flags="DF") / layer / load)


def syn() -> bytes:
    return packet("S", b"", options=OPTIONS, window=64240)


def query() -> bytes:
    ask = DNS(id=5, qd=DNSQR(qname="www.blocked.example"))
    return bytes(IP(src=CLIENT, dst=SERVER) / UDP(sport=4000, dport=53) / ask)


def run(dna: str, data: bytes | None = None, seed: int = 1) -> list[IP]:
    outgoing = Running(parse(dna), Random(seed)).outbound(data or packet())
    return [IP(one.data) for one in outgoing]


def right(made: IP) -> tuple[bool, bool]:
    """Whether IP's checksum is right, and TCP's."""
    raw = bytes(made)
    header, segment = raw[: made.ihl * 4], raw[made.ihl * 4 :]
    pseudo = pseudo_header(raw[12:16], raw[16:20], raw[9], len(segment))
    return not checksum(header), not checksum(pseudo + segment)


@pytest.mark.parametrize("data", [packet(), syn(), query(), packet("FA", b"x" * 1400)])
def test_a_packet_put_together_again_is_the_same(data: bytes) -> None:
    taken = read(data)
    assert taken is not None
    assert taken.build() == data


def test_a_packet_that_pulls_no_trigger_stays_as_it_is() -> None:
    running = Running(parse(r"[TCP:flags:S]-drop-| \/ [TCP:flags:R]-drop-|"), Random(1))
    (out,) = running.outbound(packet())
    assert (out.data, out.delay_seconds) == (packet(), 0)
    assert running.inbound(packet()) == packet()
    assert running.inbound(packet("R", b"")) is None


def test_segments_and_their_order() -> None:
    first, second, third = run(
        "[TCP:flags:PA]-fragment{tcp:8:True}(,fragment{tcp:4:True})-|"
    )
    loads = [bytes(p[TCP].payload) for p in (first, second, third)]
    assert loads == [LOAD[:8], LOAD[8:12], LOAD[12:]]
    assert [p[TCP].seq for p in (first, second, third)] == [1000, 1008, 1012]
    assert all(right(p) == (True, True) for p in (first, second, third))
    later, sooner = run("[TCP:flags:PA]-fragment{tcp:-1:False}-|")
    assert bytes(sooner[TCP].payload) + bytes(later[TCP].payload) == LOAD


def test_segments_that_overlap_and_numbers_that_wrap() -> None:
    data = bytes(IP(packet())[IP].copy())
    raw = IP(data)
    raw[TCP].seq = 2**32 - 2
    del raw[TCP].chksum
    first, second = run("[TCP:flags:PA]-fragment{tcp:4:True:3}-|", bytes(raw))
    assert bytes(first[TCP].payload) == LOAD[:7]
    assert (second[TCP].seq, bytes(second[TCP].payload)) == (2, LOAD[4:])


def test_ip_fragments_go_together_again() -> None:
    first, second = run("[TCP:flags:PA]-fragment{ip:3:True}-|")
    assert (first.frag, str(first.flags)) == (0, "MF+DF")
    assert (second.frag, str(second.flags)) == (3, "DF")
    assert bytes(first.payload) + bytes(second.payload) == packet()[20:]
    assert all(right(p)[0] for p in (first, second))


def test_nothing_to_cut_is_two_of_the_same() -> None:
    for dna in ("fragment{tcp:8:True}", "fragment{ip:0:True}"):
        one, two = run(f"[TCP:flags:A]-{dna}-|", packet("A", b""))
        assert bytes(one) == bytes(two) == packet("A", b"")


@pytest.mark.parametrize(
    ("tamper", "field", "value"),
    [
        ("TCP:flags:replace:R", "flags", "R"),
        ("TCP:flags:replace:FRAPUEN", "flags", "FRPAUEN"),
        ("TCP:seq:add:10", "seq", 1010),
        ("TCP:ack:add:-1", "ack", 4999),
        ("TCP:window:replace:98", "window", 98),
        ("TCP:dataofs:replace:10", "dataofs", 10),
        ("TCP:urgptr:replace:3", "urgptr", 3),
        ("TCP:reserved:replace:5", "reserved", 5),
        ("TCP:dport:replace:8080", "dport", 8080),
    ],
)
def test_tcp_fields(tamper: str, field: str, value: object) -> None:
    raw = Running(parse(f"[TCP:flags:PA]-tamper{{{tamper}}}-|"), Random(1))
    (made,) = [IP(one.data) for one in raw.outbound(packet())]
    assert getattr(made[TCP], field) == value
    assert right(made) == (True, True)


@pytest.mark.parametrize(
    ("tamper", "field", "value"),
    [
        ("IP:ttl:replace:8", "ttl", 8),
        ("IP:tos:replace:255", "tos", 255),
        ("IP:id:add:1", "id", 10),
        ("IP:flags:replace:", "flags", 0),
        ("IP:frag:replace:5", "frag", 5),
        ("IP:proto:replace:125", "proto", 125),
        ("IP:src:replace:100.64.0.9", "src", "100.64.0.9"),
    ],
)
def test_ip_fields(tamper: str, field: str, value: object) -> None:
    (made,) = run(f"[TCP:flags:PA]-tamper{{{tamper}}}-|")
    assert getattr(made, field) == value
    assert right(made)[0]


def test_a_length_is_sent_as_it_was_tampered_with() -> None:
    (made,) = Running(
        parse("[TCP:flags:PA]-tamper{IP:len:replace:64}-|"), Random(1)
    ).outbound(packet())
    assert len(made.data) == len(packet())
    assert int.from_bytes(made.data[2:4], "big") == 64


def test_a_checksum_is_wrong_only_if_it_is_tampered_with_last() -> None:
    last = "[TCP:flags:PA]-tamper{TCP:flags:replace:R}(tamper{TCP:chksum:corrupt},)-|"
    first = "[TCP:flags:PA]-tamper{TCP:chksum:corrupt}(tamper{TCP:flags:replace:R},)-|"
    assert right(run(last)[0]) == (True, False)
    assert right(run(first)[0]) == (True, True)


@pytest.mark.parametrize(
    ("option", "value", "found"),
    [
        ("mss", "1400", ("MSS", 1400)),
        ("wscale", "", ("WScale", 0)),
        ("timestamp", "40000", ("Timestamp", (40000, 0))),
        ("uto", "3", ("UTO", 3)),
        ("altchksum", "2", ("AltChkSum", (2, 0))),
        ("sackok", "", ("SAckOK", b"")),
        ("nop", "", ("NOP", None)),
        ("md5header", "ee" * 16, ("MD5", b"\xee" * 16)),
    ],
)
def test_options_are_changed_or_put_behind(
    option: str, value: str, found: object
) -> None:
    dna = f"[TCP:options-mss:]-tamper{{TCP:options-{option}:replace:{value}}}-|"
    (made,) = run(dna)
    assert found in made[TCP].options
    assert right(made) == (True, True)
    assert bytes(made[TCP].payload) == LOAD
    dna = f"[TCP:options-mss:1460]-tamper{{TCP:options-{option}:replace:{value}}}-|"
    (made,) = run(dna, syn())
    kinds = [kind for kind, _ in made[TCP].options if kind != "EOL"]
    assert found in made[TCP].options
    assert len(kinds) == len(set(kinds)) >= len(OPTIONS)


def test_a_load_is_words_or_a_request() -> None:
    (made,) = run("[TCP:flags:PA]-tamper{TCP:load:replace:a%20b__HTTP_REQUEST__}-|")
    assert bytes(made[TCP].payload).startswith(b"a bGET / HTTP/1.1\r\n")
    assert right(made) == (True, True)
    (made,) = run("[TCP:flags:PA]-tamper{IP:load:replace:xyz}-|")
    assert bytes(made.payload) == b"xyz"
    assert made.len == 23


def test_dns_fields_and_pointers() -> None:
    (made,) = run("[DNSQR:qtype:1]-tamper{DNS:id:add:1}-|", query())
    assert (made[DNS].id, made[UDP].len) == (6, len(query()) - 20)
    (made,) = run("[UDP:dport:53]-tamper{DNSQR:qname:replace:a.example}-|", query())
    assert made[DNS].qd[0].qname == b"a.example."
    assert right(made) == (True, True)
    (made,) = run("[DNS:qr:0]-tamper{DNS:qd:compress}-|", query())
    assert bytes(made[UDP].payload)[12:18] == b"\x03www\xc0\x16"
    assert (made[DNS].qdcount, made[DNS].qd[0].qname) == (2, b"www.blocked.example.")
    (made,) = run("[TCP:flags:PA]-tamper{DNS:qd:compress}-|")
    assert bytes(made) == packet()


def test_gas_runs_out_and_bombs_go_off() -> None:
    def counts(gas: str) -> list[int]:
        running = Running(parse(f"[TCP:flags:PA:{gas}]-duplicate-|"), Random(1))
        return [len(running.outbound(packet())) for _ in range(4)]

    assert counts("2") == [2, 2, 1, 1]
    assert counts("0") == [1, 1, 1, 1]
    assert counts("-2") == [1, 1, 2, 2]


def test_a_sleep_holds_for_all_below_it_and_a_trace_runs_once() -> None:
    running = Running(
        parse("[TCP:flags:PA]-duplicate(sleep{0.5}(duplicate,),)-|"), Random(1)
    )
    assert [o.delay_seconds for o in running.outbound(packet())] == [0.5, 0.5, 0]
    running = Running(parse("[TCP:flags:PA]-trace{3:6}-|"), Random(1))
    sent = running.outbound(packet())
    assert [(IP(o.data).ttl, o.delay_seconds) for o in sent] == [(3, 0), (4, 1), (5, 2)]
    assert running.outbound(packet()) == []


def test_every_tree_that_a_packet_pulls_runs_on_the_packet_as_it_was() -> None:
    made = run(
        "[TCP:flags:PA]-tamper{IP:ttl:replace:3}-| [IP:ttl:64]-| [IP:ttl:6*]-drop-|"
    )
    assert [p.ttl for p in made] == [3, 64]


@pytest.mark.parametrize(
    ("trigger", "pulls"),
    [
        ("TCP:flags:AP", True),
        ("TCP:flags:24", True),
        ("TCP:flags:P", False),
        ("TCP:flags:P*", True),
        ("TCP:options-mss:", True),
        ("TCP:load:", False),
        ("TCP:load:GET%20/*", True),
        ("IP:flags:DF", True),
        ("IP:src:100.64.0.2", True),
        ("IP:len:81", True),
        ("TCP:dataofs:5", True),
        ("TCP:seq:x", False),
        ("UDP:dport:80", False),
        ("DNS:id:5", False),
        ("tcp:dport:80", True),
    ],
)
def test_triggers(trigger: str, pulls: bool) -> None:
    assert (run(f"[{trigger}]-drop-|") == []) is pulls


def test_an_unusable_value_leaves_the_packet_and_says_so() -> None:
    said: list[str] = []
    strategy = parse("[TCP:flags:PA]-tamper{TCP:seq:replace:abc}-|")
    (out,) = Running(strategy, Random(1), said.append).outbound(packet())
    assert out.data == packet()
    assert said == ["TCP:seq cannot be 'abc': the packet stays as it is"]


@pytest.mark.parametrize("text", ALL)
@pytest.mark.parametrize("data", [packet(), syn(), query(), packet("A", b"")])
def test_published_strategies_run_and_a_seed_repeats_them(
    text: str, data: bytes
) -> None:
    def sent(seed: int) -> list[bytes]:
        return [o.data for o in Running(parse(text), Random(seed)).outbound(data)]

    assert sent(3) == sent(3)


@settings(deadline=None)
@given(st.binary(max_size=80), st.sampled_from(ALL))
def test_no_bytes_make_it_fail(data: bytes, text: str) -> None:
    running = Running(parse(text), Random(1))
    running.outbound(b"\x45" + data)
    running.inbound(b"\x45" + data)


@pytest.mark.parametrize(
    "dna",
    [
        "[TCP:flags:PA]-tamper-|",
        "[TCP:flags:PA]-tamper{TCP:seq:replace}(tamper,)-|",
        "[TCP:flags:PA]-duplicate(fragment,tamper{})-|",
        "[TCP:flags:PA]-tamper{TCP:seq:whatever}-|",
    ],
)
def test_what_is_left_to_chance_is_drawn_once_from_the_seed(dna: str) -> None:
    def told(seed: str, attempt: int) -> tuple[list[str], int]:
        said: list[str] = []
        outgoing = manipulation(dna, seed, attempt, said.append).outbound(packet())
        return [text for text in said if "is drawn as" in text], len(outgoing)

    assert told("7", 0) == told("7", 1)
    draws = [told(str(seed), 0) for seed in range(40)]
    assert all(said for said, _ in draws)
    assert len({str(said) for said, _ in draws}) > 1
    assert all(count >= 1 for _, count in draws)


@pytest.mark.parametrize(
    ("act", "doubt", "comes_out"),
    [
        ("tamper{TCP:flgas:replace:R}", "no field 'flgas'; did you mean 'flags'?", 1),
        ("tamper{HTTP:host:corrupt}", "no protocol 'HTTP'", 1),
        ("tamper{::corrupt}", "no protocol ''", 1),
        ("sleep{-1}", "nobody can sleep so long", 0),
        ("sleep{nan}", "nobody can sleep so long", 0),
        ("trace{9:2}", "no TTLs", 0),
        ("trace{1:x}", "no TTLs", 0),
    ],
)
def test_what_does_nothing_is_taken_and_told(
    act: str, doubt: str, comes_out: int
) -> None:
    dna = f"[TCP:flags:PA]-{act}-|"
    (told,) = doubtful(dna)
    assert doubt in told
    assert [bytes(one) for one in run(dna)] == [packet()] * comes_out


def test_another_word_for_a_way_to_tamper_replaces() -> None:
    dna = "[TCP:flags:PA]-tamper{TCP:window:corupt:98}-|"
    assert run(dna)[0][TCP].window == 98
    assert "did you mean 'corrupt'?" in doubtful(dna)[0]


def test_cuts_and_overlaps_below_zero_are_counted_as_geneva_counts_them() -> None:
    first, second = run("[TCP:flags:PA]-fragment{tcp:-5:True:-2}-|")
    assert bytes(first[TCP].payload) == LOAD[:-7]
    assert bytes(second[TCP].payload) == LOAD[-5:]
    assert second[TCP].seq == 995


def packet_of_six(load: bytes = LOAD) -> bytes:
    layer = TCP(sport=40000, dport=80, seq=1000, ack=5000, flags="PA")
    return bytes(IPv6(src="2001:db8::2", dst="2001:db8::5", hlim=64) / layer / load)


def run_over_six(dna: str) -> list[IPv6]:
    outgoing = Running(parse(dna), Random(1)).outbound(packet_of_six())
    made = [IPv6(one.data) for one in outgoing]
    for one in made:  # Scapy works out the right checksum and length anew
        again = IPv6(bytes(one))
        del again.plen
        del again[TCP].chksum
        assert bytes(again) == bytes(one)
    return made


def test_ipv6_is_put_together_again_and_what_tcp_carries_is_cut() -> None:
    taken = read(packet_of_six())
    assert taken is not None
    assert taken.build() == packet_of_six()
    first, second = run_over_six("[TCP:flags:PA]-fragment{tcp:8:True}-|")
    assert [bytes(one[TCP].payload) for one in (first, second)] == [LOAD[:8], LOAD[8:]]
    (made,) = run_over_six("[TCP:flags:PA]-tamper{TCP:options-mss:replace:99}-|")
    assert dict(made[TCP].options)["MSS"] == 99


def test_the_header_of_ipv6_is_none_that_the_notation_knows() -> None:
    (untouched,) = run_over_six("[IP:ttl:64]-drop-|")
    assert bytes(untouched) == packet_of_six()
    for act in ("tamper{IP:ttl:replace:8}", "trace{1:9}"):
        (same,) = run_over_six(f"[TCP:flags:PA]-{act}-|")
        assert bytes(same) == packet_of_six()
    one, two = run_over_six("[TCP:flags:PA]-fragment{ip:1:True}-|")
    assert bytes(one) == bytes(two) == packet_of_six()


@pytest.mark.parametrize(
    ("opens", "closes", "comes_out"),
    [("duplicate(", ",)", 600), ("duplicate(,", ")", 600), ("sleep{0}(", ",)", 0)],
)
def test_a_deep_tree_is_read_printed_and_applied(
    opens: str, closes: str, comes_out: int
) -> None:
    dna = rf"[TCP:flags:PA]-{opens * 600}drop{closes * 600}-| \/"
    assert str(parse(dna)) == dna
    assert len(manipulation(dna, "1", 0, print).outbound(packet())) == comes_out
