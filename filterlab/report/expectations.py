"""Holds what a scenario expects against what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from filterlab.report.cell import Cell
from filterlab.report.certificates import Shown
from filterlab.scenario.schema import HELLOS, SEEN, Expectation, Scenario

NOT_RUN = "the probe was not run: the lab failed before"


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation in one phase, and whether it was met; None: could not tell."""

    text: str
    source: str
    probe: str
    phase: str
    met: bool | None
    why: str

    def as_json(self) -> dict[str, Any]:
        """The check as one entry of `result.json`'s expectations."""
        return {
            "text": self.text,
            "source": self.source,
            "probe": self.probe,
            "phase": self.phase,
            "met": self.met,
            "why": self.why,
        }


def sentence(expectation: Expectation, phase: str) -> str:
    """The expectation in one phase, as a test report reads it."""
    return expectation.model_copy(update={"during": (phase,)}).text


def expected(scenario: Scenario) -> list[tuple[str, str]]:
    """Text and place of each check that a run will make, in the run's order."""
    return [
        (sentence(expectation, phase.name), str(expectation.where))
        for expectation in scenario.expect
        for phase in scenario.phases_of(expectation)
    ]


def check_all(
    scenario: Scenario,
    cells: Iterable[Cell],
) -> list[Check]:
    """Each expectation against each phase that it speaks of."""
    by_phase: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        by_phase.setdefault(cell.phase, {})[cell.probe] = cell
    return [
        _check(expectation, phase.name, by_phase.get(phase.name, {}))
        for expectation in scenario.expect
        for phase in scenario.phases_of(expectation)
    ]


def _check(expectation: Expectation, phase: str, cells: Mapping[str, Cell]) -> Check:
    meant = [cells[name] for name in expectation.means(cells)]
    if expectation.subscribers is not None:
        met, why = _subscribers(expectation.subscribers, meant)
    else:
        met, why = _verdict(expectation, meant[0] if meant else None)
    return Check(
        sentence(expectation, phase),
        str(expectation.where),
        expectation.probe,
        phase,
        met,
        why,
    )


def _subscribers(
    wanted: tuple[float, float], cells: Sequence[Cell]
) -> tuple[bool | None, str]:
    """Whether so large a part of all subscribers got through, each try for its part."""
    if not cells:
        return None, NOT_RUN
    if (troubled := _troubled(cells)) is not None:
        return None, troubled
    everybody = sum(cell.subscribers for cell in cells)
    reached = sum(
        cell.subscribers * cell.reached / len(cell.attempts) for cell in cells
    )
    share = reached / everybody
    says = f"{reached:,.0f} of {everybody:,} subscribers got through ({share:.1%})"
    low, high = wanted
    if low <= share <= high:
        return True, says
    return False, f"expected a share from {low:g} to {high:g}: {says}"


def _troubled(cells: Iterable[Cell]) -> str | None:
    """Why the first try that says nothing of an exchange says nothing; else None."""
    return next(
        (
            attempt.outcome.why
            for cell in cells
            for attempt in cell.attempts
            if attempt.outcome.outcome in ("down", "unknown")
        ),
        None,
    )


def _verdict(expectation: Expectation, cell: Cell | None) -> tuple[bool | None, str]:
    if cell is None:
        return None, NOT_RUN
    if (troubled := _troubled([cell])) is not None:
        return None, troubled
    for wish in _WISHES:
        failed = wish(expectation, cell)
        if failed is not None:
            return False, failed
    return True, cell.outcome.why


def _reaches(expectation: Expectation, cell: Cell) -> str | None:
    wanted = expectation.reaches
    if wanted is None or _has_rate(expectation):
        return None
    if all(attempt.outcome.reached == wanted for attempt in cell.attempts):
        return None
    expected = "reached" if wanted else "not reached"
    return f"expected {expected}, got {cell.outcome.label}: {cell.outcome.why}"


def _outcome(expectation: Expectation, cell: Cell) -> str | None:
    wanted = expectation.outcome
    if wanted is None or _has_rate(expectation):
        return None
    if all(attempt.outcome.matches(wanted) for attempt in cell.attempts):
        return None
    got = cell.outcome.failure or cell.outcome.outcome
    return f"expected {wanted}, got {got}: {cell.outcome.why}"


def _has_rate(expectation: Expectation) -> bool:
    return expectation.at_least is not None or expectation.between is not None


