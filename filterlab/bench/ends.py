"""The two ends of the connection benchmarks, run inside the client and the server.

serve                one byte to everybody who has said something
measure ADDRESS      prints {"per_second", "latencies"} as JSON
hold ADDRESS COUNT   opens and holds connections until standard input closes
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import ssl
import sys
import time
from contextlib import suppress

PORT = 443
AT_ONCE = 64
RATE_CONNECTIONS = 4_000
LATENCY_CONNECTIONS = 500


def client_hello(name: str) -> bytes:
    """The first flight of a TLS client that wants to see this name."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def all_files() -> None:
    """Let this process hold as many connections as the system lets it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        if await reader.read(4096):
            writer.write(b"!")
            await writer.drain()
            await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve() -> None:
    """Answer until ended."""
    server = await asyncio.start_server(_answer, "0.0.0.0", PORT, backlog=4096)
    await server.serve_forever()


async def _connect(address: str, hello: bytes) -> float:
    started = time.monotonic()
    reader, writer = await asyncio.open_connection(address, PORT)
    writer.write(hello)
    await reader.readexactly(1)
    seconds = time.monotonic() - started
    writer.transport.abort()
    return seconds


async def measure(address: str) -> None:
    """Rate first, latency second."""
    hello = client_hello("allowed.example")
    waiting = iter(range(RATE_CONNECTIONS))

    async def worker() -> None:
        for _ in waiting:
            await _connect(address, hello)

    started = time.monotonic()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    per_second = RATE_CONNECTIONS / (time.monotonic() - started)
    latencies = [await _connect(address, hello) for _ in range(LATENCY_CONNECTIONS)]
    print(json.dumps({"per_second": per_second, "latencies": latencies}))


def hold(address: str, count: int) -> None:
    """Hold connections that have said too little of a ClientHello to be decided."""
    start = client_hello("undecided.example")[:16]
    held = []
    for _ in range(count):
        connection = socket.create_connection((address, PORT))
        connection.sendall(start)
        held.append(connection)
    print("held", flush=True)
    sys.stdin.read()


def main() -> None:
    """Do what the first argument says."""
    all_files()
    match sys.argv[1:]:
        case ["serve"]:
            asyncio.run(serve())
        case ["measure", address]:
            asyncio.run(measure(address))
        case ["hold", address, count]:
            hold(address, int(count))


if __name__ == "__main__":
    main()
