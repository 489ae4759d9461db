"""Replays a finished run from its folder, and compares with what was decided live.

The captures of both sides of an exchange hold every frame that its engine could have
been given; `EXCHANGE-given.bin` says when and under which policy it was. Live, a policy
that comes into force looks at running flows again: here, so does a new engine.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterlab.captures.annotate import SIDES
from filterlab.captures.given import DIGEST_BYTES, path_in, read_given
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Policy
from filterlab.replay.feed import feed_of
from filterlab.replay.passage import Passage
from filterlab.replay.sequence import Act, Sequenced, in_order
from filterlab.replay.story import NoCapture, Teller, read

# What of a decision does not depend on the moment when it was made.
Essence = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Decisions that only the run or only its replay made, with how often.

    `missing` frames were given to an exchange, and are in no capture of it.
    """

    only_live: Mapping[Essence, int]
    only_replayed: Mapping[Essence, int]
    same: int
    missing: int = 0

    def __bool__(self) -> bool:
        return bool(self.only_live or self.only_replayed or self.missing)

    def __str__(self) -> str:
        lines = [f"{self.same} decisions are the same"]
        for where, some in (("live", self.only_live), ("replay", self.only_replayed)):
            lines += [f"only {where}: {' '.join(e)} ({n}x)" for e, n in some.items()]
        if self.missing:
            lines.append(f"{self.missing} frames are in no capture")
        return "\n".join(lines)


def compare(folder: Path, policies: Mapping[str, Policy], rate: float) -> Difference:
    """What a run in this folder decided, against the same frames replayed.

    `rate` is of the scenario's clock. Raises NoCapture where a file is missing.
    """
    result = _json(folder / "result.json")
    lines = (folder / "decisions.jsonl").read_text().splitlines()
    live = Counter(_essence_of(line) for line in map(json.loads, lines))
    again: Counter[Essence] = Counter()
    missing = 0
    exchanges = {name for moment in result["timeline"] for name in moment["since"]}
    for exchange in sorted(exchanges):
        timeline = [
            policies[moment["policies"][exchange]]
            for moment in result["timeline"]
            if exchange in moment["since"]
        ]
        sequenced = sequence(folder, exchange, rate)
        missing += sequenced.missing
        chance = random.Random(f"{result['seed']} {exchange}").random
        for policy, act in zip(timeline, sequenced.acts, strict=True):
            for line, frame in _decided(act, Engine(policy, chance), exchange):
                said = line | {"exchange": exchange, "policy": policy.name}
                again[essence(said, frame)] += 1
    same = sum((live & again).values())
    return Difference(live - again, again - live, same, missing)


def sequence(folder: Path, exchange: str, rate: float) -> Sequenced:
    """What an exchange of a run was given under each of its policies."""
    feed = feed_of([read(path) for path in _captures(folder, exchange)], rate)
    given = path_in(folder, exchange)
    try:
        return in_order(feed, list(read_given(given)), rate)
    except OSError:
        raise NoCapture(f"{given}: error: there is no such file") from None


def _captures(folder: Path, exchange: str) -> list[Path]:
    return [folder / f"{exchange}-{side}.pcapng" for side in SIDES]


def _decided(
    act: Act, engine: Engine, exchange: str
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Each decision under one policy, and the digest of the frame that it fell on."""
    names = [path.name for path in _captures(Path(), exchange)]
    feed = act.feed
    places = zip(feed.captures.tolist(), feed.numbers.tolist(), strict=True)
    digests = dict(zip(places, act.digests, strict=True))
    for told in Teller(names, Passage(feed, engine)).tell():
        if told.decision is not None:
            place = names.index(told.capture), told.frame
            yield told.as_json(), digests[place]


def _essence_of(line: Mapping[str, Any]) -> Essence:
    digest = bytes.fromhex(line["frame_bytes_sha1"])[:DIGEST_BYTES]
    return essence(line, digest)


def essence(line: Mapping[str, Any], frame: bytes) -> Essence:
    """What must be the same of a decision, live and replayed."""
    flow, finding = line["flow"], line["finding"]
    ends = [flow[end] for end in ("client", "client_port", "server", "server_port")]
    found = [f"{key}={value}" for key, value in sorted(finding.items())]
    words = [line[key] for key in ("exchange", "policy", "rule", "verdict", "action")]
    return tuple(map(str, [*words, flow["protocol"], *ends, *found, frame.hex()]))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except OSError:
        raise NoCapture(f"{path}: error: there is no such file") from None
