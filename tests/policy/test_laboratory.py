"""Geneva's twelve laboratory censors: what evades which.

What each row expects was read from the censors' own code (Geneva's repository, folder
censors): which flags they know, and which of a packet's numbers they compare.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from filterlab.policy.effects import DropFrame, Inject
from filterlab.policy.engine import Engine
from filterlab.scenario import content
from filterlab.scenario.policies import load_policy
from tests.inspection.wire import Talk
from tests.policy.boxes import IN, OUT, injected, opened

CENSORS = ("1", "2", "3", "4", "5", "6", "7", "8", "8b", "9", "10", "11")
ENGINES = {
    name: load_policy(content.policies()[f"censor{name}"], f"censor{name}.yaml")
    for name in CENSORS
}
REQUEST = b"GET /?q=ultrasurf HTTP/1.1\r\nHost: example.com\r\n\r\n"
WRONG = 7777  # far from where the stream is, and within no window of it

Before = Callable[[Talk], list[bytes]]


def _flags(flags: str, off: int = 0, **more: int) -> Before:
    """One bare segment before the request."""
    return lambda talk: [talk.tcp(b"", flags, talk.seq - off, talk.ack, **more)]


def _junk(**more: int) -> Before:
    """Data in sequence that the server never gets."""
    return lambda talk: [talk.tcp(b"x" * 50, "PA", talk.seq, talk.ack, **more)]


def _other_ports(talk: Talk) -> list[bytes]:
    other = Talk(port=talk.port + 1)
    return [other.tcp(b"", "R", 1, 0)]


def _nothing(talk: Talk) -> list[bytes]:
    return []


STRATEGIES: dict[str, tuple[Before, str]] = {
    "the request alone": (_nothing, ""),
    "RST in sequence": (_flags("R"), "6 7 8 8b 10 11"),
    "RST out of sequence": (_flags("R", WRONG), "6 7"),
    "RST+ACK in sequence": (_flags("RA"), "6 7 8b 11"),
    "FIN in sequence": (_flags("F"), "6 7 8 10 11"),
    "FIN+ACK in sequence": (_flags("FA"), "11"),
    "RST between other ports": (_other_ports, "6"),
    "RST with a wrong checksum": (_flags("R", chksum=1), "6 7 8 8b"),
    "RST with a data offset of 4": (_flags("R", dataofs=4), "6 7 8 10"),
    "data with a wrong checksum": (_junk(chksum=1), "1 2 3 4 5 8b 9"),
    "data that does not arrive": (_junk(), "1 2 3 4 5 8b 9 10 11"),
    "ACK out of sequence": (_flags("A", WRONG), "4 11"),
    "second SYN": (_flags("S", WRONG), "1 2 3 4 5 8b 10 11"),
}


def _acts(engine: Engine, talk: Talk, before: Before, pieces: list[bytes]) -> bool:
    opened(engine, talk)
    frames = [talk.tcp(b"", "A", talk.seq, talk.ack), *before(talk)]
    frames += [talk.send(piece) for piece in pieces]
    said = [effect for frame in frames for effect in engine.receive(frame, 1.0, IN)]
    return any(isinstance(effect, DropFrame | Inject) for effect in said)


def _engine(name: str) -> Engine:
    return Engine(ENGINES[name], lambda: 0.5)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", CENSORS)
def test_what_evades_which(name: str, strategy: str) -> None:
    before, evades = STRATEGIES[strategy]
    acts = _acts(_engine(name), Talk(server_port=80), before, [REQUEST])
    assert acts is (name not in evades.split())


@pytest.mark.parametrize("name", CENSORS)
def test_no_censor_puts_segments_together(name: str) -> None:
    halves = [REQUEST[:12], REQUEST[12:]]
    assert not _acts(_engine(name), Talk(server_port=80), _nothing, halves)


def test_the_sixth_censor_stays_blind() -> None:
    """Its tcb is None from the first RST on; nothing sets it again (censor6.py)."""
    engine = _engine("6")
    later = [Talk(port=port, server_port=80) for port in (7, 8)]
    _acts(engine, Talk(), _flags("RA", WRONG), [])
    assert not _acts(engine, later[0], _nothing, [REQUEST])
    # Whom it has seen to before, it goes on seeing to.
    engine = _engine("6")
    _acts(engine, later[0], _nothing, [REQUEST])
    _acts(engine, Talk(), _flags("R"), [])
    assert _acts(engine, later[1], _nothing, [REQUEST])


@pytest.mark.parametrize("name", ["1", "4", "6", "7", "8", "9"])
def test_dropping_censors_cut_the_address_off(name: str) -> None:
    engine = _engine(name)
    _acts(engine, Talk(server_port=80), _nothing, [REQUEST])
    assert DropFrame() in engine.receive(Talk(9, 443).syn(), 60.0, IN)
    assert DropFrame() not in engine.receive(Talk(9).syn_ack(), 60.0, OUT)


@pytest.mark.parametrize(
    ("name", "sides"),
    [("2", [IN] * 5), ("5", [OUT] * 5), ("3", [IN] * 5 + [OUT] * 5)]
    + [(name, [IN] * 5 + [OUT] * 5) for name in ("8b", "10", "11")],
)
def test_whom_the_resets_go_to(name: str, sides: list[object]) -> None:
    engine, talk = _engine(name), Talk(server_port=80)
    opened(engine, talk)
    said = injected(engine.receive(talk.send(REQUEST), 1.0, IN))
    assert [side for side, _ in said] == sides
    assert {packet.flags for _, packet in said} == {0x04}


@pytest.mark.parametrize("name", ["8b", "10", "11"])
def test_flagged_hosts_are_reset_at_once(name: str) -> None:
    engine = _engine(name)
    _acts(engine, Talk(server_port=80), _nothing, [REQUEST])
    later = Talk(port=9)
    opened(engine, later, 5.0)
    assert len(injected(engine.receive(later.send(b"x"), 5.0, IN))) == 10
