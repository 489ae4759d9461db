"""Packets from the kernel's NFQUEUE and verdicts back, over a netlink socket.

The kernel's own interface, so nothing has to be installed or compiled. Sources:
include/uapi/linux/netfilter/nfnetlink_queue.h, nfnetlink.h and netlink.h.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

_NETLINK_NETFILTER = 12
_SOL_NETLINK, _NO_ENOBUFS = 270, 5
_QUEUE_SUBSYSTEM = 3 << 8
_PACKET, _VERDICT, _CONFIG = (_QUEUE_SUBSYSTEM | kind for kind in (0, 1, 2))
_NLMSG_ERROR = 2
_REQUEST, _ACK = 1, 4
_HEADER = Struct("=LHHLL")  # netlink's own numbers are the machine's, attributes' not
_NFGEN = Struct("!BBH")
_ATTRIBUTE = Struct("=HH")
_ATTRIBUTE_KIND = 0x3FFF  # without the flags for nesting and byte order
_CFG_CMD, _CFG_PARAMS, _CFG_MAXLEN = 1, 2, 3
_BIND = Struct("!BxH")
_PARAMS = Struct("!LB")
_COPY_PACKET, _WHOLE = 2, 0xFFFF
_PACKET_HDR, _VERDICT_HDR, _PAYLOAD = 1, 2, 10
_QUEUED = Struct("!LHB")  # number, protocol, hook
_DECIDED = Struct("!LL")
_DROP, _ACCEPT = 0, 1
_LOCAL_IN, _LOCAL_OUT = 1, 3
# A window of 64 KiB in segments of the smallest MSS fits, and so do several.
_LONGEST_QUEUE = 4096
_RECEIVED_BYTES = 1 << 17  # the largest packet with its attributes fits twice


@dataclass(frozen=True, slots=True)
class Queued:
    """A packet that waits for a verdict."""

    number: int
    data: bytes
    leaving: bool


class Queue:
    """One queue of this network namespace; the packets of rules that name it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER
        )
        self.socket.bind((0, 0))
        # A packet that does not fit is dropped; the socket need not fail as well.
        self.socket.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)
        self._configure(_CFG_CMD, _BIND.pack(1, socket.AF_INET))
        self._configure(_CFG_PARAMS, _PARAMS.pack(_WHOLE, _COPY_PACKET))
        self._configure(_CFG_MAXLEN, _LONGEST_QUEUE.to_bytes(4, "big"))

    def fileno(self) -> int:
        """What to wait on."""
        return self.socket.fileno()

    def receive(self) -> list[Queued]:
        """The packets that came by now; waits for one if none did."""
        data = self.socket.recv(_RECEIVED_BYTES)
        return [
            queued
            for kind, body in _messages(data)
            if kind == _PACKET and (queued := _queued(body)) is not None
        ]

    def accept(self, queued: Queued, data: bytes | None = None) -> None:
        """Let a packet go on, with other bytes if some are given."""
        payload = b"" if data is None else _attribute(_PAYLOAD, data)
        self._decide(queued, _ACCEPT, payload)

    def drop(self, queued: Queued) -> None:
        """Let a packet vanish."""
        self._decide(queued, _DROP, b"")

    def _decide(self, queued: Queued, verdict: int, more: bytes) -> None:
        decided = _attribute(_VERDICT_HDR, _DECIDED.pack(verdict, queued.number))
        self.socket.send(_message(_VERDICT, _REQUEST, self._number, decided + more))

    def _configure(self, kind: int, value: bytes) -> None:
        attribute = _attribute(kind, value)
        self.socket.send(_message(_CONFIG, _REQUEST | _ACK, self._number, attribute))
        for answer, body in _messages(self.socket.recv(_RECEIVED_BYTES)):
            if answer != _NLMSG_ERROR:
                continue
            failure = -int.from_bytes(body[:4], "little", signed=True)
            if failure:
                name = errno.errorcode.get(failure, str(failure))
                raise OSError(failure, f"NFQUEUE: {os.strerror(failure)} ({name})")


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        yield kind, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _queued(body: bytes) -> Queued | None:
    found: dict[int, bytes] = {}
    at = _NFGEN.size
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _ATTRIBUTE_KIND] = body[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    if _PACKET_HDR not in found or _PAYLOAD not in found:
        return None
    number, _, hook = _QUEUED.unpack_from(found[_PACKET_HDR])
    return Queued(number, found[_PAYLOAD], hook == _LOCAL_OUT)


def _attribute(kind: int, value: bytes) -> bytes:
    head = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind)
    return head + value + bytes(-len(value) % 4)


def _message(kind: int, flags: int, queue: int, attributes: bytes) -> bytes:
    body = _NFGEN.pack(socket.AF_UNSPEC, 0, queue) + attributes
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body
