"""A matrix in GitHub Actions: annotations, and a table on the run's page.

Sources: docs.github.com, "Workflow commands for GitHub Actions" (annotations, their
escapes, and GITHUB_STEP_SUMMARY).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from filterlab.matrix.expected import Standing, described
from filterlab.matrix.finding import CellId, Word
from filterlab.matrix.summary import Summary
from filterlab.matrix.tally import Tally
from filterlab.report.terminal import short

# GitHub shows ten annotations of each kind a step, and drops the others.
_MOST_OF_A_KIND = 10


def tell(summary: Summary, environment: Mapping[str, str]) -> Iterator[str]:
    """The lines to print; the step's summary is written on the way."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return
    yield from annotated(summary)
    if page := environment.get("GITHUB_STEP_SUMMARY"):
        with Path(page).open("a") as file:
            file.write(markdown(summary))


def annotated(summary: Summary) -> Iterator[str]:
    """One line for each cell that is not as expected, or that could not be told."""
    errors, warnings = [], []
    for cell, judged in summary.cells.items():
        failed = summary.failed(cell)
        if failed is not None:
            errors.append(_annotation("error", cell, failed))
        elif judged.standing is Standing.COULD_NOT_TELL:
            warnings.append(_annotation("warning", cell, judged.why))
    for tool, why in {c.tool: why for c, why in summary.skipped.items()}.items():
        warnings.append(
            f"::warning title={_property(tool)}::{_data(f'skipped: {why}')}"
        )
    for lines in (errors, warnings):
        yield from lines[:_MOST_OF_A_KIND]


def _annotation(kind: str, cell: CellId, text: str) -> str:
    return f"::{kind} title={_property(str(cell))}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def markdown(summary: Summary) -> str:
    """The matrix as a page of Markdown."""
    lines = [f"### FilterLab: {summary.verdict.value}", ""]
    cells = summary.cells
    policies = list(dict.fromkeys(cell.policy for cell in cells))
    lines.append("| | " + " | ".join(policies) + " |")
    lines.append("|---" * (len(policies) + 1) + "|")
    rows = dict.fromkeys((cell.scenario, cell.tool) for cell in cells)
    several = len({scenario for scenario, _ in rows}) > 1
    for scenario, tool in rows:
        found = [cells.get(CellId(scenario, tool, policy)) for policy in policies]
        texts = [_cell(judged.tally) if judged else "" for judged in found]
        name = f"{scenario}: {tool}" if several else tool
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    lines.append("")
    for cell, judged in cells.items():
        text = summary.failed(cell) or described(judged.tally)
        if judged.tally.word is not Word.WORKS or summary.failed(cell):
            lines.append(f"- `{cell}` {_escaped(short(text))}")
    for tool, why in {c.tool: why for c, why in summary.skipped.items()}.items():
        lines.append(f"- skipped `{tool}`: {_escaped(why)}")
    return "\n".join(lines) + "\n\n"


def _cell(tally: Tally) -> str:
    how = f"<br>{_escaped(tally.typical.how)}" if tally.word is not Word.WORKS else ""
    strong = "" if tally.word is Word.WORKS else "**"
    return f"{strong}{tally.text}{strong}{how}"


def _escaped(text: str) -> str:
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(plain.split())
