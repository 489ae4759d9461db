"""Asks for a page over HTTP/3 (RFC 9114, over QUIC, RFC 9000), by `aioquic`.

aioquic's connection is driven here without asyncio: bytes and the clock in, datagrams
out, so that one deadline holds as in every other step.
"""

from __future__ import annotations

import socket
import time
from collections import deque

from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamReset

from filterlab.probes.channel import seconds_until
from filterlab.probes.connect import new_socket
from filterlab.probes.failure import QuicError
from filterlab.probes.fetch import Ask, Body, Head
from filterlab.probes.request import Via
from filterlab.probes.secure import describe
from filterlab.probes.trace import OpenStep, Trace

_MOST_DATAGRAM_BYTES = 65_535
# As for HTTP/2: the windows must not be what limits a throughput probe.
_WINDOW_BYTES = 16 * 1024 * 1024


class Http3:
    """HTTP/3 on a QUIC connection of its own, with a single request."""

    def __init__(self, sock: socket.socket, name: str, ca_file: str | None) -> None:
        config = QuicConfiguration(
            is_client=True,
            alpn_protocols=H3_ALPN,
            server_name=name,
            max_data=_WINDOW_BYTES,
            max_stream_data=_WINDOW_BYTES,
        )
        if ca_file is not None:
            config.load_verify_locations(ca_file)
        self.until = time.monotonic()
        self._sock = sock
        self._quic = QuicConnection(configuration=config)
        self._h3: H3Connection | None = None
        self._ready = False
        self._stream = 0
        self._events: deque[H3Event] = deque()

    def shake_hands(self, step: OpenStep) -> None:
        """Make the QUIC connection; `step.detail` gets what was agreed on."""
        self.until = step.until
        self._quic.connect(self._sock.getpeername(), now=time.monotonic())
        try:
            while not self._ready:
                self._pump()
        finally:
            certificate = self._quic.tls._peer_certificate
            if certificate is not None:
                step.detail["certificates"] = [describe(certificate)]
        self._h3 = H3Connection(self._quic)
        step.detail["alpn"] = self._quic.tls.alpn_negotiated

    def ask(self, ask: Ask) -> Head:
        """Send the request; the head of the response."""
        assert self._h3 is not None, "shake_hands comes first"
        self._stream = self._quic.get_next_available_stream_id()
        fields = [(k.encode(), v.encode()) for k, v in ask.pseudo_headers]
        self._h3.send_headers(self._stream, fields, end_stream=not ask.body)
        if ask.body:
            self._h3.send_data(self._stream, ask.body, end_stream=True)
        while True:
            event = self._next()
            if isinstance(event, HeadersReceived):
                if event.stream_ended:
                    self._events.append(DataReceived(b"", self._stream, True))
                pairs = [(k.decode(), v.decode()) for k, v in event.headers]
                return Head.of_fields(pairs)

    def read_into(self, body: Body) -> None:
        """Read the body until it ends or `body` wants no more."""
        while True:
            event = self._next()
            if isinstance(event, DataReceived):
                wanted = body.add(event.data)
                if event.stream_ended or not wanted:
                    return

    def _next(self) -> H3Event:
        while not self._events:
            self._pump()
        return self._events.popleft()

    def _pump(self) -> None:
        """Send what is due, then wait for a datagram or for QUIC's own timer."""
        self._send()
        timer = self._quic.get_timer()
        seconds = seconds_until(self.until)
        if timer is not None:
            # A timeout of zero would mean "do not block" to a socket.
            seconds = max(0.001, min(seconds, timer - time.monotonic()))
        self._sock.settimeout(seconds)
        try:
            data = self._sock.recv(_MOST_DATAGRAM_BYTES)
        except TimeoutError:
            if timer is not None and timer <= time.monotonic():
                self._quic.handle_timer(now=time.monotonic())
        else:
            peer = self._sock.getpeername()
            self._quic.receive_datagram(data, peer, now=time.monotonic())
        self._take_events()

    def _send(self) -> None:
        for data, _ in self._quic.datagrams_to_send(now=time.monotonic()):
            self._sock.send(data)

    def _take_events(self) -> None:
        while (event := self._quic.next_event()) is not None:
            if isinstance(event, HandshakeCompleted):
                self._ready = True
            elif isinstance(event, ConnectionTerminated):
                self._send()
                raise QuicError(event.error_code, event.reason_phrase)
            elif isinstance(event, StreamReset) and event.stream_id == self._stream:
                raise QuicError(event.error_code, "the server reset the stream")
            if self._h3 is not None:
                self._events.extend(self._h3.handle_event(event))
        # aioquic tells of a close of its own (a certificate that it does not believe)
        # only after three more timeouts; the step may be over by then.
        closing = self._quic._close_event
        if closing is not None:
            self._send()
            raise QuicError(closing.error_code, closing.reason_phrase)

    def close(self) -> None:
        """Say goodbye, and close the socket."""
        self._quic.close()
        try:
            self._send()
        except OSError:
            return  # nobody is there to hear it
        finally:
            self._sock.close()


def open_quic(address: str, port: int, via: Via | None, trace: Trace) -> socket.socket:
    """A UDP socket connected to `address`, so that ICMP errors reach it."""
    sock = new_socket(address, socket.SOCK_DGRAM, via)
    try:
        sock.connect((address, port))
    except OSError:
        sock.close()
        raise
    source = sock.getsockname()
    trace.note("udp", source[0], source[1], address, port)
    return sock
