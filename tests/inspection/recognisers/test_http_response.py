"""HTTP answers: status, headers and title."""

from __future__ import annotations

import pytest

from filterlab.inspection.recogniser import NEED_DATA, NOT_MINE, Direction, Finding
from filterlab.inspection.recognisers.http_response import HttpResponse
from tests.inspection.feeding import every_way, talked
from tests.inspection.wire import request

UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
_ASK = (UP, request())
_PAGE = b"<!DOCTYPE html><html><head>\n<TITLE lang=en>Access \n denied &amp; so</TITLE>"
_ANSWER = (
    b"HTTP/1.1 403 Forbidden\r\nServer: nginx\r\nContent-Type: text/html\r\n"
    b"Content-Length: 500\r\n\r\n" + _PAGE
)
_FOUND = Finding(
    "http",
    {
        "http.response.code": ("403",),
        "http.server": ("nginx",),
        "http.content_type": ("text/html",),
        "http.title": ("Access denied & so",),
    },
)


def _head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join((status, *lines, "", "")).encode()


def test_reads_status_and_title_however_they_are_cut() -> None:
    for pieces in every_way(_ANSWER):
        assert talked(HttpResponse, _ASK, *((DOWN, p) for p in pieces)) == _FOUND
    for at in range(len(_ANSWER) - 7):
        assert talked(HttpResponse, _ASK, (DOWN, _ANSWER[:at])) is NEED_DATA


def test_without_a_title_the_headers_are_enough() -> None:
    redirect = _head("Location: http://203.0.113.253/", status="HTTP/1.1 302 Found")
    said = talked(HttpResponse, _ASK, (DOWN, redirect))
    assert isinstance(said, Finding)
    assert said.fields["http.location"] == ("http://203.0.113.253/",)
    for data in (
        _head("Content-Type: image/png") + b"\x89PNG",
        _head("Content-Type: text/html", "Content-Encoding: gzip") + b"\x1f\x8b",
        _head("Content-Type: text/html", "Content-Length: 0"),
        _head("Content-Type: text/html", "Content-Length: 4") + b"<p>a",
        _head("Content-Type: text/html") + b"x" * 20_000,
    ):
        said = talked(HttpResponse, _ASK, (DOWN, data))
        assert isinstance(said, Finding)
        assert said.fields["http.response.code"] == ("200",)
        assert "http.title" not in said.fields
    said = talked(HttpResponse, _ASK, (DOWN, _ANSWER[:-10]), to_the_end=True)
    assert isinstance(said, Finding) and "http.title" not in said.fields


def test_passes_over_what_is_not_final() -> None:
    early = _head(status="HTTP/1.1 100 Continue") + _head(
        "Link: x", status="HTTP/1.1 103 x"
    )
    assert talked(HttpResponse, _ASK, (DOWN, early + _ANSWER)) == _FOUND
    upgraded = _head("Upgrade: websocket", status="HTTP/1.1 101 Switching Protocols")
    said = talked(HttpResponse, _ASK, (DOWN, upgraded))
    assert said == Finding("http", {"http.response.code": ("101",)})


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-x\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 2000,
    ],
)
def test_other_answers_are_not_its_own(data: bytes) -> None:
    assert talked(HttpResponse, _ASK, (DOWN, data)) is NOT_MINE


def test_an_answer_needs_a_request() -> None:
    assert talked(HttpResponse, (UP, b"\x16\x03\x01")) is NOT_MINE
    assert talked(HttpResponse, (DOWN, _ANSWER)) is NOT_MINE
    assert talked(HttpResponse, (UP, b"G"), (UP, b"ET / "), (DOWN, _ANSWER)) == _FOUND
    assert talked(HttpResponse, _ASK, to_the_end=True) is NOT_MINE
