"""ClientHellos, in one record and in several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.recognisers.tls import Tls
from tests.inspection.feeding import concluded, every_way, fed, never_guesses
from tests.inspection.flows import NAME, tls_hello
from tests.inspection.wire import (
    extension,
    hello,
    hello_in_records,
    hello_message,
    record,
    server_name,
    sized,
)

_ALONE = Reading(joins_records=False)
_FIELDS = {
    "tls.sni": ("blocked.example",),
    "tls.alpn": ("h2", "http/1.1"),
    "tls.ech": ("no",),
    "tls.version": ("1.3",),
}


def _fields(data: bytes, reading: Reading | None = None) -> dict[str, tuple[str, ...]]:
    said = fed(Tls, [data], reading=reading)
    assert isinstance(said, Finding)
    return dict(said.fields)


@pytest.mark.parametrize("data", [hello(b"Blocked.Example."), hello_in_records(7)])
def test_reads_a_hello_however_it_is_cut(data: bytes) -> None:
    for pieces in every_way(data):
        said = fed(Tls, pieces)
        assert isinstance(said, Finding) and _FIELDS.items() <= said.fields.items()
    never_guesses(Tls, data)


def test_a_box_that_does_not_join_reads_the_first_record() -> None:
    message = hello()[5:]
    at = message.index(b"blocked.example") + len(b"blocked.example")
    whole_name = record(message[:at]) + record(message[at:])
    half_name = record(message[: at - 1]) + record(message[at - 1 :])
    assert _fields(whole_name, _ALONE) == {"tls.sni": ("blocked.example",)}
    assert fed(Tls, [half_name], reading=_ALONE) is NOT_MINE
    assert _fields(half_name)["tls.sni"] == ("blocked.example",)


def test_reads_ech_and_older_versions() -> None:
    ech = hello_message(extension(0xFE0D, b"\0" * 8))
    said = _fields(record(ech))
    assert said["tls.ech"] == ("yes",) and said["tls.version"] == ("1.2",)
    assert said["tls.handshake.extension.type"] == ("65037",)
    old = hello_message(version=b"\x03\x01")
    said = _fields(record(old))
    assert said["tls.ech"] == ("no",) and said["tls.version"] == ("1.0",)
    assert said["tls.handshake.ja3_full"] == ("769,4865,,,",)
    odd = hello_message(extension(43, sized(1, b"\x7f\x1c")))
    assert _fields(record(odd))["tls.version"] == ("0x7f1c",)


def test_a_real_hello_is_read_however_it_is_cut() -> None:
    data = tls_hello()
    for pieces in every_way(data):
        said = fed(Tls, pieces)
        assert isinstance(said, Finding) and said.fields["tls.sni"] == (NAME,)
        assert said.fields["tls.alpn"] == ("h2", "http/1.1")


def test_ech_leaves_the_outer_name() -> None:
    outer = hello_message(server_name(b"outer.example"), extension(0xFE0D, b"\0" * 9))
    said = _fields(record(outer))
    assert said["tls.ech"] == ("yes",) and said["tls.sni"] == ("outer.example",)


def test_a_broken_list_costs_the_list_alone() -> None:
    data = record(
        hello_message(server_name(b"a.example"), extension(10, b"\xff\xff\0"))
    )
    said = _fields(data)
    assert said["tls.sni"] == ("a.example",)
    assert said["tls.handshake.ja3_full"] == ("771,4865,0-10,,",)


def test_takes_the_first_host_name_only() -> None:
    two = sized(2, b"\1" + sized(2, b"x") + (b"\0" + sized(2, b"a")) * 2)
    assert _fields(record(hello_message(extension(0, two))))["tls.sni"] == ("a",)


def test_passes_over_extensions_it_does_not_know() -> None:
    data = record(hello_message(extension(10, b"\0\0"), server_name(b"a.example")))
    assert _fields(data)["tls.sni"] == ("a.example",)


@pytest.mark.parametrize(
    "data",
    [
        b"\x17\x03\x03",
        b"\x16\x02",
        b"\x16\x03\x05",
        b"\x16\x03\x01\0\0",
        b"\x16\x03\x01\xff\xff",
        record(b"\x02\0\0\0"),
        record(b"\x01\0\0\x02ab"),
        record(hello_message(b"\0\0\0\x09a")),
        b"GET / HTTP/1.1",
    ],
)
def test_other_streams_are_not_its_own(data: bytes) -> None:
    assert fed(Tls, [data]) is NOT_MINE


def test_a_server_that_speaks_first_is_none() -> None:
    assert fed(Tls, [hello()], direction=Direction.TO_CLIENT) is NOT_MINE
    subject = Tls(6, Reading())
    assert subject.feed(Direction.TO_SERVER, hello()[:9]) is NEED_DATA
    assert subject.feed(Direction.TO_CLIENT, b"\x15") is NEED_DATA


def test_concludes_from_the_extensions_that_are_whole() -> None:
    said = concluded(Tls, hello()[:-9])
    assert isinstance(said, Finding) and said.fields["tls.sni"] == ("blocked.example",)
    assert "tls.version" not in said.fields
    assert concluded(Tls, hello()[:7]) is NOT_MINE
    assert concluded(Tls, hello()[:60]) is NOT_MINE


def test_gives_up_at_its_limit() -> None:
    endless = record(b"\x01\xff\xff\xff") + record(b"\0") * 4000
    assert fed(Tls, [endless]) is NOT_MINE


@given(st.binary(max_size=300), st.booleans())
def test_never_raises(data: bytes, joins: bool) -> None:
    reading = Reading(joins_records=joins)
    fed(Tls, [data[:3], data[3:]], reading=reading)
    concluded(Tls, record(b"\x01" + data) + data, reading)
    concluded(Tls, record(hello_message(data)), reading)
    concluded(Tls, record(hello_message(extension(0, data))), reading)
