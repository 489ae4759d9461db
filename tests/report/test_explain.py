"""`filterlab explain` on the folder of a finished run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from filterlab.report.explain import NoRun, explain
from tests.report.evening import DECISIONS, OK, RESET, cell, result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cells = (
        cell(OK),
        cell(RESET, phase="blocking", through="openvpn-udp"),
        cell(OK, probe="bank"),
    )
    result(tmp_path, phases=("open", "blocking"), cells=cells).write()
    lines = [json.dumps(decision) + "\n" for decision in DECISIONS]
    (tmp_path / "decisions.jsonl").write_text("".join(lines))
    return tmp_path


def test_what_did_not_get_through_is_explained(folder: Path) -> None:
    said = explain(folder)
    assert said.startswith("news during blocking: reset after hello\n")
    assert "minsk tried https://news.example/ through openvpn-udp" in said
    assert 'decided by a/by-2020.yaml:14 "list" at first (by-2020): reset' in said
    assert "tcp 100.64.0.2:40000 > 198.18.0.80:443" in said
    assert "finding  tls.sni = news.example" in said
    assert "seen     517 payload bytes" in said
    assert f"{folder / 'first-inside.pcapng'} frame 412" in said
    assert "bank" not in said


def test_one_probe_is_explained_in_every_phase(folder: Path) -> None:
    said = explain(folder, "news")
    assert "news during open: ok" in said
    assert "news during blocking" in said
    assert explain(folder, "bank").startswith("bank during open: ok")


def test_a_probe_that_is_not_there_names_those_that_are(folder: Path) -> None:
    with pytest.raises(NoRun, match=r"no probe 'nws'.* news"):
        explain(folder, "nws")


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(NoRun, match=r"holds no result\.json"):
        explain(tmp_path)


def test_all_well_is_said(tmp_path: Path) -> None:
    result(tmp_path).write()
    assert explain(tmp_path) == "Every probe got through, as in its control."
