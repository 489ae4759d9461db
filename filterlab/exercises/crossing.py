"""Inside of a seal: fetches pages over a participant's relay, and reads its packets.

Real TLS on a real kernel's TCP, between two addresses of this seal; what went over the
wire is then read by the exercise's policy, as its exchange would have. The relay itself
runs in a cage. Started as `python -m filterlab.exercises.crossing FOLDER`, where
`order.json` is and `result.json` will be.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filterlab.captures import pcapng
from filterlab.captures.writing import write_capture
from filterlab.exercises import relay
from filterlab.lab.authority import Authority
from filterlab.lab.cage import Caged, Limits
from filterlab.lab.seal import prepare_seal
from filterlab.replay.story import Replay
from filterlab.scenario.policies import load_policy

# Of `topologies/single.py`: a subscriber, and a server.
CLIENT, SERVER = "100.64.1.2", "198.18.2.2"
PORT = 4433
PAGE = b"A page that has come whole.\n"
_PATIENCE_SECONDS = 3.0  # a page takes some milliseconds
_GONE_SECONDS = 1.0  # from a mistake to the end of the cage
_ETH_P_ALL, _OUTGOING = 0x0003, 4  # if_ether.h, packet(7)


def main() -> int:
    """Do what the order says."""
    folder = Path(sys.argv[1])
    order = json.loads((folder / "order.json").read_text())
    prepare_seal()
    _address()
    authority = Authority(Path("/run/filterlab/authority"))
    name = order["name"]
    files = {name: (folder / name).read_bytes()}
    argv = [sys.executable, "-m", relay.__name__, str(PORT), CLIENT, SERVER, name]
    caged = Caged(argv, files, Limits(**order["limits"]), network=True)
    assert caged.process.stdout is not None
    answer: dict[str, Any] = {"visits": []}
    if caged.process.stdout.readline() == b"ready\n":
        policy = folder / "policy.yaml"
        answer["visits"] = [_visit(site, authority, policy) for site in order["sites"]]
    if not answer["visits"] or _has_ended(caged, answer["visits"]):
        ended = caged.wait()
        answer["ended"] = [ended.status, ended.limit, ended.errors]
    else:
        caged.end()
    (folder / "result.json").write_text(json.dumps(answer))
    return 0


def _has_ended(caged: Caged, visits: list[dict[str, Any]]) -> bool:
    """Whether a page did not come because the relay is gone, or is about to go."""
    if not any(visit["failure"] for visit in visits):
        return False
    try:
        caged.process.wait(_GONE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _address() -> None:
    """Both ends live on the loopback, which carries packets as a wire does."""
    lines = [f"address add {one}/32 dev lo" for one in (CLIENT, SERVER)]
    lines.append("link set lo mtu 1500")
    text = "\n".join(lines)
    subprocess.run(["ip", "-batch", "-"], input=text, text=True, check=True)
    offloads = [word for kind in ("tso", "gso", "gro") for word in (kind, "off")]
    command = ["ethtool", "-K", "lo", *offloads]
    subprocess.run(command, check=True, capture_output=True)


def _visit(site: str, authority: Authority, policy: Path) -> dict[str, Any]:
    """One page, what came of it, and what the policy says of its packets."""
    with _listening() as frames, _serving(site, authority):
        failure = _fetch(site, str(authority.ca_file))
    if failure is None and not frames:
        raise RuntimeError("a page came, and no packet of it was seen")
    capture = Path("/run/filterlab/crossing.pcapng")
    write_capture(capture, "exchange-inside", frames)
    lines = [
        line.as_json() for line in Replay(load_policy(policy, policy.name), [capture])
    ]
    return {"site": site, "failure": failure, "lines": lines}


def _fetch(site: str, roots: str) -> str | None:
    """Why the page did not come, or None."""
    context = ssl.create_default_context(cafile=roots)
    try:
        link = socket.create_connection(("127.0.0.1", PORT), _PATIENCE_SECONDS)
        with link, context.wrap_socket(link, server_hostname=site) as secure:
            secure.sendall(b"GET / HTTP/1.1\r\n\r\n")
            got = b""
            while data := secure.recv(4096):
                got += data
    except TimeoutError:
        return "the server did not answer"
    except OSError as error:
        return f"the connection broke: {error.strerror or error}"
    return None if got == PAGE else "the page is not whole"


@contextmanager
def _serving(site: str, authority: Authority) -> Iterator[None]:
    """A server for one visit."""
    issued = authority.issue(site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.chain_file, issued.key_file)
    listening = socket.create_server((SERVER, relay.SERVER_PORT))
    listening.settimeout(_PATIENCE_SECONDS)

    def serve() -> None:
        try:
            link, _ = listening.accept()
            link.settimeout(_PATIENCE_SECONDS)
            with context.wrap_socket(link, server_side=True) as secure:
                secure.recv(4096)
                secure.sendall(PAGE)
        except OSError:
            return  # the client says what it met

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        listening.close()


@contextmanager
def _listening() -> Iterator[list[tuple[int, bytes, int]]]:
    """What goes over the wire between the two addresses, as a capture has it."""
    frames: list[tuple[int, bytes, int]] = []
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    wire.bind(("lo", 0))
    wire.settimeout(0.05)
    over = threading.Event()
    server = socket.inet_aton(SERVER)

    def listen() -> None:
        while True:
            try:
                data, about = wire.recvfrom(65_536)
            except TimeoutError:
                if over.is_set():
                    return
                continue
            # Addresses of IPv4 behind an Ethernet header (RFC 791, 3.1).
            source, target = struct.unpack_from("!4s4s", data.ljust(34, b"\0"), 26)
            if about[2] == _OUTGOING and server in (source, target):
                way = pcapng.OUTBOUND if source == server else pcapng.INBOUND
                frames.append((time.time_ns(), data, way))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield frames
    finally:
        over.set()
        thread.join()
        wire.close()


if __name__ == "__main__":
    sys.exit(main())
