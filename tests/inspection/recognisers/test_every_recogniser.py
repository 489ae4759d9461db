"""What holds of every recogniser there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.catalogue import DETAILS, RECOGNISERS
from filterlab.inspection.fields import FIELDS
from filterlab.inspection.recogniser import NEED_DATA, Direction, QuicReading, Reading
from tests.inspection.feeding import never_raises
from tests.inspection.wire import hello, query, request, sized

# How the flows of each protocol begin, so that chance gets past the first test.
STARTS = (
    b"",
    hello(),
    request(),
    query(),
    sized(2, query()),
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
    b"\x16\3\3\0\x50\2\0\0\x4c\3\3" + bytes(60),
    b"\xc0\0\0\0\1\x08abcdefgh\0\0\x44\x00",
    b"\x16\xfe\xff" + bytes(8) + b"\0\x40\1\0\0\x34\0\0\0\0\0\0\0\x34\xfe\xfd",
    b"SSH-2.0-",
    b"\5\1\0\5\1\0\3",
    b"\4\1\0\x50\0\0\0\1",
    b"\x13BitTorrent protocol",
    b"d1:ad2:id20:",
    b"\x41\0" + bytes(18),
    b"\x23" + bytes(47),
    b"\0\1\0\x08\x21\x12\xa4\x42",
    b"initiate" + bytes(8) + b"\x21\x20\x22\x08" + bytes(4),
    b"\xc8\x02",
    b"\0\x9c\0\1\x1a\x2b\x3c\x4d\0\1\0\0",
    b"\0\0\x81\x80\0\1\0\2\0\0\0\0",
)
_PIECE = st.tuples(
    st.booleans(),
    st.builds(bytes.__add__, st.sampled_from(STARTS), st.binary(max_size=120)),
)


@pytest.mark.parametrize("name", RECOGNISERS)
@given(pieces=st.lists(_PIECE, max_size=6))
def test_never_raises(name: str, pieces: list[tuple[bool, bytes]]) -> None:
    recogniser = RECOGNISERS[name]
    for transport in recogniser.transports:
        never_raises(recogniser, transport, pieces)


# Observers are bounded by packets, of which they keep no bytes.
_READERS = [name for name, r in RECOGNISERS.items() if not hasattr(r, "observe")]


@pytest.mark.parametrize("name", _READERS)
def test_answers_before_it_is_fed_more_than_its_limit(name: str) -> None:
    recogniser = RECOGNISERS[name]
    for transport in recogniser.transports:
        for start in STARTS:
            subject = recogniser(transport, Reading(quic=QuicReading()))
            said, fed = subject.feed(Direction.TO_SERVER, start), len(start)
            while said is NEED_DATA and fed <= 2 * recogniser.byte_limit + 2000:
                data = start[-1:] * 1000 or bytes(1000)
                said = subject.feed(Direction.TO_SERVER, data)
                fed += len(data)
            waits_for_the_server = name in DETAILS | {"ssh", "quic", "ntp"}
            assert said is not NEED_DATA or waits_for_the_server


@pytest.mark.parametrize("name", RECOGNISERS)
def test_says_where_it_is_from_and_when_it_errs(name: str) -> None:
    recogniser = RECOGNISERS[name]
    assert recogniser.name == name and recogniser.transports
    assert recogniser.source and recogniser.false_positives
    assert recogniser.byte_limit <= 16_384 + 5 or name not in _READERS


def test_every_field_has_a_recogniser_that_finds_it() -> None:
    named = {field.recogniser for field in FIELDS.values() if field.recogniser}
    assert named <= set(RECOGNISERS)
    told = {n for n, r in RECOGNISERS.items() if getattr(r, "protocols", None)}
    assert set(RECOGNISERS) <= named | told
