"""Makes `report.html` of a run's folder: one file, without network, for any reader.

Whatever comes from the wire, from a log or from a file is text of strangers: the
templates escape all of it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from filterlab.report import words
from filterlab.report.explain import NoRun
from filterlab.report.ladder import Ladder, ladders
from filterlab.report.picture import timeline, ways
from filterlab.report.programs import Said, said
from filterlab.report.rates import Chart, chart, curves
from filterlab.report.rule import RuleLine, rule_lines
from filterlab.report.seen import Sight, sight
from filterlab.report.terminal import short
from filterlab.report.wire import (
    Wire,
    flow_of_decision,
    flow_of_endpoint,
    read_wires,
)

REPORT = "report.html"
RESULT, DECISIONS, SETTING = "result.json", "decisions.jsonl", "setting.json"
_NO_SETTING: dict[str, Any] = {"probes": {}, "exchanges": [], "map": "", "files": {}}
# Outcomes by how they look: a sign that needs no colour, and a word.
KINDS = {"ok": "ok", "throttled": "slow", "down": "unknown", "unknown": "unknown"}
SIGNS = {"ok": "✓", "slow": "≈", "blocked": "✕", "unknown": "?"}
WORDS = {"ok": "through", "slow": "slow", "blocked": "blocked", "unknown": "not told"}


@dataclass(frozen=True, slots=True)
class Shown:
    """All attempts of one probe in one phase, as the page shows them."""

    name: str
    phase: str
    anchor: str
    entries: tuple[Mapping[str, Any], ...]
    decision: Mapping[str, Any] | None
    decision_index: int | None
    ladders: tuple[Ladder, ...] = ()
    rule: tuple[RuleLine, ...] = ()
    sight: Sight | None = None
    programs: tuple[Said, ...] = ()

    @property
    def entry(self) -> Mapping[str, Any]:
        """The attempt that stands for the others: the first of the commonest."""
        counted = Counter(entry["outcome"] for entry in self.entries)
        commonest = counted.most_common(1)[0][0]
        return next(one for one in self.entries if one["outcome"] == commonest)

    @property
    def kind(self) -> str:
        """ok, slow, blocked or unknown."""
        return KINDS.get(self.entry["outcome"], "blocked")

    @property
    def sign(self) -> str:
        """A sign for the kind that needs no colour."""
        return SIGNS[self.kind]

    @property
    def client(self) -> str:
        """Who tried."""
        return str(self.entry["from"])

    @property
    def label(self) -> str:
        """What came of it in two words, or how often."""
        label = str(self.entry["label"])
        if len(self.entries) == 1:
            return label
        reached = sum(entry["reached"] for entry in self.entries)
        return f"{label} ({reached} of {len(self.entries)} through)"

    @property
    def saw(self) -> str:
        """What the client met, in a sentence."""
        return words.client_saw(self.entry)

    @property
    def did(self) -> str:
        """What the exchange did, in a sentence."""
        packets = sum(one.count for one in self.ladders)
        stopped = sum(one.stopped for one in self.ladders)
        return words.exchange_did(self.entry, self.decision, packets, stopped)

    @property
    def found(self) -> str:
        """What made the rule true, in a sentence."""
        return words.finding_words(self.decision) if self.decision else ""


@cache
def environment() -> Environment:
    """The templates, escaping everything."""
    made = Environment(
        loader=PackageLoader("filterlab.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["step_words"] = words.step_words
    made.filters["failure_words"] = words.failure_words
    made.filters["short"] = short
    made.filters["because"] = words.because
    made.filters["capital"] = words.capital
    made.globals.update(SIGNS=SIGNS, WORDS=WORDS)
    source, _, _ = PackageLoader("filterlab.report").get_source(made, "style.css")
    made.globals["style"] = Markup(source)  # a file of our own
    return made


def write_report(folder: Path) -> Path:
    """Make the report of a finished run, anew if there is one; raises NoRun."""
    path = folder / REPORT
    path.write_text(render(folder), "utf-8")
    return path


def render(folder: Path) -> str:
    """The report of a finished run, as HTML; raises NoRun."""
    if not (folder / RESULT).exists():
        raise NoRun(f"{folder} holds no {RESULT}, so no finished run")
    result = json.loads((folder / RESULT).read_text())
    setting = _read_setting(folder)
    decisions = _read_decisions(folder)
    wires, unread = read_wires(folder)
    cells = list(_cells(folder, result, setting, decisions, wires))
    return (
        environment()
        .get_template("run.html")
        .render(
            result=result,
            answer=answer(result, cells),
            unmet=any(check["met"] is not True for check in result["expectations"]),
            exposure=result.get("exposure"),
            detections=result.get("detections", []),
            setting=setting,
            cells=cells,
            table={(cell.name, cell.phase): cell for cell in cells},
            probes=list(dict.fromkeys(cell.name for cell in cells)),
            reasons=_reasons(cells, result["phases"]),
            map=_as_image(setting["map"]),
            ways={
                phase: ways(those, setting["probes"])
                for phase in result["phases"]
                # A run that broke off has phases that nobody tried anything in.
                if (those := [cell for cell in cells if cell.phase == phase])
            },
            timeline=timeline(result["timeline"], cells),
            charts=list(_charts(result, setting, wires)),
            captures=[path.name for path in sorted(folder.glob("*.pcapng"))],
            files=_files(folder),
            unread=unread,
        )
    )


def _read_setting(folder: Path) -> dict[str, Any]:
    path = folder / SETTING
    return json.loads(path.read_text()) if path.exists() else _NO_SETTING


def _read_decisions(folder: Path) -> list[dict[str, Any]]:
    path = folder / DECISIONS
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def _cells(
    folder: Path,
    result: Mapping[str, Any],
    setting: Mapping[str, Any],
    decisions: Sequence[Mapping[str, Any]],
    wires: Mapping[str, Wire],
) -> Iterator[Shown]:
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in result["probes"]:
        grouped.setdefault((entry["name"], entry["phase"]), []).append(entry)
    attempts: dict[str, list[Mapping[str, Any]]] = {}
    for entry in result["probes"]:
        attempts.setdefault(entry["name"], []).append(entry)
    sights: dict[int, Sight | None] = {}
    for number, ((name, phase), entries) in enumerate(grouped.items(), start=1):
        bare = Shown(name, phase, f"probe-{number}", tuple(entries), None, None)
        way = setting["probes"].get(name, {})
        mine = _concerning(bare.entry, way, decisions)
        index = next(iter(mine), None)
        decision = decisions[index] if index is not None else None
        harmed = bare.entry["outcome"] != "ok"
        if harmed and index is not None and index not in sights:
            wire = wires.get(str(decisions[index].get("exchange")))
            sights[index] = sight(decisions[index], wire)
        yield Shown(
            name,
            phase,
            bare.anchor,
            bare.entries,
            decision,
            index,
            tuple(ladders(wires, bare.entry, way, mine)),
            rule_lines(decision, setting["files"]) if decision else (),
            sights.get(index) if index is not None else None,
            said(folder, bare.entry, attempts[name]) if harmed and not mine else (),
        )


def _concerning(
    entry: Mapping[str, Any],
    way: Mapping[str, Any],
    decisions: Sequence[Mapping[str, Any]],
) -> dict[int, Mapping[str, Any]]:
    """The decisions that explain an attempt: the telling one, and its own flows'."""
    flows = {flow_of_endpoint(endpoint) for endpoint in entry["endpoints"]}
    device = way.get("device", ())
    found = {}
    for place, index in enumerate(entry["decisions"]):
        if index >= len(decisions):
            continue
        line = decisions[index]
        client = (line.get("flow") or {}).get("client")
        if place == 0 or flow_of_decision(line) in flows or client in device:
            found[index] = line
    return found


