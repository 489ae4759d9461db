"""Every recogniser on the first payloads of real programs: who says what of whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.inspection.catalogue import RECOGNISERS
from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.recogniser import (
    NEED_DATA,
    Direction,
    Finding,
    QuicReading,
    Reading,
)

_LINES = (Path(__file__).parent / "first_payloads.txt").read_text().splitlines()
_CASES = [line.split() for line in _LINES if not line.startswith("#")]


def _protocols(transport: int, payload: bytes) -> set[str]:
    """What the recognisers say of a flow that has sent this much."""
    found = set()
    for recogniser in RECOGNISERS.values():
        if transport not in recogniser.transports:
            continue
        subject = recogniser(transport, Reading(quic=QuicReading()))
        said = subject.feed(Direction.TO_SERVER, payload)
        if said is NEED_DATA:
            said = subject.conclude()
        if isinstance(said, Finding) and said.protocol:
            found.add(said.protocol)
    return found


@pytest.mark.parametrize(
    ("transport", "protocols", "payload"),
    [case[1:] for case in _CASES],
    ids=[f"{case[0]}-{case[1]}" for case in _CASES],
)
def test_true_and_false_positives(transport: str, protocols: str, payload: str) -> None:
    number = TCP if transport == "tcp" else UDP
    assert _protocols(number, bytes.fromhex(payload)) == set(protocols.split(","))


def test_the_wrapping_of_each_control_channel() -> None:
    for tool, transport, _, payload in _CASES:
        if not tool.startswith("openvpn"):
            continue
        subject = RECOGNISERS["openvpn"](TCP if transport == "tcp" else UDP, Reading())
        said = subject.feed(Direction.TO_SERVER, bytes.fromhex(payload))
        assert isinstance(said, Finding)
        wrapping = tool.removeprefix("openvpn").removeprefix("-") or "plain"
        assert said.fields["openvpn.wrapping"] == (wrapping,)
