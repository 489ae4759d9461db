"""On which ports of a node something listens: asked of the kernel by sock_diag(7).

`/proc/PID/net/tcp` says the same, but the kernel walks its table of all connections
for it (3 ms each time on a machine with a large one), and readiness asks often. It is
the way out where the kernel has no sock_diag.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from pathlib import Path

from filterlab.lab.namespace import enter_network

_NETLINK_SOCK_DIAG = 4  # include/uapi/linux/netlink.h
_SOCK_DIAG_BY_FAMILY = 20  # include/uapi/linux/sock_diag.h
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
# include/net/tcp_states.h; an unconnected UDP socket is shown as closed.
_LISTENING = {"tcp": 10, "udp": 7}
_SOCKET_ID_BYTES = 48  # struct inet_diag_sockid, include/uapi/linux/inet_diag.h
_ANSWER_BYTES = 65536


def listening_ports(node_pid: int, protocol: str) -> set[int]:
    """Ports of that protocol ("tcp", "udp") on which something listens in a node."""
    try:
        channel = _channel(node_pid)
    except OSError:
        return _from_proc(node_pid, protocol)
    with channel:
        try:
            return _dump(channel, socket.AF_INET, protocol) | _dump(
                channel, socket.AF_INET6, protocol
            )
        except OSError:
            return _from_proc(node_pid, protocol)


def _channel(node_pid: int) -> socket.socket:
    """A netlink socket of the node's namespace; a socket stays in its namespace."""
    made: list[socket.socket | OSError] = []

    def make() -> None:
        try:
            if node_pid != os.getpid():
                enter_network(node_pid)
            kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
            made.append(socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG))
        except OSError as error:
            made.append(error)

    # Namespaces belong to threads: this one moves, and ends there.
    thread = threading.Thread(target=make, name="listeners")
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def _dump(channel: socket.socket, family: int, protocol: str) -> set[int]:
    states = 1 << _LISTENING[protocol]
    request = struct.pack("=4BI", family, _NUMBERS[protocol], 0, 0, states)
    request += bytes(_SOCKET_ID_BYTES)
    flags = _NLM_F_REQUEST | _NLM_F_DUMP
    header = struct.pack(
        "=IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, flags, family, 0
    )
    channel.send(header + request)
    ports: set[int] = set()
    while True:
        data = channel.recv(_ANSWER_BYTES)
        at = 0
        while at + 16 <= len(data):
            length, kind = struct.unpack_from("=IH", data, at)
            if kind == _NLMSG_DONE:
                return ports
            if kind == _NLMSG_ERROR:
                raise OSError(-struct.unpack_from("=i", data, at + 16)[0], "sock_diag")
            # struct inet_diag_msg: family, state, timer, retransmits, source port
            ports.add(struct.unpack_from("!H", data, at + 20)[0])
            at += (length + 3) & ~3


def _from_proc(node_pid: int, protocol: str) -> set[int]:
    ports = set()
    for table in (protocol, protocol + "6"):
        path = Path(f"/proc/{node_pid}/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            columns = line.split()
            if int(columns[3], 16) == _LISTENING[protocol]:
                ports.add(int(columns[1].rpartition(":")[2], 16))
    return ports
