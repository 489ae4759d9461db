"""Gives a scenario's detector what it reads, once a run is over, and the truth.

visits.jsonl      what the service wrote down: address, port, account
records.sqlite    what the exchange wrote down: connections across it
the plan          who really went through a tool: no test is ever shown that
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import select

from filterlab.attribution.detector import Crossing, Visit, detect, hairpins
from filterlab.lab.web import read_visits
from filterlab.records.book import Book
from filterlab.records.tables import FLOW
from filterlab.report.cell import Cell
from filterlab.report.detection import Detection
from filterlab.runner.plan import Plan
from filterlab.runner.serving import VISITS
from filterlab.scenario.detecting import account_of, watched

FILE_NAME = "detector.json"


def detections(
    plan: Plan,
    cells: Sequence[Cell],
    timeline: Sequence[Mapping[str, Any]],
    folder: Path,
    records: Path,
) -> list[Detection]:
    """What the detector makes of each phase in which an exchange kept records.

    Raises OSError where what it reads was never written.
    """
    detector = plan.scenario.detector
    assert detector is not None
    names = {phase.name for phase in watched(plan.scenario)}
    service = frozenset(plan.addresses(plan.node_of[detector.service]))
    crossings = list(_crossings(records))
    visits = _visits(plan, timeline, folder / VISITS)
    found = []
    for phase in (m["phase"] for m in timeline if m["phase"] in names):
        seen = visits[phase]
        found.append(
            Detection(
                phase,
                _addresses(seen),
                _truth(plan, [cell for cell in cells if cell.phase == phase], seen),
                detect(
                    seen, crossings, service, detector.registries_read, detector.terms
                ),
                tuple(hairpins(seen, crossings, service, detector.terms)),
                _untold(cell for cell in cells if cell.phase == phase),
            )
        )
    return found


def write_detections(found: Iterable[Detection], folder: Path) -> None:
    """Write what was found into the run's folder."""
    text = json.dumps([one.as_json() for one in found], indent=1, ensure_ascii=False)
    (folder / FILE_NAME).write_text(text + "\n")


def _visits(
    plan: Plan, timeline: Sequence[Mapping[str, Any]], log: Path
) -> dict[str, list[Visit]]:
    """The visits of each phase that say whose account they are about, in time."""
    at = {phase.name: phase.at_seconds for phase in plan.scenario.phases}
    found: dict[str, list[Visit]] = {moment["phase"]: [] for moment in timeline}
    for one in read_visits(log):
        account = parse_qs(urlsplit(one.uri).query).get("account")
        # Before the first phase come the controls.
        begun = [moment for moment in timeline if moment["began"] <= one.at]
        if account is None or not begun:
            continue
        began = begun[-1]
        passed = (one.at - began["began"]) * plan.scenario.clock
        found[began["phase"]].append(
            Visit(account[0], one.address, one.port, at[began["phase"]] + passed)
        )
    return found


def _crossings(records: Path) -> Iterator[Crossing]:
    wanted = (FLOW.c.internal_ip, FLOW.c.site_ip, FLOW.c.site_port)
    times = (FLOW.c.start_ms, FLOW.c.end_ms)
    with Book(records, create=False) as book:
        rows = book.ask(
            select(*wanted, *times, FLOW.c.bytes_up + FLOW.c.bytes_down).order_by(
                FLOW.c.start_ms
            )
        )
    for inside, outside, port, start_ms, end_ms, size in rows:
        yield Crossing(inside, outside, port or 0, start_ms / 1000, end_ms / 1000, size)


def _truth(plan: Plan, cells: Sequence[Cell], seen: Sequence[Visit]) -> frozenset[str]:
    """The accounts of those who got somewhere through a tool, by their own will."""
    planned = {one.name: one for one in plan.probes}
    hidden = {
        cell.client
        for cell in cells
        if planned[cell.probe].passage is not None
        and not cell.innocent
        and cell.reached
    }
    accounts = {
        account_of(one.probe) for one in plan.probes if one.probe.client in hidden
    }
    return frozenset(v.account for v in seen if v.account in accounts)


def _untold(cells: Iterable[Cell]) -> str | None:
    """Why nothing can be said of a phase: the lab failed at one of its visits."""
    for cell in cells:
        if cell.untellable:
            return f"{cell.probe}: {cell.outcome.why}"
    return None


def _addresses(seen: Iterable[Visit]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for one in sorted(seen, key=lambda visit: visit.account):
        found.setdefault(one.account, {})[one.address] = None
    return {account: tuple(addresses) for account, addresses in found.items()}
