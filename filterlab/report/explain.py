"""Explains a finished run from its folder: what each probe met, and who decided."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class NoRun(Exception):  # noqa: N818 - what it is, not an error of ours
    """The folder holds no finished run."""


def explain(folder: Path, probe: str | None = None) -> str:
    """Every cell that was not ok, or every cell of one probe, step by step.

    Raises NoRun where there is no `result.json`, or no such probe in it.
    """
    file = folder / "result.json"
    if not file.exists():
        raise NoRun(f"{folder} holds no result.json, so no finished run")
    result = json.loads(file.read_text())
    decisions = _decisions(folder)
    names = {entry["name"] for entry in result["probes"]}
    if probe is not None and probe not in names:
        raise NoRun(f"no probe '{probe}' in {folder}; there are: {', '.join(names)}")
    blocks = [
        "\n".join(_cell(folder, entry, decisions))
        for entry in result["probes"]
        if (entry["name"] == probe if probe else entry["outcome"] != "ok")
    ]
    return "\n\n".join(blocks) or "Every probe got through, as in its control."


def _decisions(folder: Path) -> list[dict[str, Any]]:
    file = folder / "decisions.jsonl"
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def _cell(
    folder: Path, entry: Mapping[str, Any], decisions: list[dict[str, Any]]
) -> Iterator[str]:
    through = f" through {entry['through']}" if entry["through"] else ""
    yield f"{entry['name']} during {entry['phase']}: {entry['label']}"
    yield f"  {entry['from']} tried {entry['target']}{through}; {entry['why']}"
    for step in entry["steps"]:
        took = f"{step['started']:.3f} s + {step['seconds']:.3f} s"
        yield f"  {step['name']:<10} {took:<20} {step['failure'] or 'ok'}"
    for index in entry["decisions"]:
        yield from _decision(folder, decisions[index])


def _decision(folder: Path, decision: Mapping[str, Any]) -> Iterator[str]:
    flow = decision["flow"]
    yield (
        f'  decided by {decision["source"]} "{decision["rule"]}"'
        f" at {decision['exchange']} ({decision['policy']}): {decision['action']}"
    )
    if flow is not None:
        yield (
            f"    flow     {flow['protocol']} {flow['client']}:{flow['client_port']}"
            f" > {flow['server']}:{flow['server_port']}"
        )
    for key, value in decision["finding"].items():
        yield f"    finding  {key} = {value}"
    yield f"    seen     {decision['bytes_seen']} payload bytes of the flow"
    if decision.get("capture_frame"):
        yield (
            f"    capture  {folder / decision['capture']}"
            f" frame {decision['capture_frame']}"
        )
