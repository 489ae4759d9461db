"""Residual blocking turned against others: packets in the name of somebody else.

Source: Bock et al., "Your Censor is My Censor" (WOOT 2021), Table I: two packets from
whoever can put another one's address on them cut that one off from a server, and as few
every now and then keep it so. The shipped censors are the targets.
"""

from __future__ import annotations

import pytest

from filterlab.policy.effects import DropFrame
from filterlab.policy.engine import Engine
from tests.inspection.wire import Talk, hello, request
from tests.policy.boxes import IN, opened
from tests.policy.censors import acts_on, engine_of, up


def _spoof(engine: Engine, talk: Talk, asks: bytes, now: float) -> None:
    """What an attacker says in the victim's name; the answers go to the victim."""
    up(engine, [talk.syn(), talk.send(asks)], now)


def _is_cut_off(engine: Engine, talk: Talk, now: float) -> bool:
    """Whether the victim, who asks for nothing listed, gets through."""
    said = engine.receive(talk.syn(), now, IN)
    return DropFrame() in said


@pytest.mark.parametrize(
    ("censor", "asks", "seconds"),
    [
        ("kz-2020-http-sni-nullroute", request(), 120.0),
        ("kz-2020-http-sni-nullroute", hello(), 120.0),
        ("ir-http-sni", hello(), 180.0),
    ],
)
def test_two_packets_cut_a_port_off_and_one_keeps_it_so(
    censor: str, asks: bytes, seconds: float
) -> None:
    """By 4-tuple: an attacker sends so much for each of the victim's ports."""
    engine = engine_of(censor)
    _spoof(engine, Talk(port=40_001), asks, 0.0)
    assert _is_cut_off(engine, Talk(port=40_001), seconds - 10)
    assert not _is_cut_off(engine, Talk(port=40_002), seconds - 10)
    # Armed again by any packet, the victim's own as well: it never ends.
    for times in range(1, 5):
        assert _is_cut_off(engine, Talk(port=40_001), times * (seconds - 10))
    assert not _is_cut_off(engine, Talk(port=40_001), 6 * seconds)


def test_four_packets_in_three_minutes_cut_all_ports_off() -> None:
    """China, by 3-tuple, 90 s and not armed again: two packets each 90 s."""
    engine = engine_of("cn-http-keyword", *[0.1] * 8)
    for begins in (0.0, 91.0):
        keyword = request("a.example", "/?q=ultrasurf")
        _spoof(engine, Talk(int(50_000 + begins), 80), keyword, begins)
        victim = Talk(port=int(40_000 + begins), server_port=80)
        assert not acts_on(opened(engine, victim, begins + 60))
        assert acts_on(up(engine, [victim.send(b"GET / HTTP/1.1\r\n")], begins + 60))
