"""A run's expectations as JUnit XML, for whatever reads test reports."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from filterlab.report.result import Result


def write_junit(result: Result, path: Path) -> None:
    """One test case an expectation and phase; a broken lab is an error, no failure."""
    skipped = [(one, text) for one in result.skipped for text in one.expectations]
    suite = ElementTree.Element(
        "testsuite",
        name=result.scenario,
        tests=str(len(result.checks) + len(skipped)),
        failures=str(sum(check.met is False for check in result.checks)),
        errors=str(sum(check.met is None for check in result.checks)),
        skipped=str(len(skipped)),
        time=f"{sum(result.seconds.values()):.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("seed", result.seed), ("verdict", result.verdict.value)):
        ElementTree.SubElement(properties, "property", name=name, value=str(value))
    for check in result.checks:
        case = ElementTree.SubElement(
            suite, "testcase", classname=result.scenario, name=check.text
        )
        if check.met is not True:
            kind = "failure" if check.met is False else "error"
            problem = ElementTree.SubElement(case, kind, message=check.why)
            problem.text = f"{check.source}\n{check.why}\nevidence: {result.folder}"
    for one, text in skipped:
        case = ElementTree.SubElement(
            suite, "testcase", classname=result.scenario, name=text
        )
        ElementTree.SubElement(case, "skipped", message=one.text)
    tree = ElementTree.ElementTree(suite)
    ElementTree.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)
