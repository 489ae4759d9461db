"""Asks for a page over HTTP/2 (RFC 9113), by the `h2` package."""

from __future__ import annotations

from collections import deque

import h2.config
import h2.connection
import h2.events
import h2.settings

from filterlab.probes.channel import Channel
from filterlab.probes.failure import ProtocolError
from filterlab.probes.fetch import Ask, Body, Head

# The window must not be what limits a throughput probe: 16 MiB hold one second of
# 130 Mbit/s, more than a Python reader takes.
_WINDOW_BYTES = 16 * 1024 * 1024


class Http2:
    """HTTP/2 on a connection of its own, one request after another."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._stream = 0
        self._events: deque[h2.events.Event] = deque()

    @property
    def until(self) -> float:
        """When the step under way must end."""
        return self._channel.until

    @until.setter
    def until(self, until: float) -> None:
        self._channel.until = until

    def ask(self, ask: Ask) -> Head:
        """Send the request; the head of the response."""
        if not self._stream:
            codes = h2.settings.SettingCodes
            wanted = {codes.INITIAL_WINDOW_SIZE: _WINDOW_BYTES, codes.ENABLE_PUSH: 0}
            self._h2.local_settings = h2.settings.Settings(
                client=True, initial_values=wanted
            )
            self._h2.initiate_connection()
            self._h2.increment_flow_control_window(_WINDOW_BYTES)
        self._stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(self._stream, ask.pseudo_headers, end_stream=not ask.body)
        if ask.body:
            self._h2.send_data(self._stream, ask.body, end_stream=True)
        self._flush()
        while True:
            event = self._next()
            if isinstance(event, h2.events.ResponseReceived):
                fields = [(str(k), str(v)) for k, v in event.headers or ()]
                return Head.of_fields(fields)

    def read_into(self, body: Body) -> None:
        """Read the body until it ends or `body` wants no more."""
        while True:
            event = self._next()
            if isinstance(event, h2.events.StreamEnded):
                return
            if isinstance(event, h2.events.DataReceived):
                length = event.flow_controlled_length or 0
                self._h2.acknowledge_received_data(length, self._stream)
                if not body.add(event.data or b""):
                    return

    def _next(self) -> h2.events.Event:
        """The next event of our stream; ends with an error if the stream does."""
        while not self._events:
            self._flush()
            data = self._channel.receive()
            if not data:
                raise EOFError("the connection ended in the middle of a response")
            self._events.extend(self._h2.receive_data(data))
        event = self._events.popleft()
        if isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
            raise ProtocolError(f"HTTP/2 error {event.error_code}")
        return event

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._channel.send(data)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
