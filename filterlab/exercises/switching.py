"""Inside of a seal: lets a participant's controller decide at a real exchange.

The smallest network with a real switch; the controller runs in a cage and has nothing
but its connection to the switch. Then real connections are tried across it. Started as
`python -m filterlab.exercises.switching FOLDER`, as `crossing` is.
"""

from __future__ import annotations

import json
import os
import queue
import select
import socket
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from filterlab.lab.cage import Caged, Limits
from filterlab.lab.clock import NotInTime, wait_for
from filterlab.lab.listeners import listening_ports
from filterlab.lab.namespace import enter_network
from filterlab.lab.network import Network
from filterlab.lab.seal import prepare_seal
from filterlab.runner.controller import CONTROLLER_PORT
from filterlab.runner.topologies import lay_out

_ENDED, _SILENT = "ended", "silent"
EXCHANGE, INSIDE, OUTSIDE = "exchange", "boris", "shop"
# A controller is there within a second on an idle machine.
_READY_SECONDS = 30.0
# What is to arrive may take its time on a busy machine; what is not has had as much as
# all of that, and a little more.
_ARRIVES_SECONDS, _GRACE_SECONDS = 5.0, 0.3
_AGAIN_SECONDS = 0.1
_TRIES = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def main() -> int:
    """Do what the order says."""
    folder = Path(sys.argv[1])
    order = json.loads((folder / "order.json").read_text())
    prepare_seal()
    limits = Limits(**order["limits"])
    name = order["name"]
    hosts = {INSIDE: "inside", OUTSIDE: "outside"}
    network = Network(
        lay_out("single", {}, hosts), Path("/run/filterlab/network"), CONTROLLER_PORT
    )
    argv = [sys.executable, "-m", "filterlab.openflow.launch", "--app", name]
    argv += ["--port", str(CONTROLLER_PORT)]
    argv += ["--exchange", f"{EXCHANGE}={network.dpid(EXCHANGE)}"]
    files = {name: (folder / name).read_bytes()}
    caged = Caged(argv, files, limits, network=True)
    network.up()
    said = _greeted(network, caged)
    tries: list[dict[str, Any]] = []
    if said is None:
        tries = _try_all(network, order["tries"])
    fault = None if said in (_ENDED, _SILENT) else said
    answer: dict[str, Any] = {"tries": tries, "fault": fault}
    if caged.process.poll() is None:
        caged.end()
    ended = caged.wait() if said == _ENDED else None
    if ended is not None:
        answer["ended"] = [ended.status, ended.limit, ended.errors]
    network.down()
    (folder / "result.json").write_text(json.dumps(answer))
    return 0


def _greeted(network: Network, caged: Caged) -> str | None:
    """Let the switch call its controller, once somebody is there to answer.

    A switch that has called in vain waits for a second before it calls again.
    """

    def there() -> bool:
        ports = listening_ports(os.getpid(), "tcp")
        return CONTROLLER_PORT in ports or caged.process.poll() is not None

    try:
        wait_for("the controller's port", there, _READY_SECONDS)
    except NotInTime:
        return _SILENT
    network.connect_controllers()
    return _said(caged)


def _said(caged: Caged) -> str | None:
    """None when the switch obeys the controller; else what it said instead."""
    lines: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        assert caged.process.stdout is not None
        for line in caged.process.stdout:
            lines.put(line)
        lines.put(b"")

    threading.Thread(target=read, daemon=True).start()
    until = time.monotonic() + _READY_SECONDS
    while True:
        try:
            line = lines.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return _SILENT
        if not line:
            return _ENDED
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a print of theirs
        if isinstance(event, dict) and event.get("event") == "fault":
            return str(event.get("text", ""))
        if isinstance(event, dict) and event.get("event") == "ready":
            return None


def _try_all(network: Network, tries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every try at once; each with whether it got through."""
    ready = threading.Barrier(2)
    server = threading.Thread(
        target=_serve, args=(network.node(OUTSIDE).pid, tries, ready), daemon=True
    )
    server.start()
    ready.wait()
    links: list[socket.socket] = []
    opening = threading.Thread(target=_open, args=(network, tries, links))
    opening.start()
    opening.join()
    _wait(dict(zip(links, tries, strict=True)))
    return tries


def _open(
    network: Network, tries: list[dict[str, Any]], to: list[socket.socket]
) -> None:
    """Begin every try; a socket stays in the network where it was made."""
    enter_network(network.node(INSIDE).pid)
    for one in tries:
        address = network.node(OUTSIDE).addresses[0 if one["ip"] == 4 else 1]
        link = socket.socket(_family(one), _TRIES[one["by"]])
        link.setblocking(False)
        link.connect_ex((address, one["port"]))
        one["through"] = False
        to.append(link)


def _wait(left: dict[socket.socket, dict[str, Any]]) -> None:
    """Note what gets through, until what should is, and a little longer."""
    until = time.monotonic() + _ARRIVES_SECONDS
    _ask(link for link, one in left.items() if one["by"] == "udp")
    while left and (now := time.monotonic()) < until:
        if not any(one["want"] for one in left.values()):
            until = min(until, now + _GRACE_SECONDS)
        asked = [link for link, one in left.items() if one["by"] == "udp"]
        opened = [link for link in left if link not in asked]
        pause = min(until - now, _AGAIN_SECONDS)
        heard, writable, _ = select.select(asked, opened, [], pause)
        if not heard and not writable:
            # TCP sends again what is lost on a way that was just made; so do we.
            _ask(asked)
        for link in (*heard, *writable):
            failed = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            left.pop(link)["through"] = failed == 0


def _ask(links: Iterable[socket.socket]) -> None:
    for link in links:
        with suppress(OSError):  # a refusal can be read, and is, in the next round
            link.send(b"?")


def _family(one: dict[str, Any]) -> socket.AddressFamily:
    return socket.AF_INET if one["ip"] == 4 else socket.AF_INET6


def _serve(pid: int, tries: list[dict[str, Any]], ready: threading.Barrier) -> None:
    """Listen on every port that is tried; say what is said to it, over UDP."""
    enter_network(pid)
    kept = []
    for one in tries:
        listening = socket.socket(_family(one), _TRIES[one["by"]])
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if one["ip"] == 6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(("", one["port"]))
        if one["by"] == "tcp":
            listening.listen()
        else:
            threading.Thread(target=_echo, args=(listening,), daemon=True).start()
        kept.append(listening)
    ready.wait()
    threading.Event().wait()


def _echo(listening: socket.socket) -> None:
    while True:
        data, who = listening.recvfrom(100)
        listening.sendto(data, who)


if __name__ == "__main__":
    sys.exit(main())
