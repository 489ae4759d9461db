"""Inside of the cage: carries a client's bytes to a server, as a participant says.

Started as `python -m filterlab.exercises.relay PORT FROM TO FILE`. The first message of
the client's TLS goes out as the pieces that FILE's function `pieces` makes of it, each
sent on its own; all the rest goes through as it is. One line on standard output when it
listens. A mistake in `pieces` ends it, with a traceback.
"""

from __future__ import annotations

import os
import runpy
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

_RECORD_HEAD = 5  # type, version, length (RFC 8446, 5.1)
_READ_BYTES = 65_536
SERVER_PORT = 443


def main() -> int:
    """Carry until ended."""
    port, ours, theirs, file = sys.argv[1:]
    told = os.dup(1)
    os.dup2(2, 1)
    pieces = runpy.run_path(file).get("pieces")
    if not callable(pieces):
        print(f"NameError: {file} has no function 'pieces'", file=sys.stderr)
        return 1
    with socket.create_server(("127.0.0.1", int(port))) as listening:
        os.write(told, b"ready\n")
        while True:
            client, _ = listening.accept()
            server = socket.create_connection((theirs, SERVER_PORT), None, (ours, 0))
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _send_hello(pieces, client, server)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=_carry, args=ends, daemon=True).start()


def _send_hello(
    pieces: Callable[[bytes], Any], client: socket.socket, server: socket.socket
) -> None:
    try:
        made = [bytes(piece) for piece in pieces(_hello(client))]
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    for piece in made:
        server.sendall(piece)


def _hello(client: socket.socket) -> bytes:
    """The client's first record, whole."""
    data = b""
    while len(data) < _RECORD_HEAD or len(data) < _RECORD_HEAD + _length(data):
        more = client.recv(_READ_BYTES)
        if not more:
            break
        data += more
    return data


def _length(data: bytes) -> int:
    return int.from_bytes(data[3:_RECORD_HEAD], "big")


def _carry(source: socket.socket, to: socket.socket) -> None:
    try:
        while data := source.recv(_READ_BYTES):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        to.close()  # whoever hung up has nothing more to say


if __name__ == "__main__":
    sys.exit(main())
