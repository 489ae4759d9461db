"""The connection to a switch, without os-ken's queues between it and the exchange.

os-ken hands each message through a queue of 128 to an application's thread, parses
every match into objects, and sends through a queue of 16 and another thread. Here a
frame is answered on the thread that read it, and many messages are read and answered
at a time when many are waiting. The handshake and all else stay os-ken's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from socket import socket as Socket  # noqa: N812
from typing import Any, cast

# os-ken's modules import each other in a ring that can be entered only here.
from os_ken.base import app_manager  # noqa: F401
from os_ken.controller import controller, handler, ofp_event
from os_ken.ofproto import ofproto_parser

from filterlab.openflow import wire

Listener = Callable[[list[bytes]], None]

# What an exchange answers by itself once the handshake is over.
OURS = frozenset(
    {
        wire.ERROR,
        wire.PACKET_IN,
        wire.FLOW_REMOVED,
        wire.MULTIPART_REPLY,
        wire.BARRIER_REPLY,
    }
)
# A hundred frames or so: enough to save system calls, little enough to stay prompt.
READ_BYTES = 65_536


class Channel(controller.Datapath):  # type: ignore[misc]
    """A switch's connection; give it a `listener` to get its messages unparsed."""

    def __init__(self, socket: Socket, address: tuple[str, int]):
        self.listener: Listener | None = None
        self._sending = threading.Lock()
        super().__init__(socket, address)
        self.socket.settimeout(None)  # one system call a read; closing ends it

    def send(self, buf: bytes, close_socket: bool = False) -> bool:
        """Send now, on this thread; False if the switch has gone."""
        try:
            with self._sending:
                self.socket.sendall(buf)
        except OSError:
            return False  # the reading side sees the end too, and says so
        if close_socket:
            self._close_write()
        return True

    def serve(self) -> None:
        """Greet the switch and answer it until it hangs up."""
        self.send_msg(self.ofproto_parser.OFPHello(self))
        try:
            self._receive()
        finally:
            self.is_active = False
            self.socket.close()

    def _receive(self) -> None:
        buffer = b""
        while self.state != handler.DEAD_DISPATCHER:
            try:
                chunk = self.socket.recv(READ_BYTES)
            except OSError:
                return
            if not chunk:
                return
            messages, buffer = wire.split_messages(buffer + chunk)
            self._hand_out(messages)

    def _hand_out(self, messages: list[bytes]) -> None:
        listener = self.listener
        if listener is None:
            for message in messages:
                self._dispatch(message)
            return
        ours = [message for message in messages if message[1] in OURS]
        if ours:
            listener(ours)
        for message in messages:
            if message[1] not in OURS:
                self._dispatch(message)

    def _dispatch(self, message: bytes) -> None:
        """What os-ken does with a message: parse it, tell observers, call handlers."""
        version, kind, length, xid = wire.HEADER.unpack_from(message)
        parsed = ofproto_parser.msg(
            self, version, kind, length, xid, bytearray(message)
        )
        if not parsed:
            return
        event = ofp_event.ofp_msg_to_ev(parsed)
        self.ofp_brick.send_event_to_observers(event, self.state)
        for handle in list(self.ofp_brick.get_handlers(event)):
            if self.state in handle.callers[event.__class__].dispatchers:
                handle(event)


def use_channels() -> None:
    """Make os-ken serve each switch that connects from now on by a Channel."""
    cast(Any, controller).datapath_connection_factory = _serve


def _serve(socket: Socket, address: tuple[str, int]) -> None:
    with closing(Channel(socket, address)) as channel:
        channel.serve()
