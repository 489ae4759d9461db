"""A matrix as JUnit XML: one test case a cell, with the cell's stable id."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from filterlab.matrix.expected import Judged, Standing, described
from filterlab.matrix.finding import CellId
from filterlab.matrix.summary import Summary


def write_junit(summary: Summary, path: Path) -> None:
    """A cell that is not as expected is a failure, one that could not be told an error.

    A tool that is not installed is skipped, and so is a cell known not to work.
    """
    suite = ElementTree.Element("testsuite", name="filterlab matrix")
    counts = dict.fromkeys(("failures", "errors", "skipped"), 0)
    for cell, judged in summary.cells.items():
        case = _case(suite, cell, judged)
        kind = _verdict(summary, cell, judged, case)
        if kind is not None:
            counts[kind] += 1
    for cell, why in summary.skipped.items():
        case = _case(suite, cell, None)
        ElementTree.SubElement(case, "skipped", message=why)
        counts["skipped"] += 1
    suite.set("tests", str(len(summary.cells) + len(summary.skipped)))
    for name, count in counts.items():
        suite.set(name, str(count))
    suite.set("time", f"{summary.seconds:.3f}")
    tree = ElementTree.ElementTree(suite)
    ElementTree.indent(tree)
    path.parent.mkdir(parents=True, exist_ok=True)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _case(
    suite: ElementTree.Element, cell: CellId, judged: Judged | None
) -> ElementTree.Element:
    took = sum(t.seconds for t in judged.tally.tries) if judged is not None else 0.0
    return ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"{cell.scenario}.{cell.policy}",
        name=str(cell),
        time=f"{took:.3f}",
    )


def _verdict(
    summary: Summary, cell: CellId, judged: Judged, case: ElementTree.Element
) -> str | None:
    """Say in the case how the cell stands; the attribute that counts it, if any."""
    said = _printable(described(judged.tally))
    failed = summary.failed(cell)
    if failed is not None:
        _element(case, "failure", failed, judged)
        return "failures"
    if judged.standing is Standing.COULD_NOT_TELL:
        _element(case, "error", judged.why, judged)
        return "errors"
    if judged.standing is Standing.KNOWN and summary.comparison is None:
        message = _printable(f"known not to work: {judged.why}")
        ElementTree.SubElement(case, "skipped", message=message)
        return "skipped"
    ElementTree.SubElement(case, "system-out").text = said
    return None


def _element(case: ElementTree.Element, kind: str, why: str, judged: Judged) -> None:
    found = judged.tally.typical
    element = ElementTree.SubElement(case, kind, message=_printable(why))
    lines = [judged.source, described(judged.tally), f"evidence: {found.folder}"]
    element.text = _printable("\n".join(filter(None, lines)))


def _printable(text: str) -> str:
    """What XML 1.0 can hold: a tool's log lines may have colours in them."""
    return "".join(c for c in text if c in "\t\n\r" or c.isprintable())
