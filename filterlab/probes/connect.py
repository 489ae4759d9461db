"""Opens a TCP connection to a target: straight, out of one device, or by a proxy.

Straight, IPv4 is tried first; IPv6 joins in if IPv4 fails, or is silent for half of
the step's time (the manner of RFC 8305, with a longer delay: a lab's answer must not
depend on how busy its machine is).
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Sequence
from ipaddress import ip_address

from filterlab.probes.channel import Channel, seconds_until
from filterlab.probes.failure import ProxyError
from filterlab.probes.request import Device, Family, HttpProxy, Socks, Via
from filterlab.probes.trace import OpenStep, Trace

# The longest answer to CONNECT that makes sense.
_MOST_PROXY_HEAD_BYTES = 16_384
# RFC 1928: version, CONNECT, address types, reply fields.
_SOCKS_VERSION = 5
_NO_AUTHENTICATION = 0
_CONNECT = 1
_ADDRESS_BYTES = {1: 4, 4: 16}
_NAME = 3


def is_address(host: str) -> bool:
    """Whether `host` is an IP address rather than a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def family_of(address: str) -> socket.AddressFamily:
    """The socket family of an address."""
    version = ip_address(address).version
    return socket.AF_INET if version == 4 else socket.AF_INET6


def in_order(addresses: Sequence[str], family: Family) -> list[str]:
    """The addresses worth trying: of the wanted family, IPv4 first."""
    wanted = [a for a in addresses if family in ("any", str(ip_address(a).version))]
    return sorted(wanted, key=lambda address: ip_address(address).version)


def new_socket(address: str, kind: socket.SocketKind, via: Via | None) -> socket.socket:
    """A socket for `address`, bound to the device of `via` if it is one."""
    sock = socket.socket(family_of(address), kind)
    if isinstance(via, Device):
        name = via.interface.encode()
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
        except OSError:
            sock.close()
            raise
    return sock


def open_tcp(
    addresses: Sequence[str], port: int, via: Via | None, step: OpenStep, trace: Trace
) -> Channel:
    """Connect to the first of `addresses` that answers; the first one's error if none.

    `step.detail` gets the address connected to, and each failed attempt's error.
    """
    race = _Race(port, via, step, trace)
    try:
        return race.run(list(addresses))
    finally:
        race.close()


class _Race:
    """Connection attempts to one port, each begun later than the one before it."""

    def __init__(
        self, port: int, via: Via | None, step: OpenStep, trace: Trace
    ) -> None:
        self._port = port
        self._via = via
        self._step = step
        self._trace = trace
        self._under_way: dict[int, tuple[str, socket.socket]] = {}
        self._errors: dict[str, str] = {}
        self._first_error: OSError | None = None
        self._first_address: str | None = None

    def run(self, addresses: list[str]) -> Channel:
        if not addresses:
            raise OSError(errno.EADDRNOTAVAIL, "no address of the wanted family")
        self._first_address = addresses[0]
        share = seconds_until(self._step.until) / 2
        while True:
            if addresses:
                self._begin(addresses.pop(0))
            join_at = time.monotonic() + share
            winner = self._wait(join_at if addresses else self._step.until)
            if winner is not None:
                return winner
            if not addresses and not self._under_way and self._first_error:
                raise self._first_error
            share /= 2

    def _begin(self, address: str) -> None:
        try:
            sock = new_socket(address, socket.SOCK_STREAM, self._via)
        except OSError as error:
            self._fail(address, error)
            return
        sock.setblocking(False)
        self._under_way[sock.fileno()] = (address, sock)
        code = sock.connect_ex((address, self._port))
        if code not in (0, errno.EINPROGRESS):
            del self._under_way[sock.fileno()]
            sock.close()
            self._fail(address, OSError(code, os.strerror(code)))
            return
        # Noted before the handshake is over: its packets are what is decided on.
        source = sock.getsockname()
        self._trace.note("tcp", source[0], source[1], address, self._port)

    def _fail(self, address: str, error: OSError) -> None:
        self._errors[address] = str(error)
        self._first_error = self._first_error or error
        self._step.detail["attempts"] = self._errors

    def _wait(self, until: float) -> Channel | None:
        """The connection that was made; None once all failed, or `until` is over."""
        while self._under_way:
            left = until - time.monotonic()
            if left <= 0:
                if until >= self._step.until:
                    raise self._verdict()
                return None
            poll = select.poll()
            for number in self._under_way:
                poll.register(number, select.POLLOUT)
            for number, _ in poll.poll(left * 1000):
                address, sock = self._under_way.pop(number)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == 0:
                    self._step.detail["address"] = address
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    return Channel(sock, self._step.until)
                sock.close()
                self._fail(address, OSError(code, os.strerror(code)))
        return None

    def _verdict(self) -> OSError:
        """The first address speaks for all: its error, or its silence."""
        silent = {address for address, _ in self._under_way.values()}
        if self._first_error is None or self._first_address in silent:
            return TimeoutError("no answer")
        return self._first_error

    def close(self) -> None:
        for _, sock in self._under_way.values():
            sock.close()


def open_by_proxy(
    proxy: Socks | HttpProxy, host: str, port: int, step: OpenStep, trace: Trace
) -> Channel:
    """Connect to the proxy, and have it connect to `host`, whose name it resolves."""
    address = "127.0.0.1" if proxy.host == "localhost" else proxy.host
    channel = open_tcp([address], proxy.port, None, step, trace)
    step.detail["connected"] = True  # from here on, the proxy's own work is tried
    try:
        if isinstance(proxy, Socks):
            _ask_socks(channel, host, port)
        else:
            _ask_http_proxy(channel, host, port)
    except BaseException:
        channel.close()
        raise
    return channel


def _ask_socks(channel: Channel, host: str, port: int) -> None:
    channel.send(bytes([_SOCKS_VERSION, 1, _NO_AUTHENTICATION]))
    if channel.receive_exactly(2) != bytes([_SOCKS_VERSION, _NO_AUTHENTICATION]):
        raise ProxyError(0, "the SOCKS proxy wants authentication")
    channel.send(
        bytes([_SOCKS_VERSION, _CONNECT, 0])
        + _socks_address(host)
        + port.to_bytes(2, "big")
    )
    _, reply, _, kind = channel.receive_exactly(4)
    if reply != 0:
        raise ProxyError(reply, f"SOCKS reply {reply}")
    length = _ADDRESS_BYTES.get(kind) or channel.receive_exactly(1)[0]
    channel.receive_exactly(length + 2)  # the address it bound; nobody needs it


def _socks_address(host: str) -> bytes:
    if is_address(host):
        packed = ip_address(host).packed
        return bytes([1 if len(packed) == 4 else 4]) + packed
    name = host.encode("idna")
    return bytes([_NAME, len(name)]) + name


def _ask_http_proxy(channel: Channel, host: str, port: int) -> None:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    channel.send(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        # One byte at a time: what follows the head belongs to the tunnel.
        head += channel.receive_exactly(1)
        if len(head) > _MOST_PROXY_HEAD_BYTES:
            raise ProxyError(0, "the proxy's answer has no end")
    words = head.split(None, 2)
    if len(words) < 2 or not words[1].startswith(b"2"):
        line = head.splitlines()[0].decode("latin-1")
        raise ProxyError(0, f"the proxy answered {line!r}")
