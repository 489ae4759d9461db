"""Replays a finished run from its folder, and compares with what was decided live.

The captures of both sides of an exchange hold every frame that its engine could have
been given; `result.json` says since when which policy was in force. Live, a policy
that comes into force looks at running flows again: here, so does a new engine.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from filterlab.captures.annotate import SIDES
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Policy
from filterlab.replay.feed import feed_of
from filterlab.replay.passage import Passage
from filterlab.replay.story import NoCapture, Teller, Told, read

# What of a decision does not depend on the moment when it was made.
Essence = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Decisions that only the run or only its replay made, with how often."""

    only_live: Mapping[Essence, int]
    only_replayed: Mapping[Essence, int]
    same: int

    def __bool__(self) -> bool:
        return bool(self.only_live or self.only_replayed)

    def __str__(self) -> str:
        lines = [f"{self.same} decisions are the same"]
        for where, some in (("live", self.only_live), ("replay", self.only_replayed)):
            lines += [f"only {where}: {' '.join(e)} ({n}x)" for e, n in some.items()]
        return "\n".join(lines)


def compare(folder: Path, policies: Mapping[str, Policy], rate: float) -> Difference:
    """What a run in this folder decided, against the same frames replayed.

    `rate` is of the scenario's clock. Raises NoCapture where a file is missing.
    """
    result = _json(folder / "result.json")
    lines = (folder / "decisions.jsonl").read_text().splitlines()
    live = Counter(essence(line) for line in map(json.loads, lines))
    again: Counter[Essence] = Counter()
    exchanges = {name for moment in result["timeline"] for name in moment["since"]}
    for exchange in sorted(exchanges):
        timeline = [
            (moment["since"][exchange], policies[moment["policies"][exchange]])
            for moment in result["timeline"]
            if exchange in moment["since"]
        ]
        for policy, told in replay_exchange(
            folder, exchange, timeline, rate, result["seed"]
        ):
            if told.decision is not None:
                said = told.as_json() | {"exchange": exchange, "policy": policy.name}
                again[essence(said)] += 1
    return Difference(live - again, again - live, sum((live & again).values()))


def replay_exchange(
    folder: Path,
    exchange: str,
    timeline: Sequence[tuple[float, Policy]],
    rate: float,
    seed: int,
) -> Iterator[tuple[Policy, Told]]:
    """What one exchange of a run would decide again, policy after policy."""
    captures = [folder / f"{exchange}-{side}.pcapng" for side in SIDES]
    feed = feed_of([read(path) for path in captures], rate)
    names = [path.name for path in captures]
    chance = random.Random(f"{seed} {exchange}").random
    moments = np.array([since for since, _ in timeline]) * 1e9
    starts = np.searchsorted(feed.index.nanoseconds, moments).tolist()
    ends = [*starts[1:], len(feed.index)]
    for (_, policy), low, high in zip(timeline, starts, ends, strict=True):
        engine = Engine(policy, chance)
        teller = Teller(names, Passage(feed, engine))
        for told in teller.tell(low, high):
            yield policy, told


def essence(line: Mapping[str, Any]) -> Essence:
    """What must be the same of a decision, live and replayed."""
    flow, finding = line["flow"], line["finding"]
    ends = [flow[end] for end in ("client", "client_port", "server", "server_port")]
    found = [f"{key}={value}" for key, value in sorted(finding.items())]
    words = [line[key] for key in ("exchange", "policy", "rule", "verdict", "action")]
    return tuple(map(str, [*words, flow["protocol"], *ends, *found]))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except OSError:
        raise NoCapture(f"{path}: error: there is no such file") from None
