"""Each failure of a fetch comes from a real server that fails in that way."""

from __future__ import annotations

import hashlib
import socket
from base64 import b64decode
from typing import Any

import pytest
from cryptography import x509

from filterlab.probes.perform import perform
from filterlab.probes.request import ProbeRequest, Timeouts
from filterlab.probes.result import ProbeResult
from filterlab.probes.secure import key_hash

QUICK = Timeouts(0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)


def fetch(url: str, authority: Any = None, **options: Any) -> ProbeResult:
    ca_file = authority.ca_file if authority else None
    return perform(ProbeRequest("fetch", url, ca_file=ca_file, **options))


def names(result: ProbeResult) -> list[str]:
    return [step.name for step in result.steps]


def test_a_page_over_http(servers: Any, kit: Any) -> None:
    port = servers.tcp(kit.web(kit.response()))
    result = fetch(f"http://127.0.0.1:{port}/news?a=1")
    assert (result.reached, result.failure, result.status) == (True, None, 200)
    assert names(result) == ["tcp", "http"]
    assert result.title == "The News"
    assert result.body_bytes == len(kit.page)
    assert result.body_sha256 == hashlib.sha256(kit.page).hexdigest()
    (endpoint,) = result.endpoints
    assert endpoint.protocol == "tcp"
    assert endpoint[3:] == ("127.0.0.1", port)


@pytest.mark.parametrize("http", ["1.1", "2"])
def test_a_page_over_https(servers: Any, kit: Any, authority: Any, http: Any) -> None:
    # A server without ALPN is spoken to in HTTP/1.1 even if HTTP/2 was offered.
    context = authority.context("127.0.0.1")
    port = servers.tls(context, kit.web(kit.response()))
    result = fetch(f"https://127.0.0.1:{port}/", authority, http=http)
    assert result.failure is None
    assert names(result) == ["tcp", "tls", "http"]
    tls = result.steps[1].detail
    assert tls["version"] == "TLSv1.3"
    assert tls["certificates"][0]["subject"] == "CN=127.0.0.1"
    assert ProbeResult.from_json(result.as_json()) == result


def test_a_pinned_key_is_all_that_is_believed(
    servers: Any, kit: Any, authority: Any
) -> None:
    port = servers.tls(authority.context("127.0.0.1"), kit.web(kit.response()))
    url = f"https://127.0.0.1:{port}/"
    free = fetch(url, authority)
    der = b64decode(free.steps[1].detail["certificates"][0]["der"])
    pin = key_hash(x509.load_der_x509_certificate(der))
    assert fetch(url, authority, pin=pin).reached
    other = fetch(url, authority, pin="0" * 64)
    assert (names(other), other.failure) == (["tcp", "tls"], "ssl_invalid_certificate")
    # The certificate is evidence, whether it was believed or not.
    assert other.steps[1].detail["certificates"] == free.steps[1].detail["certificates"]


def test_a_redirect_is_seen_and_not_followed(servers: Any, kit: Any) -> None:
    extra = "Location: http://block.example/\r\n"
    port = servers.tcp(kit.web(kit.response(b"", "302 Found", extra)))
    result = fetch(f"http://127.0.0.1:{port}/")
    assert (result.status, result.location) == (302, "http://block.example/")
    assert result.reached


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            b"abcde",
        ),
        (b"\r\nuntil the end", b"until the end"),
        (b"Content-Length: 2\r\n\r\nabc", b"ab"),
    ],
    ids=["chunked", "until the end", "by length"],
)
def test_framings(servers: Any, kit: Any, wire: bytes, body: bytes) -> None:
    port = servers.tcp(kit.web(b"HTTP/1.1 200 OK\r\n" + wire))
    result = fetch(f"http://127.0.0.1:{port}/")
    assert result.failure is None
    assert result.body_sha256 == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    ("wire", "failure"),
    [
        (b"", "eof_error"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "eof_error"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "eof_error"),
        (b"SSH-2.0-OpenSSH\r\n", "unknown_failure: no HTTP answer: b'SSH-2.0"),
    ],
)
def test_bad_answers(servers: Any, kit: Any, wire: bytes, failure: str) -> None:
    port = servers.tcp(kit.web(wire))
    result = fetch(f"http://127.0.0.1:{port}/")
    assert (result.failure or "").startswith(failure)
    assert (names(result)[-1], result.reached, result.broken) == ("http", False, False)


