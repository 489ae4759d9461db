"""The engine says of a batch what it says of each frame."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from filterlab.policy.effects import Log, Side
from filterlab.policy.engine import Engine
from filterlab.policy.rules import (
    Action,
    Drop,
    Match,
    Policy,
    Reset,
    Residual,
    Rule,
    StackModel,
    Texts,
    Throttle,
)
from filterlab.replay.feed import feed_of
from filterlab.replay.headers import ethernet_frame
from filterlab.replay.passage import Passage
from filterlab.replay.story import read
from tests.inspection.wire import Talk, hello, query, request
from tests.policy.boxes import SOURCE, names, networks
from tests.replay.captures import Timed, pcap

SNI = names("blocked.example", "*.blocked.example")
QUERY = names("blocked.example", field="dns.qry.name")
HOST = names("blocked.example", field="http.host")


def policy(*rules: Rule, **stack: object) -> Policy:
    return Policy("test", "Test", SOURCE, stack=StackModel(**stack), rules=rules)  # type: ignore[arg-type]


def rule(when: Match | None, then: Action, residual: Residual | None = None) -> Rule:
    name = when.field if when else "all"
    return Rule(name, SOURCE, when, then, residual)


def residual(key: str, mechanism: str = "drop") -> Residual:
    return Residual(key, 3.0, rearm=mechanism == "drop", mechanism=mechanism)  # type: ignore[arg-type]


POLICIES = {
    "null": policy(),
    "names": policy(rule(SNI, Reset()), rule(QUERY, Drop()), rule(HOST, Drop())),
    "everything": policy(rule(Match("protocol", Texts(("nothing",))), Drop())),
    "short memory": policy(rule(SNI, Drop()), idle_seconds=0.5, needs_syn=False),
    "small table": policy(rule(SNI, Drop()), max_flows=5, idle_seconds=1.0),
    "closed": policy(rule(SNI, Drop()), max_flows=3, when_full="closed"),
    "residual hosts": policy(rule(SNI, Drop(), residual("2-tuple"))),
    "residual server": policy(rule(QUERY, Drop(), residual("3-tuple"))),
    "residual resets": policy(rule(SNI, Reset(), residual("4-tuple", "reset"))),
    "addresses": policy(
        rule(networks("198.18.0.0/24"), Throttle(100)), rule(SNI, Drop())
    ),
}


@cache
def frames(seed: int) -> tuple[Timed, ...]:
    """A capture's frames, made once for all policies."""
    return tuple(_frames(seed))


def _frames(seed: int, count: int = 300) -> Iterator[Timed]:
    """Few talks that use their ports again, late, early, broken and doubled."""
    chosen = random.Random(seed)
    now = 0.0
    sayings = (hello(), hello(b"other.example"), request(), b"x", b"y" * 900, b"")
    talks: list[Talk] = []
    for _ in range(count):
        now += chosen.choice(
            (0.0, 0.001, 0.01, 0.3, 0.7 if chosen.random() < 0.1 else 0)
        )
        if len(talks) < 4 or chosen.random() < 0.05:
            six = chosen.random() < 0.3
            talk = Talk(chosen.randrange(40_000, 40_006), chosen.choice((443, 53)), six)
            talk.seq = chosen.randrange(2**32)
            talks = [*talks[-6:], talk]
            yield now, talk.syn()
            continue
        talk = chosen.choice(talks)
        frame = _said(chosen, talk, chosen.choice(sayings))
        yield now, _spoilt(chosen, frame)


def _said(chosen: random.Random, talk: Talk, data: bytes) -> bytes:
    match chosen.randrange(8):
        case 0:
            return talk.syn_ack()
        case 1:
            return talk.tcp(b"", chosen.choice(("F", "RA", "R", "FA")), talk.seq, 0)
        case 2:
            return talk.udp(query(chosen.choice(("blocked.example", "other.example"))))
        case 3:
            return talk.udp(b"answer", up=False)
        case 4 | 5:
            return talk.reply(data)
    return talk.send(data)


def _spoilt(chosen: random.Random, frame: bytes) -> bytes:
    if chosen.random() > 0.15:
        return frame
    match chosen.randrange(4):
        case 0:
            return frame[: chosen.randrange(len(frame))]
        case 1:
            tag = b"\x81\x00" + chosen.randbytes(2)
            return frame[:12] + tag * chosen.randrange(1, 4) + frame[12:]
        case 2:
            at = chosen.randrange(12, min(70, len(frame)))
            return frame[:at] + chosen.randbytes(1) + frame[at + 1 :]
        case _:
            return frame[:12] + chosen.randbytes(chosen.randrange(60))


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("seed", range(4))
def test_a_batch_is_decided_as_its_frames_are(
    name: str, seed: int, tmp_path: Path
) -> None:
    feed = feed_of([read(pcap(tmp_path / "some.pcap", frames(seed)))])
    slow, quick = _engine(name), _engine(name)
    size = (7, 64, 1000)[seed % 3]
    passage = Passage(feed, quick, batch_frames=size)
    found = [
        (given.row, effect.decision)
        for given in passage.run()
        for effect in given.effects
        if isinstance(effect, Log)
    ]
    wanted = []
    for row in range(len(feed.index)):
        frame, now = ethernet_frame(feed.index, row), float(feed.seconds[row])
        for effect in slow.receive(frame, now, Side.INSIDE):
            if isinstance(effect, Log):
                wanted.append((row, effect.decision))
        if row % size == size - 1 or row == len(feed.index) - 1:
            slow.expire(now)  # a full table depends on when it is cleared
    assert found == wanted
    assert quick.flow_count == slow.flow_count


def test_most_of_a_download_is_passed_over(tmp_path: Path) -> None:
    talk = Talk()
    said = [talk.syn(), talk.syn_ack(), talk.send(hello(b"other.example"))]
    said += [talk.reply(b"z" * 1000) for _ in range(100)]
    capture = pcap(tmp_path / "bulk.pcap", [(n / 1000, f) for n, f in enumerate(said)])
    passage = Passage(feed_of([read(capture)]), _engine("names"))
    assert [given.row for given in passage.run()] == [0, 2]
    assert passage.given == 3


def _engine(name: str) -> Engine:
    return Engine(POLICIES[name], random.Random(3).random)
