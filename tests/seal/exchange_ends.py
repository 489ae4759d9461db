"""Both ends of the connections that the exchange's sealed tests send through it.

serve                HTTP on 80, an answer to any ClientHello on 443, DNS on 53
http HOST BYTES      ask for a page; prints what came of it as JSON
tls NAME             send a ClientHello
dns NAME             ask for an address
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rrset

SERVER = "198.18.1.2"
GENUINE = "198.18.1.9"
PATIENCE_SECONDS = 3.0


def serve() -> None:
    for port in (80, 443):
        listener = socket.create_server(("0.0.0.0", port), backlog=512)
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()
    asked = socket.socket(type=socket.SOCK_DGRAM)
    asked.bind(("0.0.0.0", 53))
    print("serving", flush=True)
    while True:
        wire, client = asked.recvfrom(2048)
        question = dns.message.from_wire(wire)
        answer = dns.message.make_response(question)
        name = question.question[0].name
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", GENUINE))
        asked.sendto(answer.to_wire(), client)


def _accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    with connection:
        try:
            request = connection.recv(65536)
            if not request.startswith(b"GET /"):
                connection.sendall(b"hello")
                return
            size = int(request.split(b" ", 2)[1].strip(b"/"))
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
            )
        except ConnectionError:
            return  # what the exchange is there for


def ask_http(host: str, size: str) -> dict[str, Any]:
    request = f"GET /{size} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    started = time.monotonic()
    outcome = _exchange_bytes(80, request.encode())
    return outcome | {"seconds": time.monotonic() - started}


def ask_tls(name: str) -> dict[str, Any]:
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    session = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):  # the ClientHello is written
        session.do_handshake()
    return _exchange_bytes(443, outgoing.read())


def _exchange_bytes(port: int, request: bytes) -> dict[str, Any]:
    got = b""
    try:
        with socket.create_connection((SERVER, port), PATIENCE_SECONDS) as connection:
            connection.sendall(request)
            while piece := connection.recv(65536):
                got += piece
    except ConnectionResetError:
        return {"outcome": "reset", "bytes": len(got)}
    except TimeoutError:
        return {"outcome": "timeout", "bytes": len(got)}
    first = got.split(b"\r\n")[0].decode(errors="replace")
    return {"outcome": "answered", "bytes": len(got), "first": first}


def ask_dns(name: str) -> dict[str, Any]:
    answer = dns.query.udp(dns.message.make_query(name, "A"), SERVER, PATIENCE_SECONDS)
    return {"answers": [str(item) for rrset in answer.answer for item in rrset]}


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "serve":
        serve()
    asks: dict[str, Callable[..., dict[str, Any]]] = {
        "http": ask_http,
        "tls": ask_tls,
        "dns": ask_dns,
    }
    print(json.dumps(asks[what](*words)))
