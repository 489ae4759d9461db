"""HTTP/2 and HTTP/3 against servers that speak them, and QUIC's own failures."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent

from filterlab.probes.perform import perform
from filterlab.probes.request import ProbeRequest, Timeouts
from filterlab.probes.result import ProbeResult

QUICK = Timeouts(0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4)
PAGE = b"<title>h3</title>" + b"y" * 100_000


class Server(QuicConnectionProtocol):
    """Answers every request with the page."""

    http: H3Connection | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        if self.http is None:
            return
        for got in self.http.handle_event(event):
            if isinstance(got, HeadersReceived):
                self.http.send_headers(got.stream_id, [(b":status", b"200")])
                self.http.send_data(got.stream_id, PAGE, end_stream=True)
                self.transmit()


@pytest.fixture
def h3_server() -> Iterator[Callable[[tuple[str, str]], int]]:
    """Start an HTTP/3 server with a certificate and key; its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started: list[Any] = []

    def start(pair: tuple[str, str]) -> int:
        config = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
        config.load_cert_chain(*pair)
        making = serve("127.0.0.1", 0, configuration=config, create_protocol=Server)
        server = asyncio.run_coroutine_threadsafe(making, loop).result(5)
        started.append(server)
        assert server._transport is not None
        return int(server._transport.get_extra_info("sockname")[1])

    yield start

    async def end() -> None:
        for server in started:
            server.close()
        await asyncio.sleep(0)  # one turn of the loop closes the transports

    asyncio.run_coroutine_threadsafe(end(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def fetch(port: int, authority: Any, **options: Any) -> ProbeResult:
    url = f"https://127.0.0.1:{port}/"
    return perform(
        ProbeRequest("fetch", url, http="3", ca_file=authority.ca_file, **options)
    )


def test_a_page_over_http3(h3_server: Any, authority: Any) -> None:
    result = fetch(h3_server(authority.issue("127.0.0.1")), authority)
    assert result.failure is None
    assert [step.name for step in result.steps] == ["quic", "http"]
    assert (result.status, result.title) == (200, "h3")
    assert result.body_bytes == len(PAGE)
    assert result.endpoints[0].protocol == "udp"
    assert result.steps[0].detail["alpn"] == "h3"


def test_certificates_over_quic(h3_server: Any, authority: Any, stranger: Any) -> None:
    cases = {
        "ssl_unknown_authority": stranger.issue("127.0.0.1"),
        "ssl_invalid_hostname": authority.issue("other.example"),
        "ssl_invalid_certificate": authority.issue("127.0.0.1", days=-1),
    }
    for failure, pair in cases.items():
        result = fetch(h3_server(pair), authority)
        assert (result.failure, result.steps[-1].name) == (failure, "quic")
        assert result.steps[-1].detail["certificates"]


def test_quic_that_nobody_answers(servers: Any, authority: Any) -> None:
    port = servers.udp(lambda data: [])
    result = fetch(port, authority, timeouts=QUICK)
    assert (result.failure, result.steps[-1].name) == ("generic_timeout_error", "quic")


def test_quic_that_is_refused(authority: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert fetch(port, authority).failure == "connection_refused"


def http2_server(reset: bool) -> Any:
    def handle(connection: socket.socket) -> None:
        link = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        link.initiate_connection()
        connection.sendall(link.data_to_send())
        while data := connection.recv(65_535):
            for event in link.receive_data(data):
                if not isinstance(event, h2.events.RequestReceived):
                    continue
                if reset:
                    link.reset_stream(event.stream_id)
                    continue
                link.send_headers(event.stream_id, [(":status", "200")])
                for _ in range(10):
                    link.send_data(event.stream_id, b"z" * 10_000)
                link.end_stream(event.stream_id)
            connection.sendall(link.data_to_send())

    return handle


def test_a_page_over_http2(servers: Any, authority: Any) -> None:
    context = authority.context("127.0.0.1", alpn="h2")
    url = f"https://127.0.0.1:{servers.tls(context, http2_server(reset=False))}/"
    request = ProbeRequest("fetch", url, http="2", ca_file=authority.ca_file)
    result = perform(request)
    assert (result.failure, result.status, result.body_bytes) == (None, 200, 100_000)


def test_a_stream_reset_over_http2(servers: Any, authority: Any) -> None:
    context = authority.context("127.0.0.1", alpn="h2")
    url = f"https://127.0.0.1:{servers.tls(context, http2_server(reset=True))}/"
    request = ProbeRequest("fetch", url, http="2", ca_file=authority.ca_file)
    result = perform(request)
    assert (result.failure or "").startswith("unknown_failure: HTTP/2 error")
