"""The DNS step against resolvers that answer, refuse, lie and say nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import dns.message
import h2.config
import h2.connection
import h2.events
import pytest

from filterlab.probes import resolve
from filterlab.probes.perform import perform
from filterlab.probes.request import Family, ProbeRequest, Timeouts
from filterlab.probes.result import ProbeResult

QUICK = Timeouts(0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4)
BOTH = ["192.0.2.1", "192.0.2.2", "2001:db8::1"]


def ask(resolver: str, **options: Any) -> ProbeResult:
    return perform(ProbeRequest("resolve", "news.example", resolver, **options))


def over_udp(servers: Any, answer: Callable[[bytes], bytes]) -> str:
    return f"udp://127.0.0.1:{servers.udp(lambda wire: [answer(wire)])}"


@pytest.mark.parametrize(
    ("family", "expected"),
    [("any", BOTH), ("4", BOTH[:2]), ("6", BOTH[2:])],
)
def test_both_families_are_asked(
    servers: Any, kit: Any, family: Family, expected: list[str]
) -> None:
    resolver = over_udp(servers, kit.answer_dns(BOTH))
    result = ask(resolver, family=family)
    assert sorted(result.answers) == sorted(expected)
    assert (result.failure, result.reached) == (None, True)
    assert result.endpoints[0].protocol == "udp"


@pytest.mark.parametrize(
    ("rcode", "failure"),
    [
        ("NXDOMAIN", "dns_nxdomain_error"),
        ("SERVFAIL", "dns_servfail_error"),
        ("REFUSED", "dns_refused_error"),
        ("NOERROR", "dns_no_answer"),
        ("NOTIMP", "dns_server_misbehaving"),
    ],
)
def test_refusals(servers: Any, kit: Any, rcode: str, failure: str) -> None:
    resolver = over_udp(servers, kit.answer_dns([], rcode))
    result = ask(resolver)
    assert (result.failure, result.steps[0].name) == (failure, "dns")


def test_the_first_answer_is_believed(servers: Any, kit: Any) -> None:
    forged, real = kit.answer_dns(["198.51.100.1"]), kit.answer_dns(["192.0.2.1"])
    port = servers.udp(lambda wire: [forged(wire), real(wire)])
    result = ask(f"udp://127.0.0.1:{port}", family="4")
    assert result.answers == ("198.51.100.1",)


def test_what_answers_another_question_is_passed_over(servers: Any, kit: Any) -> None:
    real = kit.answer_dns(["192.0.2.1"])

    def answer(wire: bytes) -> list[bytes]:
        wrong_id = bytes([wire[0] ^ 1]) + real(wire)[1:]
        return [b"nonsense", wrong_id, real(wire)]

    result = ask(f"udp://127.0.0.1:{servers.udp(answer)}", family="4")
    assert result.answers == ("192.0.2.1",)


def test_a_lost_question_is_asked_again(servers: Any, kit: Any) -> None:
    asked: list[bytes] = []
    real = kit.answer_dns(["192.0.2.1"])

    def answer(wire: bytes) -> list[bytes]:
        asked.append(wire)
        return [real(wire)] if len(asked) > 1 else []

    result = ask(f"udp://127.0.0.1:{servers.udp(answer)}", family="4", timeouts=QUICK)
    assert result.answers == ("192.0.2.1",)
    assert asked == [asked[0]] * 2


def test_one_family_does_not_wait_for_the_other(servers: Any, kit: Any) -> None:
    real = kit.answer_dns(["192.0.2.1"])

    def answer(wire: bytes) -> list[bytes]:
        kind = dns.message.from_wire(wire).question[0].rdtype
        return [real(wire)] if kind == dns.rdatatype.A else []

    result = ask(f"udp://127.0.0.1:{servers.udp(answer)}", timeouts=Timeouts(dns=60))
    assert result.answers == ("192.0.2.1",)


def test_silence(servers: Any) -> None:
    port = servers.udp(lambda wire: [])
    result = ask(f"udp://127.0.0.1:{port}", timeouts=QUICK)
    assert result.failure == "generic_timeout_error"


def test_no_resolver_there() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert ask(f"udp://127.0.0.1:{port}").failure == "connection_refused"


def test_the_client_s_own_resolver(
    servers: Any, kit: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "_RESOLV_CONF", tmp_path / "resolv.conf")
    request = ProbeRequest("resolve", "news.example")
    assert perform(request).broken  # no such file: the lab's fault, not the network's
    (tmp_path / "resolv.conf").write_text("search example\n")
    assert "NoResolverError" in str(perform(request).steps[0].detail["traceback"])
    (tmp_path / "resolv.conf").write_text("# ours\nnameserver 127.0.0.1\n")
    port = servers.udp(lambda wire: [kit.answer_dns(BOTH)(wire)])
    monkeypatch.setitem(resolve._PORTS, "udp", port)
    assert set(perform(request).answers) == set(BOTH)


def dns_over_lengths(answer: Callable[[bytes], bytes]) -> Callable[..., None]:
    def serve(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while length := stream.read(2):
                reply = answer(stream.read(int.from_bytes(length, "big")))
                connection.sendall(len(reply).to_bytes(2, "big") + reply)

    return serve


def test_over_tcp_and_tls(servers: Any, kit: Any, authority: Any) -> None:
    handler = dns_over_lengths(kit.answer_dns(BOTH))
    result = ask(f"tcp://127.0.0.1:{servers.tcp(handler)}")
    assert set(result.answers) == set(BOTH)

    port = servers.tls(authority.context("dns.example", alpn="dot"), handler)
    named = f"tls://127.0.0.1:{port}#dns.example"
    result = ask(named, ca_file=authority.ca_file)
    assert set(result.answers) == set(BOTH)
    unnamed = ask(f"tls://127.0.0.1:{port}", ca_file=authority.ca_file)
    assert unnamed.failure == "ssl_invalid_hostname"
    assert unnamed.steps[0].detail["stage"] == "tls"


def dns_over_https(answer: Callable[[bytes], bytes]) -> Callable[..., None]:
    def serve(connection: socket.socket) -> None:
        link = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        link.initiate_connection()
        connection.sendall(link.data_to_send())
        while data := connection.recv(65_535):
            for event in link.receive_data(data):
                if isinstance(event, h2.events.DataReceived) and event.data:
                    kind = ("content-type", "application/dns-message")
                    link.send_headers(event.stream_id, [(":status", "200"), kind])
                    link.send_data(event.stream_id, answer(event.data), end_stream=True)
            connection.sendall(link.data_to_send())

    return serve


def test_over_https(servers: Any, kit: Any, authority: Any) -> None:
    handler = dns_over_https(kit.answer_dns(BOTH))
    port = servers.tls(authority.context("127.0.0.1", alpn="h2"), handler)
    url = f"https://127.0.0.1:{port}/dns-query"
    result = ask(url, ca_file=authority.ca_file)
    assert result.failure is None
    assert set(result.answers) == set(BOTH)
    assert [step.name for step in result.steps] == ["dns"]

    port = servers.tls(authority.context("127.0.0.1"), handler)
    result = ask(f"https://127.0.0.1:{port}/", ca_file=authority.ca_file)
    assert (result.failure or "").startswith("unknown_failure: the DoH server")


def test_a_reset_on_the_way_to_an_encrypted_resolver(servers: Any, kit: Any) -> None:
    result = ask(f"tls://127.0.0.1:{servers.tcp(kit.reset)}")
    assert (result.failure, result.steps[0].name) == ("connection_reset", "dns")


def test_a_name_is_resolved_then_fetched(servers: Any, kit: Any) -> None:
    resolver = over_udp(servers, kit.answer_dns(["127.0.0.1", "::1"]))
    port = servers.tcp(kit.web(kit.response()))
    request = ProbeRequest("fetch", f"http://news.example:{port}/", resolver)
    result = perform(request)
    assert [step.name for step in result.steps] == ["dns", "tcp", "http"]
    assert result.steps[1].detail["address"] == "127.0.0.1"
    assert [end.protocol for end in result.endpoints] == ["udp", "tcp"]
