"""A download at a steady rate: `serve ADDRESS`, and `fetch ADDRESS` at its other end.

The server is slower than anything between them, so that no queue ever overflows: a
frame that is missing was lost by somebody.
"""

from __future__ import annotations

import hashlib
import socket
import sys

PORT = 8080
SO_MAX_PACING_RATE = 47  # include/uapi/asm-generic/socket.h
BYTES_A_SECOND = 2_000_000
BYTES = 4_000_000


def content() -> bytes:
    block = b"".join(number.to_bytes(4, "big") for number in range(10_000))
    return block * (BYTES // len(block))


def serve(address: str) -> None:
    with socket.create_server((address, PORT), family=family(address)) as server:
        server.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, BYTES_A_SECOND)
        print("serving", flush=True)
        connection, _ = server.accept()
        with connection:
            connection.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, BYTES_A_SECOND)
            connection.sendall(content())


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def fetch(address: str) -> None:
    got = hashlib.sha256()
    with socket.create_connection((address, PORT)) as connection:
        begun = False
        while data := connection.recv(65_536):
            got.update(data)
            if not begun:
                print("begun", flush=True)
                begun = True
    print(got.hexdigest() == hashlib.sha256(content()).hexdigest(), flush=True)


if __name__ == "__main__":
    {"serve": serve, "fetch": fetch}[sys.argv[1]](sys.argv[2])
