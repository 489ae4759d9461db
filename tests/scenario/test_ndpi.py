"""nDPI as a recogniser: its word on flows that it knows, and on one it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filterlab.policy.effects import Effect, Log, Side
from filterlab.policy.engine import Engine
from filterlab.scenario import ndpi
from filterlab.scenario.policies import load_policy
from filterlab.scenario.problem import BadInput
from tests.inspection.wire import Talk, hello

POLICY = """
title: What a signature set of others says
recognisers:
  ndpi: {ndpi: yes, packets: 4}
rules:
  - {name: theirs, when: {protocol: "ndpi.*"}, then: drop}
"""
has_ndpi = pytest.mark.skipif(
    ndpi.library() is None and os.environ.get("FILTERLAB_REQUIRE") != "seal",
    reason=f"there is no nDPI: apt-get install libndpi{ndpi.VERSION}",
)


def found(folder: Path, *payloads: bytes) -> list[str]:
    file = folder / "theirs.yaml"
    file.write_text(POLICY)
    engine, talk = Engine(load_policy(file), lambda: 0.5), Talk()
    said: list[Effect] = engine.receive(talk.syn(), 0, Side.INSIDE)
    for payload in payloads:
        said += engine.receive(talk.send(payload), 1, Side.INSIDE)
    return [e.decision.finding["protocol"] for e in said if isinstance(e, Log)]


@has_ndpi
def test_it_knows_ssh_by_its_first_line(tmp_path: Path) -> None:
    assert found(tmp_path, b"SSH-2.0-OpenSSH_9.2p1\r\n", b"x" * 40) == ["ndpi.ssh"]


@has_ndpi
def test_it_knows_tls(tmp_path: Path) -> None:
    [protocol] = found(tmp_path, hello(), *[b"\x17\x03\x03\x00\x05hello"] * 4)
    assert protocol.startswith("ndpi.tls")


@has_ndpi
def test_it_does_not_know_random_bytes(tmp_path: Path) -> None:
    payload = bytes((n * 167 + 13) % 251 for n in range(300))
    assert found(tmp_path, *[payload] * 5) == []


@pytest.mark.skipif(ndpi.library() is not None, reason="nDPI is here")
def test_without_it_a_policy_says_what_brings_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"libndpi{ndpi.VERSION}"):
        found(tmp_path)
