"""A decoy against boxes that look at a flow's first datagram only."""

from __future__ import annotations

from random import Random

import pytest

from filterlab.policy.effects import Effect, Log
from filterlab.policy.verdict import Verdict
from filterlab.strategies.decoys import QuicDecoy
from tests.inspection.recognisers.test_quic import crypto, initial
from tests.inspection.wire import Talk, hello_message, server_name
from tests.policy.censors import engine_of, up

NAME = hello_message(server_name(b"blocked.example"))
FIRST = initial(crypto(0, NAME).ljust(1162, b"\0"))
ETHERNET_BYTES = 14
# In China: not overloaded at this hour, and one block of the two kinds.
BOXES = {"cn-quic-sni-2024": (0.99, 0.1), "ru-2023-quic-sni": ()}


def stops(said: list[Effect]) -> bool:
    logged = [effect.decision for effect in said if isinstance(effect, Log)]
    return any(decision.verdict is Verdict.BLOCK for decision in logged)


@pytest.mark.parametrize("box", BOXES)
def test_a_decoy_is_all_that_a_box_reads(box: str) -> None:
    talk = Talk(port=50_000)
    frame = talk.udp(FIRST)
    assert stops(up(engine_of(box, *BOXES[box]), [frame]))
    head, packet = frame[:ETHERNET_BYTES], frame[ETHERNET_BYTES:]
    sent = [head + one.data for one in QuicDecoy(Random(1)).outbound(packet)]
    assert len(sent) == 2
    assert not stops(up(engine_of(box, *BOXES[box]), sent))
