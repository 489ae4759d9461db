"""The portal's form: who is led there, who is let in, what the journal has."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from filterlab.lab.portal import ADMITTED_PORT, Portal

PEOPLE = "/enter?name=Aigul+A.&document=N04512345"


@pytest.fixture
def port() -> Iterator[int]:
    with Portal("portal.example", 0) as portal:
        thread = threading.Thread(target=portal.serve_forever, daemon=True)
        thread.start()
        yield portal.socket.getsockname()[1]
        portal.shutdown()
        thread.join()


def asked(port: int, path: str, host: str = "portal.example") -> tuple[int, str, str]:
    channel = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    channel.request("GET", path, headers={"Host": host})
    answer = channel.getresponse()
    said = answer.status, answer.headers.get("Location", ""), answer.read().decode()
    channel.close()
    return said


def test_whoever_wants_another_page_is_sent_to_the_form(port: int) -> None:
    status, location, _ = asked(port, "/today?a=b", "news.example")
    assert status == 302
    assert location.startswith("http://portal.example/?for=http%3A%2F%2Fnews.example")
    status, _, page = asked(port, location.removeprefix("http://portal.example"))
    assert status == 200
    assert "<form" in page


@pytest.mark.parametrize(
    "path", ["/enter", "/enter?name=A", "/enter?name=A&document=x", "/enter?name=%00"]
)
def test_who_says_too_little_is_not_let_in(
    port: int, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, page = asked(port, path)
    assert status == 400
    assert "<form" in page
    assert capsys.readouterr().out == ""


def test_who_is_let_in_is_told_of_and_written_down(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as told:
        told.bind(("127.0.0.1", ADMITTED_PORT))
        told.settimeout(5)
        assert asked(port, PEOPLE)[0] == 200
        assert told.recv(64) == b"admitted"
    entry = json.loads(capsys.readouterr().out)
    assert entry["address"] == "127.0.0.1"
    assert (entry["name"], entry["document"]) == ("Aigul A.", "N04512345")
