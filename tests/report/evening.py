"""Cells, checks and results as a run would make them, for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from filterlab.probes.outcome import Outcome
from filterlab.probes.result import Endpoint, ProbeResult, Step
from filterlab.report.cell import Attempt, Cell
from filterlab.report.expectations import Check
from filterlab.report.result import Result

OK = Outcome("ok", "ok", "as in its control", reached=True)
RESET = Outcome(
    "tls",
    "reset after hello",
    'tls failed with connection_reset: rule "list" (a/by-2020.yaml:14)',
    failure="connection_reset",
    blocking="tls",
    rule="a/by-2020.yaml:14",
    decisions=(0,),
)
SLOW = Outcome(
    "throttled",
    "142 of 9,300 kbit/s",
    "it came at less than half the control's rate",
    reached=True,
    blocking="throttled",
    rule="a/slow.yaml:9",
    decisions=(1,),
)
DOWN = Outcome("down", "server down", "the server has died", failure="eof_error")
UNKNOWN = Outcome("unknown", "could not tell", "nothing explains it")
RULES = {"a/by-2020.yaml:14": "list", "a/slow.yaml:9": "abroad"}
DECISIONS: list[dict[str, Any]] = [
    {
        "verdict": "block",
        "rule": "list",
        "source": "a/by-2020.yaml:14",
        "action": "reset",
        "exchange": "first",
        "policy": "by-2020",
        "finding": {"tls.sni": "news.example"},
        "flow": {
            "protocol": "tcp",
            "client": "100.64.0.2",
            "client_port": 40_000,
            "server": "198.18.0.80",
            "server_port": 443,
        },
        "bytes_seen": 517,
        "capture": "first-inside.pcapng",
        "capture_frame": 412,
    },
    {
        "verdict": "throttle",
        "rule": "abroad",
        "source": "a/slow.yaml:9",
        "action": "throttle",
        "exchange": "first",
        "policy": "slow",
        "finding": {},
        "flow": None,
        "bytes_seen": 0,
    },
]


def attempt(outcome: Outcome, kbit_s: float | None = None) -> Attempt:
    """A try that came to this."""
    step = Step("tls", outcome.failure, 0.012, 0.034)
    result = ProbeResult(
        steps=(Step("tcp", None, 0.002, 0.01), step),
        failure=outcome.failure,
        reached=outcome.reached,
        seconds=0.05,
        kbit_s=kbit_s,
        endpoints=(Endpoint("tcp", "100.64.0.2", 40_000, "198.18.0.80", 443),),
    )
    return Attempt(result, outcome, RULES.get(outcome.rule or ""))


def cell(*attempts: Outcome | Attempt, **changes: Any) -> Cell:
    """One probe in one phase, with tries that came to these."""
    made = Cell(
        probe="news",
        client="minsk",
        target="https://news.example/",
        through=None,
        phase="open",
        innocent=False,
        attempts=tuple(a if isinstance(a, Attempt) else attempt(a) for a in attempts),
        control=attempt(OK),
    )
    return replace(made, **changes)


def check(met: bool | None, text: str = "news comes to ok during open") -> Check:
    """An expectation, met or not."""
    return Check(text, "election.yaml:30", "news", "open", met, "because it is so")


def result(folder: Path, **changes: Any) -> Result:
    """A finished run of one probe in one phase."""
    made = Result(
        scenario="scenarios/election.yaml",
        title="An election",
        seed=7,
        rootless=True,
        seconds={"up": 0.8, "control": 0.3, "run": 2.0, "down": 0.1},
        phases=("open",),
        cells=(cell(OK),),
        checks=(check(True),),
        decisions=tuple(DECISIONS),
        faults=(),
        folder=folder,
        evidence=("result.json", "2 captures"),
    )
    return replace(made, **changes)
