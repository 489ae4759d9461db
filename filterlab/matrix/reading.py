"""Reads a played lab: what the cell of each of its tools says.

What a tool came to is judged as any probe is (`filterlab.probes.outcome`). Here are
added the words of the matrix, of which two need more: `slow` is a page that came, but
took more than twice its control's time, and which an exchange slowed down (without its
decision a slow page only says that the machine was busy); `exposed` is a server that
the prober has confirmed, whatever came of the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from filterlab.matrix.finding import CellId, Finding, Untooled, Word
from filterlab.report.cell import Attempt, Cell
from filterlab.report.result import Result

# Slower than half its control (design, section 5 of the matrix).
_TIMES_SLOWER = 2.0
_EXPOSED = "exposed"


def read(
    result: Result,
    scenario: str,
    policy: str,
    servers: Mapping[str, Sequence[str]],
    lags: Sequence[float],
) -> Iterator[Finding]:
    """One finding a tool; `servers` are the addresses of each tool's own hosts.

    `lags` are those after which everything was tried again, in seconds.
    """
    by_tool = {cell.through: cell for cell in result.cells}
    untooled = by_tool.pop(None, None)
    beside = tuple(tool for tool in by_tool if tool is not None)
    for tool, cell in by_tool.items():
        assert tool is not None
        found = _finding(result, cell, servers.get(tool, ()), lags)
        yield replace(
            found,
            cell=CellId(scenario, tool, policy),
            untooled=_untooled(untooled),
            beside=tuple(other for other in beside if other != tool),
            seconds=round(cell.typical.result.seconds, 3),
            control_seconds=round(cell.control.result.seconds, 3),
        )


def _untooled(cell: Cell | None) -> Untooled | None:
    if cell is None or cell.untellable:
        return None
    return Untooled(cell.outcome.outcome == "ok", cell.outcome.label)


def _finding(
    result: Result, cell: Cell, servers: Sequence[str], lags: Sequence[float]
) -> Finding:
    nowhere = CellId("", "", "")
    attempt, number = _telling(cell)
    outcome = attempt.outcome
    if result.faults:
        why = _printable(f"the lab failed: {result.faults[0].strip()}")
        return Finding(nowhere, Word.UNKNOWN, why=why)
    if cell.untellable:
        return Finding(
            nowhere, Word.UNKNOWN, why=_reason(cell), failure=outcome.failure
        )
    exposed = _exposed(result, servers)
    evidence = _evidence(result, exposed or list(outcome.decisions))
    if exposed:
        word, how = Word.EXPOSED, "the prober confirmed the server"
    elif outcome.blocking == "throttled":
        word, how = Word.SLOW, outcome.label
    elif outcome.outcome != "ok":
        word, how = Word.BLOCKED, outcome.label
    elif (times := _times_slower(attempt, cell.control)) and outcome.decisions:
        word, how = Word.SLOW, f"{times:.1f} times its control's time"
    else:
        return Finding(nowhere, Word.WORKS, how="works", why=outcome.why)
    return Finding(
        nowhere,
        word,
        how,
        _printable(outcome.why),
        outcome.failure,
        after_seconds=[0.0, *lags][-1 if exposed else number],
        **evidence,
    )


def _telling(cell: Cell) -> tuple[Attempt, int]:
    """The first attempt that came to something else than ok, and which it was."""
    for number, attempt in enumerate(cell.attempts):
        if attempt.outcome.outcome != "ok":
            return attempt, number
    return cell.attempts[0], 0


def _reason(cell: Cell) -> str:
    """Why nothing can be told: the control's own words come first."""
    told = next(a for a in cell.attempts if a.outcome.could_not_tell)
    if cell.control.outcome.reached:
        return told.outcome.why
    failed = cell.control.result.failed_step
    if failed is None:
        return cell.control.outcome.why
    said = str(failed.detail.get("traceback") or failed.detail.get("error") or "")
    first = said.strip().partition("\n")[0]
    failed_why = cell.control.outcome.why
    return _printable(f"before any policy: {first}") if first else failed_why


def _printable(text: str) -> str:
    """Without what a terminal or a reader of lines would stumble over.

    A finding may quote bytes from the wire.
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def _times_slower(attempt: Attempt, control: Attempt) -> float | None:
    """How many times its control's time the page took, if that is too many."""
    mine, usual = _under_way(attempt), _under_way(control)
    if not mine or not usual or mine <= usual * _TIMES_SLOWER:
        return None
    return mine / usual


def _under_way(attempt: Attempt) -> float:
    """The seconds from the probe's own start on; a tunnel's start is apart."""
    return sum(s.seconds for s in attempt.result.steps if s.name != "tunnel")


def _exposed(result: Result, servers: Sequence[str]) -> list[int]:
    """The decisions by which the prober has confirmed one of these servers."""
    return [
        index
        for index, line in enumerate(result.decisions)
        if str(line.get("verdict", "")).lower() == _EXPOSED
        and (line.get("flow") or {}).get("server") in servers
    ]


def _evidence(result: Result, decisions: Sequence[int]) -> dict[str, Any]:
    """Rule, capture and frame of the first of these decisions that has them."""
    for index in decisions:
        line = result.decisions[index]
        return {
            "rule": f'{line["source"]} "{line["rule"]}"',
            "capture": line.get("capture"),
            "frame": line.get("capture_frame"),
        }
    return {}
