"""Each attempt of a probe in OONI's data format: one JSON object a line, `ooni.jsonl`.

Formats: github.com/ooni/spec, data-formats/df-000-base (the measurement), df-001-httpt,
df-002-dnst, df-005-tcpconnect, df-006-tlshandshake, df-007-errors, df-008-netevents;
the other keys are those of ts-017 (web connectivity). A key that would claim a place on
the Internet has the value which the format gives to the undisclosed, and annotations
say that this is a laboratory's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filterlab.probes.result import ProbeResult
from filterlab.report.cell import Attempt, Cell
from filterlab.report.ooni_steps import Story
from filterlab.report.result import Result

MEASUREMENTS = "ooni.jsonl"
FORMAT = "0.2.0"  # df-000-base
# Names and versions of the data formats, as their pages give them.
EXTENSIONS = dict.fromkeys(
    ("dnst", "httpt", "netevents", "tcpconnect", "tlshandshake"), 0
)
_TIME = "%Y-%m-%d %H:%M:%S"  # df-000-base
# ts-017 knows neither a handshake cut short nor a rate: the first is a failure of
# HTTP there, the second no blocking.
_BLOCKING: dict[str, str | bool | None] = {
    "ok": False,
    "throttled": False,
    "dns": "dns",
    "tcp_ip": "tcp_ip",
    "tls": "http-failure",
    "http-failure": "http-failure",
    "http-diff": "http-diff",
    "down": None,
    "unknown": None,
}


def write_measurements(result: Result, folder: Path) -> None:
    """Write `ooni.jsonl`: of each probe its control, then every attempt."""
    with (folder / MEASUREMENTS).open("w") as file:
        for line in measurements(result):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def measurements(result: Result) -> Iterator[dict[str, Any]]:
    """Every attempt of a run, each probe's control before its first."""
    told = set()
    for cell in result.cells:
        if cell.probe not in told:
            told.add(cell.probe)
            yield _measurement(result, cell, cell.control, "control (no policy)", 1)
        for number, attempt in enumerate(cell.attempts, start=1):
            yield _measurement(result, cell, attempt, cell.phase, number)


def _measurement(
    result: Result, cell: Cell, attempt: Attempt, phase: str, number: int
) -> dict[str, Any]:
    """One measurement: df-000-base."""
    found = attempt.result
    began = datetime.fromtimestamp(found.began or 0.0, UTC).strftime(_TIME)
    story = Story(found, cell.target)
    return {
        "annotations": _annotations(result, cell, attempt, phase, number),
        "data_format_version": FORMAT,
        "extensions": EXTENSIONS,
        "input": cell.target,
        "measurement_start_time": began,
        "options": [],
        "probe_asn": "AS0",
        "probe_cc": "ZZ",
        "probe_ip": "127.0.0.1",
        "probe_network_name": "",
        "report_id": "",
        "resolver_asn": "AS0",
        "resolver_ip": story.resolver_ip,
        "resolver_network_name": "",
        "software_name": "filterlab",
        "software_version": version("filterlab"),
        "test_helpers": {},
        "test_keys": _test_keys(cell, attempt, story),
        "test_name": "web_connectivity" if story.requests() else "filterlab_probe",
        "test_runtime": found.seconds,
        "test_start_time": began,
        "test_version": version("filterlab"),
    }


def _annotations(
    result: Result, cell: Cell, attempt: Attempt, phase: str, number: int
) -> dict[str, str]:
    """What the format has no key for; a map of strings."""
    policies: Mapping[str, str] = next(
        (one["policies"] for one in result.timeline if one["phase"] == phase), {}
    )
    said = {
        "laboratory": "FilterLab: namespaces of one machine, no real network",
        "scenario": result.scenario,
        "seed": str(result.seed),
        "phase": phase,
        "policies": ", ".join(f"{name}: {one}" for name, one in policies.items()),
        "probe": cell.probe,
        "attempt": str(number),
        "from": cell.client,
        "outcome": attempt.outcome.outcome,
        "label": attempt.outcome.label,
        "why": attempt.outcome.why,
    }
    more = {
        "tool": cell.through,
        "strategy": cell.strategy,
        "rule": attempt.decided_by,
        "kbit_s": None if attempt.result.kbit_s is None else str(attempt.result.kbit_s),
    }
    return said | {name: value for name, value in more.items() if value is not None}


def _test_keys(cell: Cell, attempt: Attempt, story: Story) -> dict[str, Any]:
    """The keys of ts-017 that a lab without a test helper can tell."""
    found, control = attempt.result, cell.control.result
    is_control = attempt is cell.control
    blocking = _BLOCKING[attempt.outcome.outcome]
    return {
        "agent": "agent",  # redirects are not followed
        "socksproxy": story.socks_proxy,
        "client_resolver": story.resolver_ip,
        "queries": story.queries(),
        "tcp_connect": story.tcp_connect(),
        "tls_handshakes": story.tls_handshakes(),
        "requests": story.requests(),
        "network_events": story.network_events(),
        "dns_experiment_failure": story.failure_of("dns"),
        "http_experiment_failure": found.failure,
        "control_failure": control.failure,
        "dns_consistency": None if is_control else _consistency(found, control),
        "body_proportion": _proportion(found, control),
        "body_length_match": _alike(found.body_bytes, control.body_bytes),
        "status_code_match": _same(found.status, control.status),
        "title_match": _same(found.title, control.title),
        "headers_match": None,  # they are not kept
        "blocking": blocking,
        "accessible": None if blocking is None else attempt.outcome.reached,
        "x_filterlab": {
            "title": found.title,
            "body_bytes": found.body_bytes,
            "body_sha256": found.body_sha256,
            "kbit_s": found.kbit_s,
        },
    }


def _consistency(found: ProbeResult, control: ProbeResult) -> str | None:
    if not found.answers or not control.answers:
        return None
    same = set(found.answers) & set(control.answers)
    return "consistent" if same else "inconsistent"


def _proportion(found: ProbeResult, control: ProbeResult) -> float | None:
    sizes = sorted((found.body_bytes, control.body_bytes))
    return sizes[0] / sizes[1] if sizes[0] else None


def _alike(size: int, control: int) -> bool | None:
    """The ratio of ts-017, step 5."""
    return min(size, control) / max(size, control) > 0.7 if size and control else None


def _same(found: Any, control: Any) -> bool | None:
    return None if found is None or control is None else bool(found == control)