def test_nobody_listens() -> None:
    with socket.socket() as sock:  # bound, so nobody else has it; not listening
        sock.bind(("127.0.0.1", 0))
        result = fetch(f"http://127.0.0.1:{sock.getsockname()[1]}/")
    assert (result.failure, names(result)) == ("connection_refused", ["tcp"])
    assert len(result.endpoints) == 1


def test_no_answer_to_the_syn(servers: Any) -> None:
    result = fetch(f"http://127.0.0.1:{servers.full()}/", timeouts=QUICK)
    assert (result.failure, names(result)) == ("generic_timeout_error", ["tcp"])


@pytest.mark.parametrize(("scheme", "step"), [("http", "http"), ("https", "tls")])
def test_reset_closed_and_silent(
    servers: Any, kit: Any, scheme: str, step: str
) -> None:
    handlers = {
        "connection_reset": kit.reset,
        "eof_error": kit.hang_up,
        "generic_timeout_error": servers.silent,
    }
    for failure, handler in handlers.items():
        port = servers.tcp(handler)
        timeouts = QUICK if handler == servers.silent else Timeouts()
        result = fetch(f"{scheme}://127.0.0.1:{port}/", timeouts=timeouts)
        assert (result.failure, names(result)[-1]) == (failure, step)


def test_certificates_that_are_not_believed(
    servers: Any, kit: Any, authority: Any, stranger: Any
) -> None:
    answer = kit.web(kit.response())
    cases = {
        "ssl_unknown_authority": stranger.context("127.0.0.1"),
        "ssl_invalid_hostname": authority.context("other.example"),
        "ssl_invalid_certificate": authority.context("127.0.0.1", days=-1),
    }
    for failure, context in cases.items():
        port = servers.tls(context, answer)
        result = fetch(f"https://127.0.0.1:{port}/", authority)
        assert (result.failure, names(result)) == (failure, ["tcp", "tls"])
        # The certificate is evidence, above all when it is not believed.
        assert result.steps[-1].detail["certificates"], failure


def test_no_tls_at_all(servers: Any, kit: Any, authority: Any) -> None:
    def plain(connection: socket.socket) -> None:
        connection.recv(65_535)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.recv(65_535)

    result = fetch(f"https://127.0.0.1:{servers.tcp(plain)}/", authority)
    assert (result.failure, names(result)[-1]) == ("ssl_failed_handshake", "tls")


def test_a_missing_authority_breaks_the_probe(servers: Any, kit: Any) -> None:
    port = servers.tcp(kit.hang_up)
    request = ProbeRequest("fetch", f"https://127.0.0.1:{port}/", ca_file="/nowhere")
    result = perform(request)
    assert result.broken
    assert "FileNotFoundError" in result.steps[0].detail["traceback"]


def test_throughput_is_counted_from_the_first_byte(servers: Any, kit: Any) -> None:
    body = b"z" * 500_000
    port = servers.tcp(kit.web(kit.response(body)))
    result = perform(ProbeRequest("throughput", f"http://127.0.0.1:{port}/"))
    assert names(result) == ["tcp", "http", "throughput"]
    assert result.body_bytes == len(body)
    assert result.kbit_s is not None
    assert result.kbit_s > 0


def test_throughput_that_never_ends_is_cut(servers: Any, kit: Any) -> None:
    def stall(connection: socket.socket) -> None:
        kit.web(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")(connection)
        connection.sendall(b"a" * 1000)
        servers.silent(connection)

    request = ProbeRequest(
        "throughput", f"http://127.0.0.1:{servers.tcp(stall)}/", timeouts=QUICK
    )
    result = perform(request)
    assert (result.failure, result.body_bytes) == (None, 1000)

    port = servers.tcp(kit.web(kit.response(b"a" * 5000)))
    url = f"http://127.0.0.1:{port}/"
    result = perform(ProbeRequest("throughput", url, most_bytes=1000))
    assert result.failure is None
    assert result.body_bytes >= 1000


def test_connect(servers: Any, kit: Any, authority: Any) -> None:
    port = servers.tcp(kit.hang_up)
    result = perform(ProbeRequest("connect", f"127.0.0.1:{port}"))
    assert (names(result), result.reached) == (["tcp"], True)
    port = servers.tls(authority.context("127.0.0.1"), kit.hang_up)
    result = perform(
        ProbeRequest("connect", f"tls://127.0.0.1:{port}", ca_file=authority.ca_file)
    )
    assert (names(result), result.reached) == (["tcp", "tls"], True)