def _rate(expectation: Expectation, cell: Cell) -> str | None:
    """k of n against `at_least` or `between`: of the named outcome, or of reaching."""
    if not _has_rate(expectation):
        return None
    tries = len(cell.attempts)
    count = sum(_counts(expectation, attempt.outcome) for attempt in cell.attempts)
    low, high = 0.0, 1.0
    if expectation.between is not None:
        low, high = expectation.between
    if expectation.at_least is not None:
        low = max(low, expectation.at_least)
    if low <= count / tries <= high:
        return None
    from_rate, to_rate = cell.interval
    return (
        f"expected a rate from {low:g} to {high:g}, got {count} of {tries} "
        f"(reached in {from_rate:.0%} to {to_rate:.0%} with 95 % confidence)"
    )


def _counts(expectation: Expectation, outcome: Any) -> bool:
    if expectation.outcome is not None:
        return bool(outcome.matches(expectation.outcome))
    return bool(outcome.reached == (expectation.reaches is not False))


def _certificate(expectation: Expectation, cell: Cell) -> str | None:
    wanted = expectation.certificate
    if wanted is None:
        return None
    shown = Shown.of(cell.typical.result, cell.control.result)
    if shown is None:
        return "expected a certificate, and none was shown"
    for kept, wish in ((True, wanted.keeps), (False, wanted.changes)):
        for aspect in wish:
            if (aspect in shown.kept) is not kept:
                other = "another" if kept else "the same"
                return f"expected of the certificate otherwise: it has {other} {aspect}"
    older = shown.backdated.total_seconds()
    if wanted.backdated is not None and older != wanted.backdated:
        return f"expected dates of {wanted.backdated:g} s before, got {older:g} s"
    return None


def _page(expectation: Expectation, cell: Cell) -> str | None:
    wanted, got = expectation.page, cell.typical.result
    if wanted is None:
        return None
    if wanted.title is not None and got.title != wanted.title:
        came = f'"{got.title}"' if got.title else "one without a title"
        came = came if got.body_bytes else "none"
        return f'expected the page "{wanted.title}", got {came}'
    if wanted.leads_to is not None and got.location != wanted.leads_to:
        where = got.location or "nowhere"
        return f"expected to be led to {wanted.leads_to}, got {where}"
    return None


def _arrives(expectation: Expectation, cell: Cell) -> str | None:
    wanted, came = expectation.arrives, cell.arrived
    if wanted is None or (came is not None and came.whose == wanted):
        return None
    if came is None:
        return f"expected {HELLOS[wanted]} at the server, and no capture could tell"
    return f"expected {HELLOS[wanted]} at the server, got {came.text}"


def _exposes(expectation: Expectation, cell: Cell) -> str | None:
    wanted, found = expectation.exposes, cell.exposure
    if wanted is None or (found is not None and found.seen == wanted):
        return None
    if found is None:
        return f"expected {SEEN[wanted]} in a log, and no capture could tell"
    names = f" ({', '.join(found.names)})" if found.names else ""
    return f"expected {SEEN[wanted]} in a log, got {SEEN[found.seen]}{names}"


def _known_as(expectation: Expectation, cell: Cell) -> str | None:
    wanted, found = expectation.known_as, cell.exposure
    if wanted is None or (found is not None and found.protocol == wanted):
        return None
    got = "nothing" if found is None else found.protocol or "nothing"
    return f"expected to be known as {wanted} in a log, got {got}"


def _speed(expectation: Expectation, cell: Cell) -> str | None:
    limits = expectation.kbit_s
    if limits is None:
        return None
    rate = cell.typical.result.kbit_s
    if rate is None:
        return f"expected a rate, got {cell.outcome.label}"
    if limits.below is not None and rate >= limits.below:
        return f"expected less than {limits.below:,.0f} kbit/s, got {rate:,.0f}"
    if limits.above is not None and rate <= limits.above:
        return f"expected more than {limits.above:,.0f} kbit/s, got {rate:,.0f}"
    return None


def _slower(expectation: Expectation, cell: Cell) -> str | None:
    factor = expectation.slower_than_control
    if factor is None:
        return None
    share = cell.share_of_control
    if share is None:
        return "no throughput was measured to compare with the control"
    if share * factor <= 1.0:
        return None
    return f"expected {factor:g} times slower than the control, got {1 / share:.1f}"


def _rule(expectation: Expectation, cell: Cell) -> str | None:
    wanted = expectation.rule
    if wanted is None:
        return None
    got = cell.typical.decided_by
    if cell.typical.rule == wanted:
        return None
    return f'expected the rule "{wanted}" to decide, got {got or "none"}'


_WISHES = (
    *(_reaches, _outcome, _rate, _speed, _slower, _rule),
    *(_exposes, _known_as, _certificate, _page, _arrives),
)
