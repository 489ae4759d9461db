"""The policies and captures that the replay benchmark measures with can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.bench import replay
from filterlab.bench.traffic import Traffic, write_pcap
from filterlab.inspection.flow import TCP, UDP
from filterlab.policy.ready import reading_plan
from filterlab.replay.story import Replay
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
