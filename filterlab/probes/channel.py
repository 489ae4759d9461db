"""A connected stream socket whose every read and write ends by one deadline."""

from __future__ import annotations

import io
import socket
import time
from typing import Any


def seconds_until(deadline: float) -> float:
    """What is left until `deadline` (time.monotonic); TimeoutError if nothing is."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the step's time is over")
    return left


class Channel:
    """A stream socket, plain or TLS, and the moment by which its work must be done."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock = sock
        self.until = until

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.sock.settimeout(seconds_until(self.until))
        self.sock.sendall(data)

    def receive(self, most: int = 65_536) -> bytes:
        """Receive something; b"" at the end of the stream."""
        self.sock.settimeout(seconds_until(self.until))
        return self.sock.recv(most)

    def receive_exactly(self, count: int) -> bytes:
        """Receive `count` bytes; EOFError if the stream ends before."""
        data = b""
        while len(data) < count:
            more = self.receive(count - len(data))
            if not more:
                raise EOFError("the connection ended early")
            data += more
        return data

    def reader(self) -> io.BufferedReader:
        """The stream as a buffered file, under the same deadline."""
        return io.BufferedReader(_Raw(self), 65_536)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


class _Raw(io.RawIOBase):
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._channel.receive(len(buffer))
        buffer[: len(data)] = data
        return len(data)
