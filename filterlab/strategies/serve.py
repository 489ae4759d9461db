"""The process that applies a strategy to one host's packets: `serve.py ORDER`.

Runs inside the host's network namespace. The packets come out of an NFQUEUE; what a
strategy makes of one that leaves is sent with a packet socket, which changes nothing
of it (a raw IP socket would put length and checksum right again, raw(7)). It says
`ready 0` once it holds the queue; the rules that lead packets there come after that.
SIGHUP makes it begin anew, as if it had seen no packet, and say `ready 1`, `ready 2`.
"""

from __future__ import annotations

import heapq
import itertools
import json
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.strategies.named import manipulation
from filterlab.strategies.netlink import Queue, Queued
from filterlab.strategies.running import Manipulation, Outgoing

READY = "ready"
_LONGEST_SECONDS = 3600.0  # select() takes no more than fits in a time_t
_TYPES = {4: 0x0800, 6: 0x86DD}  # the Ethernet types of IPv4 and IPv6 (IANA)


class Wire:
    """The way out of the host: one interface, and the neighbour behind it."""

    def __init__(self, interface: str) -> None:
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_PACKET, kind, 0)
        self._interface = interface
        self._neighbour = _neighbour(interface)

    def send(self, data: bytes) -> None:
        """Put an IP packet on the wire as it is."""
        kind = _TYPES.get(data[0] >> 4, _TYPES[4])  # a tampered version is neither
        there = (self._interface, kind, 0, 0, self._neighbour)
        self._socket.sendto(data, there)


class Server:
    """One host's packets, and the strategy that they go through."""

    def __init__(
        self, queue: Queue, wire: Wire, made: Callable[[int], Manipulation]
    ) -> None:
        self._queue = queue
        self._wire = wire
        self._made = made
        self._applied = made(0)
        self._renewals = 0
        self._later: list[tuple[float, int, bytes]] = []
        self._numbers = itertools.count()

    def renew(self, *_: object) -> None:
        """Begin anew, and say so."""
        self._renewals += 1
        self._applied = self._made(self._renewals)
        self._later = []
        _say(f"{READY} {self._renewals}")

    def serve(self) -> None:
        """Go on until somebody ends this process."""
        while True:
            timeout = None
            if self._later:
                due = self._later[0][0] - time.monotonic()
                timeout = min(max(0.0, due), _LONGEST_SECONDS)
            readable, _, _ = select.select([self._queue], [], [], timeout)
            self._send_due()
            if readable:
                for queued in self._queue.receive():
                    self._handle(queued)

    def _handle(self, queued: Queued) -> None:
        if not queued.leaving:
            self._receive(queued)
            return
        packets = self._applied.outbound(queued.data)
        if packets == [Outgoing(queued.data)]:
            self._queue.accept(queued)
            return
        self._queue.drop(queued)
        for packet in packets:
            self._send(packet)

    def _receive(self, queued: Queued) -> None:
        data = self._applied.inbound(queued.data)
        if data is None:
            self._queue.drop(queued)
        else:
            self._queue.accept(queued, None if data == queued.data else data)

    def _send(self, packet: Outgoing) -> None:
        if not packet.delay_seconds:
            self._wire.send(packet.data)
            return
        due = time.monotonic() + packet.delay_seconds
        heapq.heappush(self._later, (due, next(self._numbers), packet.data))

    def _send_due(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            self._wire.send(heapq.heappop(self._later)[2])


def _neighbour(interface: str) -> bytes:
    """The MAC address of the router behind an interface, as the kernel knows it.

    The lab lets neighbours know each other from the start; proc_pid_net(5). Its router
    has one address of that kind, whatever IP goes there.
    """
    for line in Path("/proc/net/arp").read_text().splitlines()[1:]:
        words = line.split()
        if words[-1] == interface:
            return bytes.fromhex(words[3].replace(":", ""))
    raise OSError(f"nobody is known behind {interface}")


def main(order: dict[str, Any]) -> None:
    """Serve as the order says: queue, interface, strategy, seed."""

    def made(number: int) -> Manipulation:
        return manipulation(order["strategy"], order["seed"], number, _say)

    server = Server(Queue(order["queue"]), Wire(order["interface"]), made)
    signal.signal(signal.SIGHUP, server.renew)
    _say(f"{READY} 0")
    server.serve()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
