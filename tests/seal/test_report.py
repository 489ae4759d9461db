"""What a real run leaves for readers: its report, and measurements in OONI's format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filterlab.pytest_plugin import Run
from filterlab.report.page import render
from filterlab.scenario.content import scenarios
from tests.report.ooni_format import faults

# Issue 6: of the default run.
MOST_BYTES = 2_000_000


@pytest.fixture
def folder(needs: Callable[..., None], filterlab_run: Callable[[Path], Run]) -> Path:
    """The folder of the default run."""
    needs("openvpn", "wireguard-go", "ss-server")
    return filterlab_run(scenarios()["belarus/2020-election-day"]).folder


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_attempt_is_in_oonis_format_field_by_field(folder: Path) -> None:
    told = lines(folder / "ooni.jsonl")
    result = json.loads((folder / "result.json").read_text())
    probes = {entry["name"] for entry in result["probes"]}
    assert len(told) == len(result["probes"]) + len(probes)  # a control of each
    wrong = {
        f"{line['annotations']['probe']} {line['annotations']['phase']}": found
        for line in told
        if (found := faults(line))
    }
    assert not wrong


def test_measurements_and_result_tell_the_same(folder: Path) -> None:
    told = {
        (line["annotations"]["probe"], line["annotations"]["phase"]): line
        for line in lines(folder / "ooni.jsonl")
    }
    result = json.loads((folder / "result.json").read_text())
    for entry in result["probes"]:
        line = told[entry["name"], entry["phase"]]
        assert line["test_keys"]["http_experiment_failure"] == entry["failure"]
        assert line["annotations"]["outcome"] == entry["outcome"]
    certificates = told["news", "open"]["test_keys"]["tls_handshakes"][0]
    assert certificates["peer_certificates"]


def test_the_report_is_there_small_and_can_be_made_again(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert len(page.encode()) <= MOST_BYTES
    assert render(folder) == page


def test_the_report_shows_each_decision_on_its_packet(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    result = json.loads((folder / "result.json").read_text())
    decisions = lines(folder / "decisions.jsonl")
    blocked = [e for e in result["probes"] if e["outcome"] != "ok" and e["decisions"]]
    assert blocked
    for entry in blocked:
        decision = decisions[entry["decisions"][0]]
        assert f"decided here: {decision['rule']}" in page
        side = decision["capture"].removesuffix(".pcapng").rpartition("-")[2]
        assert f"{side} {decision['capture_frame']:,}" in page
    assert "made here" in page
    assert "stops" in page
    assert "without a policy" in page  # a throughput curve
