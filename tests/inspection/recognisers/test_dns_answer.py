"""DNS answers, as dnspython writes them and as nobody should."""

from __future__ import annotations

import dns.message
import dns.rcode
import dns.rrset
import pytest

from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.recogniser import NEED_DATA, NOT_MINE, Direction, Finding
from filterlab.inspection.recognisers.dns_answer import DnsAnswer
from tests.inspection.feeding import every_way, fed, talked
from tests.inspection.wire import query, sized

UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT


def _answer(*records: str, rcode: str = "NOERROR", kind: str = "A") -> bytes:
    asked = dns.message.make_query("www.Blocked.Example", kind, use_edns=0)
    asked.id = 0x1234
    message = dns.message.make_response(asked)
    message.set_rcode(dns.rcode.from_text(rcode))
    for record in records:
        name, rdtype, data = record.split()
        message.answer.append(dns.rrset.from_text(name, 60, "IN", rdtype, data))
    return message.to_wire()


_ADDRESSES = _answer(
    "www.blocked.example. CNAME cdn.blocked.example.",
    "cdn.blocked.example. A 198.18.0.5",
    "cdn.blocked.example. A 198.18.0.6",
)
_FIELDS = {
    "dns.qry.name": ("www.blocked.example",),
    "dns.qry.type": ("A",),
    "dns.flags.rcode": ("NOERROR",),
    "dns.cname": ("cdn.blocked.example",),
    "dns.a": ("198.18.0.5", "198.18.0.6"),
}


def test_reads_a_datagram() -> None:
    assert fed(DnsAnswer, [_ADDRESSES], UDP, direction=DOWN) == Finding("dns", _FIELDS)
    six = _answer("www.blocked.example. AAAA 2001:db8::5", kind="AAAA")
    said = fed(DnsAnswer, [six], UDP, direction=DOWN)
    assert isinstance(said, Finding) and said.fields["dns.aaaa"] == ("2001:db8::5",)
    said = fed(DnsAnswer, [_answer(rcode="NXDOMAIN")], UDP, direction=DOWN)
    assert isinstance(said, Finding) and said.fields["dns.flags.rcode"] == ("NXDOMAIN",)


def test_reads_a_stream_however_it_is_cut() -> None:
    asked = (UP, sized(2, query()))
    for pieces in every_way(sized(2, _ADDRESSES)):
        said = talked(DnsAnswer, asked, *((DOWN, piece) for piece in pieces))
        assert said == Finding("dns", _FIELDS)
    half = sized(2, _ADDRESSES)[:30]
    assert talked(DnsAnswer, asked, (DOWN, half)) is NEED_DATA
    assert talked(DnsAnswer, asked, (DOWN, half), to_the_end=True) is NOT_MINE


def test_broken_records_leave_what_came_before() -> None:
    for at in range(37, len(_ADDRESSES)):
        said = fed(DnsAnswer, [_ADDRESSES[:at]], UDP, direction=DOWN)
        assert isinstance(said, Finding)
        assert said.fields.items() <= {**_FIELDS, "dns.a": ("198.18.0.5",)}.items() or (
            said.fields == _FIELDS
        )


@pytest.mark.parametrize(
    "message",
    [
        query(),
        _ADDRESSES[:11],
        _ADDRESSES[:20],
        b"\0\0\x81\x80\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1",  # a pointer to itself
        b"\0\0\x81\x80\0\1\0\0\0\0\0\0\x80\0\0\1\0\1",  # a label of no known kind
        b"\0\0\x81\x80\0\1\0\0\0\0\0\0" + (b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1",
        b"\0\0\x81\x80\0\1\0\0\0\0\0\0\xc0",
        b"\0\0\xa9\x80\0\1\0\0\0\0\0\0\0\0\1\0\1",  # another operation
    ],
)
def test_other_datagrams_are_not_its_own(message: bytes) -> None:
    assert fed(DnsAnswer, [message], UDP, direction=DOWN) is NOT_MINE


def test_over_tcp_an_answer_needs_a_query() -> None:
    answer = sized(2, _ADDRESSES)
    assert fed(DnsAnswer, [answer], TCP, direction=DOWN) is NOT_MINE
    assert fed(DnsAnswer, [b"GET / HTTP/1.1\r\n"], TCP) is NOT_MINE
    assert (
        talked(DnsAnswer, (UP, sized(2, query())), (DOWN, sized(2, query())))
        is NOT_MINE
    )
