"""Carries out one probe in this process, step by step, and never raises."""

from __future__ import annotations

import time
import traceback
from dataclasses import replace

from filterlab.probes.channel import Channel
from filterlab.probes.connect import in_order, is_address, open_by_proxy, open_tcp
from filterlab.probes.fetch import Ask, Body, Exchange, Http1
from filterlab.probes.http2 import Http2
from filterlab.probes.http3 import Http3, open_quic
from filterlab.probes.request import HttpProxy, ProbeRequest, Socks
from filterlab.probes.resolve import resolve
from filterlab.probes.result import ProbeResult, broken
from filterlab.probes.secure import hold_to_pin, padded, shake_hands
from filterlab.probes.throughput import measure
from filterlab.probes.trace import StepError, Trace

_ALPN = {"1.1": ("http/1.1",), "2": ("h2", "http/1.1")}
_PORTS = {"http": 80, "https": 443}


def perform(request: ProbeRequest) -> ProbeResult:
    """Try what is asked for; the result says which step failed, and how.

    A fault of the probe's own is a result too: it is `broken`.
    """
    attempt = _Attempt(request)
    try:
        attempt.run()
    except StepError as error:
        return attempt.result(error.failure)
    except Exception:
        return replace(broken(traceback.format_exc()), seconds=attempt.seconds)
    return attempt.result(None)


class _Attempt:
    def __init__(self, request: ProbeRequest) -> None:
        self._request = request
        self._trace = Trace()
        self._found = ProbeResult()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._trace.started

    def result(self, failure: str | None) -> ProbeResult:
        return replace(
            self._found,
            steps=tuple(self._trace.steps),
            endpoints=tuple(self._trace.endpoints),
            failure=failure,
            reached=failure is None,
            seconds=self.seconds,
            began=self._trace.began,
        )

    def run(self) -> None:
        request = self._request
        if request.kind == "resolve":
            self._addresses()
        elif request.kind == "connect":
            channel = self._tcp()
            if request.scheme == "tls":
                channel = self._tls(channel, ("http/1.1",))
            channel.close()
        else:
            exchange = self._exchange()
            try:
                self._visit(exchange)
            finally:
                exchange.close()

    def _addresses(self) -> list[str]:
        request = self._request
        if is_address(request.host):
            return [request.host]
        if request.addresses:
            return in_order(list(request.addresses), request.family)
        with self._trace.step("dns", request.timeouts.dns) as step:
            answers = resolve(request.host, request, step, self._trace)
        self._found = replace(self._found, answers=tuple(answers))
        return in_order(answers, request.family)

    def _tcp(self) -> Channel:
        request, trace = self._request, self._trace
        if isinstance(request.via, Socks | HttpProxy):
            with trace.step("socks", request.timeouts.socks) as step:
                return open_by_proxy(
                    request.via, request.host, request.port, step, trace
                )
        addresses = self._addresses()
        with trace.step("tcp", request.timeouts.tcp) as step:
            return open_tcp(addresses, request.port, request.via, step, trace)

    def _tls(self, channel: Channel, alpn: tuple[str, ...]) -> Channel:
        request = self._request
        try:
            with self._trace.step("tls", request.timeouts.tls) as step:
                name, ca_file = request.host, request.ca_file
                offered = padded(alpn, request.hello_padding_bytes)
                secure = shake_hands(channel, name, offered, ca_file, step)
                channel = secure
                if request.pin is not None:
                    hold_to_pin(secure, request.pin)
                return secure
        except BaseException:
            channel.close()
            raise

    def _exchange(self) -> Exchange:
        """A connection that can carry the request, up to where HTTP begins."""
        request = self._request
        if request.http == "3":
            return self._quic()
        channel = self._tcp()
        if request.scheme == "http":
            return Http1(channel)
        channel = self._tls(channel, _ALPN[request.http])
        chosen = self._trace.steps[-1].detail["alpn"]
        return Http2(channel) if chosen == "h2" else Http1(channel)

    def _quic(self) -> Exchange:
        request, trace = self._request, self._trace
        address = self._addresses()[0]
        with trace.step("quic", request.timeouts.quic) as step:
            step.detail["address"] = address
            sock = open_quic(address, request.port, request.via, trace)
            exchange = Http3(sock, request.host, request.ca_file)
            try:
                exchange.shake_hands(step)
            except BaseException:
                exchange.close()
                raise
        return exchange

    def _visit(self, exchange: Exchange) -> None:
        request, timeouts = self._request, self._request.timeouts
        body = Body(request.most_bytes)
        ask = Ask(request.scheme, _authority(request), request.path)
        try:
            with self._trace.step("http", timeouts.http) as step:
                exchange.until = step.until
                head = exchange.ask(ask)
                step.detail["status"] = head.status
                self._found = replace(
                    self._found, status=head.status, location=head.location
                )
                if request.kind == "fetch":
                    exchange.read_into(body)
            if request.kind == "throughput":
                with self._trace.step("throughput", timeouts.throughput) as step:
                    exchange.until = step.until
                    kbit_s = measure(exchange, body)
                    self._found = replace(self._found, kbit_s=kbit_s)
        finally:
            self._found = replace(
                self._found,
                title=body.title,
                body_bytes=body.size,
                body_sha256=body.sha256 if body.size else None,
            )


def _authority(request: ProbeRequest) -> str:
    host = f"[{request.host}]" if ":" in request.host else request.host
    if request.port == _PORTS[request.scheme]:
        return host
    return f"{host}:{request.port}"
