"""What a detector made of one phase, held against the truth, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from filterlab.attribution.detector import Hairpin
from filterlab.attribution.score import Score, score
from filterlab.report.expectations import Check
from filterlab.scenario.detecting import watched
from filterlab.scenario.detectorfile import Found
from filterlab.scenario.problem import listed
from filterlab.scenario.schema import Scenario
from filterlab.scenario.timeline import meant_by

DETECTOR = "detector"


@dataclass(frozen=True, slots=True)
class Detection:
    """Who visited in a phase, who of them uses a VPN, and whom each test found.

    `found` is by the test and the registry that it was given.
    """

    phase: str
    addresses: Mapping[str, tuple[str, ...]]  # account -> where it was seen from
    true: frozenset[str]
    found: Mapping[tuple[str, str], frozenset[str]]
    hairpins: tuple[Hairpin, ...]
    untold: str | None = None  # a visit that the lab itself spoilt, and how

    def score(self, column: tuple[str, str]) -> Score:
        """How good a test is in this phase."""
        return score(self.found[column], self.true)

    def as_json(self) -> dict[str, Any]:
        """The phase as one object of `detector.json`."""
        return {
            "phase": self.phase,
            "accounts": [
                {
                    "account": account,
                    "uses_vpn": account in self.true,
                    "addresses": list(seen),
                    "found_by": [
                        heading(column)
                        for column, found in self.found.items()
                        if account in found
                    ],
                }
                for account, seen in self.addresses.items()
            ],
            "tests": [self._test(column) for column in self.found],
            "hairpins": [asdict(one) for one in self.hairpins],
        }

    def _test(self, column: tuple[str, str]) -> dict[str, Any]:
        scored = self.score(column)
        return {
            "test": column[0],
            "registry": column[1] or None,
            "heading": heading(column),
            "finds": sorted(self.found[column]),
            **asdict(scored),
            "precision": scored.precision,
            "recall": scored.recall,
        }


def heading(column: tuple[str, str]) -> str:
    """A test and its registry in a word or two."""
    test, registry = column
    return f"{test}, {registry}" if registry else test


def detection_table(detection: Detection) -> Table:
    """A phase as a table: a row for each test, whom it found, and how good it was."""
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    table.add_column(f"who uses a VPN, {detection.phase}", overflow="fold")
    for name in ("rightly found", "wrongly found", "missed"):
        table.add_column(name, overflow="fold")
    for name in ("precision", "recall"):
        table.add_column(name, justify="right")
    true = detection.true
    for column, found in detection.found.items():
        scored = detection.score(column)
        table.add_row(
            heading(column),
            _names(found & true),
            _names(found - true),
            _names(true - found),
            _share(scored.precision),
            _share(scored.recall),
        )
    return table


def _names(accounts: Iterable[str]) -> str:
    return ", ".join(sorted(accounts)) or "-"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2f}"


def detector_expected(scenario: Scenario) -> list[tuple[str, str]]:
    """Text and place of each check that a run will make of its detector."""
    return [(one.text(phase), str(one.where)) for one, phase in _expected(scenario)]


def _expected(scenario: Scenario) -> Iterator[tuple[Found, str]]:
    if scenario.detector is None:
        return
    phases = watched(scenario)
    for found in scenario.detector.expect:
        meant = {p.name for word in found.during for p in meant_by(word, phases)}
        for phase in phases:
            if not found.during or phase.name in meant:
                yield found, phase.name


def check_detections(
    scenario: Scenario, detections: Iterable[Detection]
) -> list[Check]:
    """Hold what the detector should find against what it found."""
    by_phase = {one.phase: one for one in detections}
    checks = []
    for found, phase in _expected(scenario):
        met, why = _verdict(found, by_phase.get(phase))
        text = found.text(phase)
        checks.append(Check(text, str(found.where), DETECTOR, phase, met, why))
    return checks


def _verdict(wanted: Found, got: Detection | None) -> tuple[bool | None, str]:
    if got is None:
        return None, "the detector had nothing to read: the lab failed before"
    if got.untold is not None:
        return None, got.untold
    found = got.found[wanted.column]
    scored = got.score(wanted.column)
    why = _why(sorted(found), scored)
    if wanted.finds is not None and set(wanted.finds) != found:
        return False, why
    exits = {hairpin.exit for hairpin in got.hairpins}
    if wanted.exits is not None and set(wanted.exits) != exits:
        return False, f"the exits {listed(sorted(exits), 'and') or 'of nobody'}: {why}"
    for name in ("precision", "recall"):
        bounds, value = getattr(wanted, name), getattr(scored, name)
        if bounds is not None and not (
            value is not None and bounds[0] <= value <= bounds[1]
        ):
            return False, f"a {name} of {_share(value)}: {why}"
    return True, why


def _why(found: Sequence[str], scored: Score) -> str:
    names = listed(found, "and") or "nobody"
    return (
        f"it found {names}: {scored.right} rightly, {scored.wrong} wrongly,"
        f" and missed {scored.missed}"
    )
