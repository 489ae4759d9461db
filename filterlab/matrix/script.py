"""Makes the scenario that a lab of the matrix plays: one policy, and some tools.

Of a scenario file the matrix takes the topology, services, clients and clock, and its
first probe that fetches or resolves something without a tool: that is what every tool
is asked for. Its timeline, its other probes and its expectations are left out. What is
written is a scenario like any other (JSON is YAML), so a cell can be played again:
`filterlab run OUT/runs/NAME/scenario.yaml`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filterlab.policy.rules import Policy
from filterlab.policy.rules import Probe as HandToProber
from filterlab.scenario import content, source
from filterlab.scenario.policies import load_policy
from filterlab.scenario.problem import BadInput, Place, Problem

# The probe that goes without a tool.
UNTOOLED = "without a tool"
_KEPT = ("topology", "services", "clients", "clock")
_TRIED = ("fetch", "resolve")
_OWN = ("innocent", "repeat")  # of the scenario: the matrix counts for itself
# What a policy may name beside itself: lists, recognisers, models.
_BESIDE = re.compile(r"[\w./-]+\.(?:txt|csv|py|onnx)")


@dataclass(frozen=True)
class Setting:
    """A scenario as the matrix uses it."""

    name: str
    path: Path
    kept: dict[str, Any]
    probe: dict[str, Any]

    @property
    def text(self) -> str:
        """All of it, for a hash."""
        return json.dumps([self.kept, self.probe], sort_keys=True)


@dataclass(frozen=True)
class Censor:
    """A policy as the matrix uses it; `files` are its own, if it is not shipped."""

    name: str
    path: Path
    policy: Policy
    files: dict[str, str] = field(default_factory=dict)

    @property
    def stages(self) -> tuple[tuple[float, ...], ...]:
        """Its second stages: how far each lets the scenario's clock run, in steps.

        A residual block may begin late; a prober looks some time after a match, and
        what it confirms is blocked some time later.
        """
        found: list[tuple[float, ...]] = []
        residuals = [r.residual for r in self.policy.rules if r.residual]
        onsets = [r.most_onset_seconds or r.onset_seconds for r in residuals]
        if any(onsets):
            found.append((max(onsets),))
        handed = [r.then for r in self.policy.rules if isinstance(r.then, HandToProber)]
        if handed:
            delay = max(one.delay_seconds for one in handed)
            found.append((delay, max(one.lag_seconds for one in handed)))
        return tuple(found)

    @property
    def by_chance(self) -> bool:
        """Whether its rules strike in a part of all cases, or by how busy it is."""
        return not all(rule.always for rule in self.policy.rules)


def setting(path: Path, name: str) -> Setting:
    """Read a scenario; raises BadInput where it has no probe that a tool could do."""
    plain = source.read(path).plain()
    probes = plain.get("probes")
    for probe in probes.values() if isinstance(probes, dict) else ():
        if not isinstance(probe, dict) or "through" in probe:
            continue
        if any(kind in probe for kind in _TRIED):
            asked = {k: v for k, v in probe.items() if k not in ("innocent", "repeat")}
            return Setting(
                name, path, {k: plain[k] for k in _KEPT if k in plain}, asked
            )
    place = Place(content.shown(path), 1, 1)
    message = "no probe fetches or resolves something without a tool"
    help_ = "the matrix asks every tool for what the first such probe asks for"
    raise BadInput([Problem("hook", place, message, help=help_)])


def censor(path: Path) -> Censor:
    """Read a policy; raises BadInput with all that is wrong with it."""
    policy = load_policy(path, content.shown(path))
    if path.resolve().is_relative_to((content.root() / "scenarios").resolve()):
        return Censor(path.stem, path, policy)
    text = path.read_text()
    files = {path.name: text}
    for named in _BESIDE.findall(text):
        beside = path.parent / named
        if beside.is_file() and not Path(named).is_absolute() and ".." not in named:
            files[named] = beside.read_text()
    return Censor(path.stem, path, policy, files)


def script(stage: Setting, policy: Censor, tools: Sequence[str], seed: int) -> str:
    """The scenario of one lab."""
    probes = {UNTOOLED: stage.probe}
    probes |= {tool: {**stage.probe, "through": tool} for tool in tools}
    moment = {"at": "0s", "exchange": "all", "policy": policy.name}
    written = {
        "title": f"{', '.join(tools)} under {policy.name}",
        **stage.kept,
        "seed": str(seed),
        "timeline": [moment],
        "probes": probes,
    }
    return json.dumps(written, indent=1, ensure_ascii=False) + "\n"
