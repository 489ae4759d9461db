"""What a client says after its ClientHello, by OpenSSL and by hand."""

from __future__ import annotations

import ssl

import pytest

from filterlab.inspection.recogniser import NEED_DATA, NOT_MINE, Direction, Finding
from filterlab.inspection.recognisers.tls_flight import TlsFlight
from tests.inspection.feeding import every_way, talked
from tests.inspection.flows import tls_second_flight
from tests.inspection.wire import hello, hello_in_records, sized

UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
CCS = b"\x14\3\3\0\1\1"
KEY = b"\x16\3\3" + sized(2, b"\x10" + sized(3, bytes(66)))


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (ssl.TLSVersion.TLSv1_2, "client_key_exchange"),
        (ssl.TLSVersion.TLSv1_3, "change_cipher_spec"),
    ],
)
def test_finds_it_however_it_is_cut(version: ssl.TLSVersion, says: str) -> None:
    client, server, goes_on = tls_second_flight(version)
    assert talked(TlsFlight, (UP, client), (DOWN, server)) is NEED_DATA
    for pieces in every_way(client + goes_on):
        said = talked(TlsFlight, *((UP, piece) for piece in pieces))
        assert isinstance(said, Finding) and not said.protocol
        assert said.fields == {"tls.second_flight": (says,)}


@pytest.mark.parametrize(
    "begins",
    [hello(), hello() + hello(), hello_in_records(20), hello_in_records(300)],
    ids=["one", "asked twice", "in records", "in one record"],
)
def test_passes_over_what_comes_first(begins: bytes) -> None:
    for goes_on in (KEY, CCS):
        said = talked(TlsFlight, (UP, begins + goes_on))
        assert isinstance(said, Finding)


@pytest.mark.parametrize(
    "data",
    [
        KEY,
        CCS,
        b"GET / HTTP/1.1\r\n\r\n",
        hello() + b"\x17\3\3\0\5early",
        hello() + b"no record",
        b"\x16\3\1\0\0" + hello(),
    ],
)
def test_what_goes_on_otherwise_is_not_it(data: bytes) -> None:
    assert talked(TlsFlight, (UP, data)) is NOT_MINE
