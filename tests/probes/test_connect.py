"""Ways to a target: SOCKS and HTTP proxies, a device, and around a dead IPv4."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from filterlab.probes.perform import perform
from filterlab.probes.request import Device, HttpProxy, ProbeRequest, Socks, Timeouts
from filterlab.probes.result import ProbeResult

QUICK = Timeouts(0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4)


def relay(one: socket.socket, port: int) -> None:
    """Carry bytes between `one` and a server on loopback until either ends."""
    with socket.create_connection(("127.0.0.1", port)) as other:

        def back() -> None:
            while data := other.recv(65_535):
                one.sendall(data)
            one.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=back)
        thread.start()
        while data := one.recv(65_535):
            other.sendall(data)
        thread.join()


def socks_server(asked: list[bytes], reply: int) -> Any:
    def serve(connection: socket.socket) -> None:
        connection.recv(3)
        connection.sendall(b"\x05\x00")
        head = connection.recv(5)
        name = connection.recv(head[4])
        port = int.from_bytes(connection.recv(2), "big")
        asked.append(name)
        connection.sendall(bytes([5, reply, 0, 1, 127, 0, 0, 1, 0, 0]))
        if reply == 0:
            relay(connection, port)

    return serve


def by_socks(port: int, target: str, **options: Any) -> ProbeResult:
    via = Socks("127.0.0.1", port)
    return perform(ProbeRequest("fetch", target, via=via, **options))


def test_socks_resolves_the_name(servers: Any, kit: Any, authority: Any) -> None:
    context = authority.context("news.example")
    port = servers.tls(context, kit.web(kit.response()))
    asked: list[bytes] = []
    proxy = servers.tcp(socks_server(asked, 0))
    url = f"https://news.example:{port}/"
    result = by_socks(proxy, url, ca_file=authority.ca_file)
    assert result.failure is None
    assert [step.name for step in result.steps] == ["socks", "tls", "http"]
    assert asked == [b"news.example"]
    assert result.answers == ()


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (1, "socks_server_failure"),
        (2, "socks_connection_not_allowed"),
        (3, "socks_network_unreachable"),
        (4, "socks_host_unreachable"),
        (5, "socks_connection_refused"),
        (6, "socks_ttl_expired"),
        (7, "socks_command_not_supported"),
        (8, "socks_address_not_supported"),
        (99, "socks_error"),
    ],
)
def test_socks_refuses(servers: Any, reply: int, failure: str) -> None:
    proxy = servers.tcp(socks_server([], reply))
    result = by_socks(proxy, "http://news.example/")
    assert (result.failure, result.steps[0].name) == (failure, "socks")


def test_socks_is_silent_or_gone(servers: Any, kit: Any) -> None:
    proxy = servers.tcp(servers.silent)
    result = by_socks(proxy, "http://news.example/", timeouts=QUICK)
    assert result.failure == "generic_timeout_error"
    result = by_socks(servers.tcp(kit.hang_up), "http://news.example/")
    assert result.failure in ("eof_error", "connection_reset")


def http_proxy(answer: bytes, port: int) -> Any:
    def serve(connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        connection.sendall(answer)
        if b" 200 " in answer:
            relay(connection, port)

    return serve


def test_http_proxy(servers: Any, kit: Any) -> None:
    port = servers.tcp(kit.web(kit.response()))
    good = servers.tcp(http_proxy(b"HTTP/1.1 200 Established\r\n\r\n", port))
    bad = servers.tcp(http_proxy(b"HTTP/1.1 502 Bad Gateway\r\n\r\n", port))
    url = "http://news.example/"
    result = perform(ProbeRequest("fetch", url, via=HttpProxy("127.0.0.1", good)))
    assert (result.failure, result.status) == (None, 200)
    result = perform(ProbeRequest("fetch", url, via=HttpProxy("127.0.0.1", bad)))
    assert result.failure == "socks_error"
    assert "502" in result.steps[0].detail["error"]


def test_a_device(servers: Any, kit: Any) -> None:
    port = servers.tcp(kit.web(kit.response()))
    url = f"http://127.0.0.1:{port}/"
    result = perform(ProbeRequest("fetch", url, via=Device("lo")))
    assert result.failure is None
    # No such interface means that the tool did not make it: nothing was tried.
    assert perform(ProbeRequest("fetch", url, via=Device("none0"))).broken


def dual(servers: Any, kit: Any, port: int, **options: Any) -> ProbeResult:
    answer = kit.answer_dns(["127.0.0.1", "::1"])
    resolver = f"udp://127.0.0.1:{servers.udp(lambda wire: [answer(wire)])}"
    target = f"tcp://news.example:{port}"
    return perform(ProbeRequest("connect", target, resolver, **options))


def test_ipv6_is_tried_when_ipv4_refuses(servers: Any, kit: Any) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        result = dual(servers, kit, listener.getsockname()[1])
        assert result.failure is None
        assert result.steps[-1].detail["address"] == "::1"
        assert "127.0.0.1" in result.steps[-1].detail["attempts"]


def test_ipv6_is_tried_when_ipv4_is_silent(servers: Any, kit: Any) -> None:
    port = servers.full()
    with socket.create_server(("::1", port), family=socket.AF_INET6):
        result = dual(servers, kit, port, timeouts=QUICK)
    assert result.steps[-1].detail["address"] == "::1"


def test_ipv4_speaks_for_both(servers: Any, kit: Any) -> None:
    # IPv6 is refused at once, IPv4 is silent: the silence is what counts.
    result = dual(servers, kit, servers.full(), timeouts=QUICK)
    assert result.failure == "generic_timeout_error"
    assert "::1" in result.steps[-1].detail["attempts"]
