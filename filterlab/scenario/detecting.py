"""Checks a detector against its scenario, and reads the lists that it names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from filterlab.attribution.registry import BadLine, Prefix, Registry, prefixes_of
from filterlab.scenario.checks import Checks
from filterlab.scenario.detectorfile import Detector, Found
from filterlab.scenario.problem import BadInput, quoted
from filterlab.scenario.schema import Probe, Scenario
from filterlab.scenario.source import Document, read_text
from filterlab.scenario.timeline import Phase, meant_by

_MOST_BYTES = 50_000_000  # half a million lines of the longest prefixes, and more


def check_detector(
    scenario: Scenario,
    document: Document,
    checks: Checks,
    path: Path,
    with_phases: bool,
) -> None:
    """Read a detector's lists; complain of what it names and there is not."""
    detector = scenario.detector
    if detector is None:
        return
    _check_service(scenario, document, checks, detector)
    for name, files in detector.registries.items():
        prefixes: list[Prefix] = []
        for index, file in enumerate(files):
            place = (*detector.path, "registries", name, index)
            prefixes += _prefixes(document, path.parent, file, place)
        detector.registries_read[name] = Registry(prefixes)
    if with_phases and not watched(scenario):
        document.complain(
            "needless-key",
            detector.path,
            "the detector has no records to read: no policy of the timeline keeps any",
            on_key=True,
            help="give a policy a 'records' key",
        )
    for found in detector.expect:
        _check_found(scenario, checks, detector, found, with_phases)


def watched(scenario: Scenario) -> tuple[Phase, ...]:
    """The phases in which an exchange keeps records."""
    return tuple(
        phase
        for phase in scenario.phases
        if any(scenario.policies[name].records for name in phase.policies.values())
    )


def account_of(probe: Probe) -> str | None:
    """The account that a probe's address names, if it names one."""
    named = parse_qs(urlsplit(probe.target).query).get("account")
    return named[0] if named else None


def _check_service(
    scenario: Scenario, document: Document, checks: Checks, detector: Detector
) -> None:
    names = checks.names("services")
    if detector.service not in names:
        checks.unknown("service", detector, ("service",), names)
        return
    visits = [
        probe
        for probe in scenario.probes.values()
        if probe.host == detector.service and account_of(probe) is not None
    ]
    if not visits and scenario.probes:
        document.complain(
            "needless-key",
            (*detector.path, "service"),
            f"no probe visits {quoted(detector.service)} with an account",
            help=f"an address such as https://{detector.service}/?account=alice",
        )


def _prefixes(
    document: Document, folder: Path, file: str, place: tuple[str | int, ...]
) -> list[Prefix]:
    try:
        return prefixes_of(read_text(folder / file, file, _MOST_BYTES))
    except BadInput as bad:
        message = f"the list {quoted(file)}: {bad.problems[0].message}"
        document.complain("list-file", place, message)
    except BadLine as bad:
        document.complain(
            "list-file",
            place,
            f"line {bad.number} of the list is {quoted(bad.value)}",
            expected="a prefix such as 100.64.0.0/16 or 2001:db8:1::/48",
        )
    return []


def _check_found(
    scenario: Scenario,
    checks: Checks,
    detector: Detector,
    found: Found,
    with_phases: bool,
) -> None:
    if found.registry is not None and found.registry not in detector.registries:
        checks.unknown("registry", found, ("registry",), list(detector.registries))
    if not with_phases:
        return
    phases = watched(scenario)
    for index, word in enumerate(found.during):
        if not meant_by(word, phases):
            names = [phase.name for phase in phases]
            checks.unknown("phase", found, ("during", index), names)
