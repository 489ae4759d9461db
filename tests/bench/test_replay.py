"""The policies and captures that the replay benchmark measures with can be used."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterlab.bench import replay
from filterlab.bench.traffic import Traffic, write_pcap
from filterlab.inspection.flow import TCP, UDP
from filterlab.policy.engine import Engine
from filterlab.policy.ready import reading_plan
from filterlab.replay.feed import feed_of
from filterlab.replay.passage import Passage
from filterlab.replay.story import Replay, Teller, read
from filterlab.scenario.policies import load_policy


def test_what_is_measured_can_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "FRAMES", 400)
    monkeypatch.setattr(replay, "FLOWS", 30)
    monkeypatch.setattr(replay, "BULK_FLOWS", 4)
    names = {"10 names": 10, "1,000,000 names": 50}
    monkeypatch.setattr(replay, "NAMES", names)
    monkeypatch.setattr(replay, "HALF_OPEN", 20)
    replay.prepare(tmp_path)
    found = replay.measure(tmp_path)
    assert {key for key, *_ in replay.FIGURES} <= found.keys()
    assert (found["half-open flows"], found["half-open left"]) == (20, 0)
    plans = [
        reading_plan(load_policy(tmp_path / "every recogniser.yaml"), transport)
        for transport in (TCP, UDP)
    ]
    assert all(plan is not None and len(plan.recognisers) > 10 for plan in plans)


def test_the_mix_holds_what_it_says(tmp_path: Path) -> None:
    write_pcap(tmp_path / "mix.pcap", Traffic(200, 4_000).mixed())
    (tmp_path / "p.yaml").write_text(
        "title: T\nrules:\n  - {when: {protocol: [tls, dns, http, quic]}, then: drop}\n"
    )
    again = Replay(load_policy(tmp_path / "p.yaml"), [tmp_path / "mix.pcap"])
    protocols = {told.finding.get("protocol") for told in again}
    assert {"tls", "dns", "http", "quic"} <= protocols


def _disturbed(frames: list[bytes], seed: int) -> Iterator[bytes]:
    """Some frames lost, sent twice, late, torn or broken on the way."""
    chosen, late = random.Random(seed), b""
    for frame in frames:
        match chosen.randrange(60):
            case 0:
                continue
            case 1:
                yield frame
            case 2:
                late, frame = frame, late
            case 3:
                at = chosen.randrange(14, len(frame))
                frame = frame[:at] + chosen.randbytes(1) + frame[at + 1 :]
            case 4:
                frame = frame[: chosen.randrange(14, len(frame))]
        if frame:
            yield frame


@pytest.mark.parametrize("seed", range(2))
def test_what_is_read_ahead_says_what_it_says_in_its_turn(
    seed: int, tmp_path: Path
) -> None:
    frames = list(_disturbed(Traffic(30, 600, seed).mixed(), seed))
    write_pcap(tmp_path / "some.pcap", frames)
    asked_for = "".join(f"        - {{{k}: {v}}}\n" for k, v in replay.asked())
    text = "title: T\nstack: {quic: {}}\nrules:\n  - then: drop\n    when:\n"
    (tmp_path / "p.yaml").write_text(f"{text}      any:\n{asked_for}")
    policy = load_policy(tmp_path / "p.yaml")
    feed = feed_of([read(tmp_path / "some.pcap")])
    told = []
    for batch_frames in (1, 65_536):  # alone in its batch, no frame is read ahead
        passage = Passage(feed, Engine(policy, lambda: 0.5), (), batch_frames)
        lines = [told.as_json() for told in Teller(["some.pcap"], passage).tell()]
        told.append(sorted(map(repr, lines)))
        assert passage.given
    assert told[0] == told[1]
