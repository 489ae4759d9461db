"""DNS queries over both transports."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.flow import UDP
from filterlab.inspection.recogniser import NEED_DATA, NOT_MINE, Direction, Finding
from filterlab.inspection.recognisers.dns import Dns
from tests.inspection.feeding import concluded, every_way, fed, never_guesses
from tests.inspection.wire import query, sized

_FIELDS = {"dns.qry.name": ("blocked.example",), "dns.qry.type": ("AAAA",)}


def test_reads_a_datagram() -> None:
    said = fed(Dns, [query("Blocked.Example", 28)], UDP)
    assert isinstance(said, Finding)
    assert said.fields == _FIELDS
    assert said.message == query("Blocked.Example", 28)[:33]


def test_reads_a_stream_however_it_is_cut() -> None:
    for pieces in every_way(sized(2, query("blocked.example", 28))):
        said = fed(Dns, pieces)
        assert isinstance(said, Finding) and said.fields == _FIELDS
    never_guesses(Dns, sized(2, query("blocked.example", 28)))


def test_names_an_unknown_type_by_number() -> None:
    said = fed(Dns, [query(kind=4711)], UDP)
    assert isinstance(said, Finding) and said.fields["dns.qry.type"] == ("TYPE4711",)


@pytest.mark.parametrize(
    "message",
    [
        query()[:20],
        b"\x12\x34\x81\x80" + query()[4:],  # an answer
        query()[:4] + b"\0\2" + query()[6:],  # two questions
        query()[:6] + b"\0\1" + query()[8:],  # an answer record
        query()[:12] + b"\xc0\x0c\0\1\0\1",  # a pointer
        query()[:12] + (b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1",  # over 255 bytes
        b"",
    ],
)
def test_other_datagrams_are_not_its_own(message: bytes) -> None:
    assert fed(Dns, [message], UDP) is NOT_MINE


def test_a_question_longer_than_its_message_is_none() -> None:
    assert fed(Dns, [sized(2, query()[:20])]) is NOT_MINE
    assert fed(Dns, [b"\0\x20" + query()[:20]]) is NEED_DATA
    assert concluded(Dns, b"\0\x20" + query()[:20]) is NOT_MINE


def test_an_answer_first_is_no_query() -> None:
    said = fed(Dns, [sized(2, query())], direction=Direction.TO_CLIENT)
    assert said is NOT_MINE


@given(st.binary(max_size=600), st.sampled_from([6, 17]))
def test_never_raises(data: bytes, transport: int) -> None:
    fed(Dns, [data[:5], data[5:]], transport)
    fed(Dns, [query()[:14] + data], transport)