def answer(result: Mapping[str, Any], cells: Sequence[Shown]) -> str:
    """The whole run in one sentence."""
    kinds = Counter(cell.kind for cell in cells)
    probes = len({cell.name for cell in cells})
    phases = len(result["phases"])
    rules = {cell.entry["rule"] for cell in cells if cell.entry["rule"]}
    parts = [f"{kinds['ok']} of {len(cells)} attempts got through unharmed"]
    for kind, word in (("blocked", "blocked"), ("slow", "slowed")):
        if count := kinds[kind]:
            parts.append(f"{count} {'was' if count == 1 else 'were'} {word}")
    if rules:
        parts[-1] += f" (by {_counted(len(rules), 'rule')})"
    if kinds["unknown"]:
        parts.append(f"of {kinds['unknown']} nothing can be told")
    met = sum(check["met"] is True for check in result["expectations"])
    return (
        f"{str(result['verdict']).capitalize()}: {_counted(probes, 'probe')} in"
        f" {_counted(phases, 'phase')}, {', '.join(parts)}; {met} of"
        f" {_counted(len(result['expectations']), 'expectation')} met."
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _reasons(
    cells: Sequence[Shown], phases: Sequence[str]
) -> list[tuple[Shown, list[Shown]]]:
    """What came of which probes and why: alike ones together, the first one apart."""
    groups: dict[tuple[str, str, str], list[Shown]] = {}
    for cell in cells:
        if cell.kind != "ok":
            reason = cell.entry["rule"] or cell.entry["why"]
            key = cell.phase, cell.entry["label"], reason
            groups.setdefault(key, []).append(cell)
    ordered = sorted(groups.values(), key=lambda alike: phases.index(alike[0].phase))
    return [(alike[0], alike) for alike in ordered]


def _charts(
    result: Mapping[str, Any], setting: Mapping[str, Any], wires: Mapping[str, Wire]
) -> Iterator[tuple[str, Chart]]:
    for name in dict.fromkeys(entry["name"] for entry in result["probes"]):
        entries = [entry for entry in result["probes"] if entry["name"] == name]
        if all(entry["kbit_s"] is None for entry in entries):
            continue
        drawn = curves(wires, entries, setting["probes"].get(name, {}))
        if drawn:
            yield name, chart(drawn)


def _as_image(svg: str) -> str:
    """A picture as a URL: its styles and names must not mix with the page's."""
    if not svg:
        return ""
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode("ascii")


def _files(folder: Path) -> list[tuple[str, str]]:
    """The other files of a run's folder, and what each holds."""
    known = {
        RESULT: "everything that came of it, for programs",
        DECISIONS: "each decision of the exchanges, one a line",
        "detector.json": "whom each test for a VPN found, and how rightly",
        "visits.jsonl": "what the service that the detector reads wrote down",
        "ooni.jsonl": "each attempt in OONI's data format, one a line",
        "junit.xml": "the expectations as a test report",
        "logs": "what the servers and tools said",
    }
    return [(name, said) for name, said in known.items() if (folder / name).exists()]
