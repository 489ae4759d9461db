"""HTTP/1 requests: host, method and target."""

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
from filterlab.inspection.recognisers.http import Http
from tests.inspection.feeding import concluded, every_way, fed, never_guesses
from tests.inspection.wire import request


def _host(data: bytes) -> str | None:
    said = fed(Http, [data])
    assert isinstance(said, Finding)
    return said.fields.get("http.host", (None,))[0]


def test_reads_a_request_however_it_is_cut() -> None:
    for pieces in every_way(request(path="/a?b")):
        said = fed(Http, pieces)
        assert isinstance(said, Finding)
        assert said.fields == {
            "http.request.method": ("GET",),
            "http.request.uri": ("/a?b",),
            "http.host": ("blocked.example",),
        }
    never_guesses(Http, request())


@pytest.mark.parametrize(
    ("data", "host"),
    [
        (b"GET / HTTP/1.1\r\nHOST:Blocked.Example.:8080 \r\n", "blocked.example"),
        (b"GET / HTTP/1.1\nHost: a.example\n", "a.example"),
        (b"\r\nGET / HTTP/1.1\r\nHost: a.example\r\n", "a.example"),
        (b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n", "2001:db8::1"),
        (b"GET http://u@a.example:1/x HTTP/1.1\r\n", "a.example"),
        (b"CONNECT a.example:443 HTTP/1.1\r\n", "a.example"),
        (b"GET / HTTP/1.0\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nHost : a.example\r\nHos\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nX-Host: a.example\r\n\r\n", None),
    ],
)
def test_finds_the_host(data: bytes, host: str | None) -> None:
    assert _host(data) == host


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-x\r\n", b"GET /\r\n", b"GETS", b"RTSP", b"\x16\x03\x01", b"get / "],
)
def test_other_streams_are_not_its_own(data: bytes) -> None:
    assert fed(Http, [data]) is NOT_MINE


def test_a_server_that_speaks_first_is_none() -> None:
    assert fed(Http, [b"220 mail"], direction=Direction.TO_CLIENT) is NOT_MINE


def test_an_early_answer_changes_nothing() -> None:
    subject = Http(6, Reading())
    assert subject.feed(Direction.TO_SERVER, b"GET / ") is NEED_DATA
    assert subject.feed(Direction.TO_CLIENT, b"HTTP/1.1 408") is NEED_DATA


def test_half_a_host_is_not_read() -> None:
    said = concluded(Http, b"GET / HTTP/1.1\r\nHost: blocked.exam")
    assert isinstance(said, Finding) and "http.host" not in said.fields
    assert concluded(Http, b"GE") is NOT_MINE


def test_gives_up_at_its_limit() -> None:
    said = fed(Http, [b"GET / HTTP/1.1\r\nX: " + b"a" * Http.byte_limit])
    assert isinstance(said, Finding) and "http.host" not in said.fields
    assert fed(Http, [b"GET /" + b"a" * Http.byte_limit]) is NOT_MINE


@given(st.binary(max_size=200))
def test_never_raises(data: bytes) -> None:
    fed(Http, [data[:3], data[3:]])
    concluded(Http, b"GET " + data + b"\r\nHost: " + data)
    concluded(Http, b"GET http://" + data + b" HTTP/1.1\r\nHost: " + data + b"\r\n")
