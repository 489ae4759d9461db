"""The exchange's process, with a switch in Python at the other end of its socket."""

from __future__ import annotations

import json
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.clock import wait_for
from filterlab.openflow import wire
from filterlab.policy.rules import Drop, Policy, Position, Rule, Shutdown, Source
from tests.openflow.fake_switch import FakeSwitch
from tests.openflow.frames import INSIDE, OUTSIDE, to_server

APPLICATION = Path(__file__).parents[2] / "controllers" / "exchange.py"
SOURCE = Source("policy.yaml", 1)
DPID = 7
HELLO, FEATURES_REQUEST, FEATURES_REPLY = 0, 5, 6  # ofp_type (A.1)
PATIENCE_SECONDS = 20.0


class Process:
    """A running controller, and the switch that is connected to it."""

    def __init__(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self.folder = folder
        self.decisions = folder / "decisions.jsonl"
        self.switch = FakeSwitch()
        self._rest = b""
        self.child = subprocess.Popen(
            [sys.executable, "-m", "filterlab.openflow.launch", self._config()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        found = wait_for("the controller", self._connected, PATIENCE_SECONDS)
        assert found is not None
        self.socket = found
        self.socket.settimeout(PATIENCE_SECONDS)

    def _config(self) -> str:
        sides = {INSIDE: "inside", OUTSIDE: "outside"}
        ports = [
            {"number": n, "side": side, "mac": f"02:00:00:00:00:0{n}"}
            for n, side in sides.items()
        ]
        config = {
            "app": str(APPLICATION),
            "listen_port": self.port,
            "decisions": str(self.decisions),
            "seed": 7,
            "exchanges": [{"name": "ntec", "dpid": f"{DPID:016x}", "ports": ports}],
        }
        path = self.folder / "config.json"
        path.write_text(json.dumps(config))
        return str(path)

    def _connected(self) -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", self.port))
        except ConnectionRefusedError:
            return None

    def greet(self, dpid: int = DPID) -> None:
        """The handshake of a switch without ports of its own."""
        self.socket.sendall(wire.HEADER.pack(wire.VERSION, HELLO, 8, 1))
        self._until(FEATURES_REQUEST)
        features = dpid.to_bytes(8) + struct.pack("!IBB2xII", 0, 254, 0, 0, 0)
        head = wire.HEADER.pack(wire.VERSION, FEATURES_REPLY, 8 + len(features), 2)
        self.socket.sendall(head + features)
        self._until(wire.MULTIPART_REQUEST)
        body = struct.pack("!HH4x", 13, 0)  # OFPMP_PORT_DESC (7.3.5.7)
        head = wire.HEADER.pack(wire.VERSION, wire.MULTIPART_REPLY, 16, 3)
        self.socket.sendall(head + body)

    def _until(self, kind: int) -> None:
        while self._message()[1] != kind:
            pass

    def obey(self, kind: int) -> None:
        """Apply what comes, up to and with a message of this kind."""
        while True:
            message = self._message()
            self.switch.apply(message)
            for reply in self.switch.replies:
                self.socket.sendall(reply)
            self.switch.replies.clear()
            if message[1] == kind:
                return

    def _message(self) -> bytes:
        while True:
            messages, rest = wire.split_messages(self._rest)
            if messages:
                self._rest = b"".join(messages[1:]) + rest
                return messages[0]
            piece = self.socket.recv(65536)
            assert piece, "the controller hung up"
            self._rest += piece

    def line(self) -> dict[str, Any]:
        assert self.child.stdout is not None
        said: dict[str, Any] = json.loads(self.child.stdout.readline())
        return said

    def put(self, policy: Policy) -> None:
        path = self.folder / "policy.pickle"
        path.write_bytes(pickle.dumps(policy))
        request = {"id": 5, "do": "policy", "exchange": "ntec", "policy": str(path)}
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps(request) + "\n")
        self.child.stdin.flush()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    started = Process(tmp_path)
    yield started
    started.socket.close()
    started.child.kill()
    started.child.wait()
    for pipe in (started.child.stdin, started.child.stdout):
        assert pipe is not None
        pipe.close()


def test_a_switch_connects_a_policy_comes_and_a_frame_is_decided(
    process: Process,
) -> None:
    process.greet()
    process.obey(wire.BARRIER_REQUEST)
    assert process.line() == {"event": "ready", "exchange": "ntec"}
    assert process.switch.where(to_server(), INSIDE).ports == [OUTSIDE]
    rule = Rule("shutdown", SOURCE, None, Shutdown())
    process.put(Policy("p", "p", SOURCE, rules=(rule,)))
    process.obey(wire.BARRIER_REQUEST)
    answer = process.line()
    assert (answer["id"], answer["done"]) == (5, True)
    assert 0 < answer["since"] <= time.time()
    for message in process.switch.packet_ins(to_server(flags="S"), INSIDE):
        process.socket.sendall(message)
    process.obey(wire.FLOW_MOD)
    wait_for("a decision", process.decisions.read_text, PATIENCE_SECONDS)
    decision = json.loads(process.decisions.read_text())
    assert (decision["exchange"], decision["action"]) == ("ntec", "shutdown")


def test_it_ends_cleanly_when_told_to(process: Process) -> None:
    process.child.send_signal(signal.SIGTERM)
    assert process.child.wait(PATIENCE_SECONDS) == 0


def test_a_switch_that_nobody_named_is_a_fault(process: Process) -> None:
    process.greet(dpid=99)
    said = process.line()
    assert said["event"] == "fault"
    assert "no exchange has the datapath id 0000000000000063" in said["text"]
    assert process.child.wait(PATIENCE_SECONDS) == 70


def test_a_policy_that_cannot_be_carried_out_is_a_fault(process: Process) -> None:
    process.greet()
    process.obey(wire.BARRIER_REQUEST)
    process.line()
    rule = Rule("drop", SOURCE, None, Drop())
    process.put(Policy("p", "p", SOURCE, Position.ON_PATH, rules=(rule,)))
    said = process.line()
    assert said["event"] == "fault"
    assert "policy.yaml:1: rule 'drop'" in said["text"]
    assert process.child.wait(PATIENCE_SECONDS) == 70


def test_a_packet_in_that_makes_no_sense_is_a_fault(process: Process) -> None:
    process.greet()
    process.obey(wire.BARRIER_REQUEST)
    process.line()
    head = wire.HEADER.pack(wire.VERSION, wire.PACKET_IN, 40, 0)
    process.socket.sendall(head + bytes(32))
    assert process.line()["event"] == "fault"
    assert process.child.wait(PATIENCE_SECONDS) == 70
