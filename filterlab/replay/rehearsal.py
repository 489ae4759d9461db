"""Replays a finished run from its folder, and compares with what was decided live.

The captures of both sides of an exchange hold every frame that its engine could have
been given; `EXCHANGE-given.bin` says when and under which policy it was. Live, a policy
that comes into force looks at running flows again: here, so does a new engine.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from filterlab.captures.annotate import SIDES
from filterlab.captures.given import DIGEST_BYTES, path_in, read_given
from filterlab.inspection.flow import PROTOCOL_NAMES, FlowKey
from filterlab.inspection.packet import dissect
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Policy, Rule
from filterlab.policy.verdict import Verdict
from filterlab.replay.feed import Feed, Network, feed_of, inside_of
from filterlab.replay.headers import ethernet_frame
from filterlab.replay.passage import Passage
from filterlab.replay.sequence import Act, Sequenced, in_order, picked
from filterlab.replay.story import NoCapture, Teller, read

_OF_PROBER = ("probed", "expose")  # actions of `filterlab.openflow.suspects`
# What of a decision does not depend on the moment when it was made.
Essence = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Decisions that only the run or only its replay made, with how often.

    `misled` are flows of which the frames that the switch handled alone say otherwise.
    `missing` frames were given to an exchange, and are in no capture of it.
    """

    only_live: Mapping[Essence, int]
    only_replayed: Mapping[Essence, int]
    misled: Collection[Essence]
    missing: int
    same: int

    def __bool__(self) -> bool:
        differs = self.only_live or self.only_replayed or self.misled or self.missing
        return bool(differs)

    def __str__(self) -> str:
        lines = [f"{self.same} decisions are the same"]
        for where, some in (("live", self.only_live), ("replay", self.only_replayed)):
            lines += [f"only {where}: {' '.join(e)} ({n}x)" for e, n in some.items()]
        lines += [f"not so by all frames: {' '.join(e)}" for e in self.misled]
        if self.missing:
            lines.append(f"{self.missing} frames are in no capture")
        return "\n".join(lines)


def compare(folder: Path, policies: Mapping[str, Policy], rate: float) -> Difference:
    """What a run in this folder decided, against the same frames replayed.

    Twice: of the frames that the exchange was given, each must decide the same again;
    of all frames, each flow must come to the same. The switch forgets the directions of
    a flow one by one, and the engine is asked anew: there, once is as good as twice.
    `rate` is of the scenario's clock. Raises NoCapture where a file is missing.
    """
    result = _json(folder / "result.json")
    lines = (folder / "decisions.jsonl").read_text().splitlines()
    decisions = [json.loads(line) for line in lines]
    # What the prober saw and confirmed was said of no frame: it goes in, not out.
    live = Counter(_essence_of(line) for line in decisions if not _of_prober(line))
    again: Counter[Essence] = Counter()
    of_all: set[Essence] = set()
    missing = 0
    exchanges = {name for moment in result["timeline"] for name in moment["since"]}
    for exchange in sorted(exchanges):
        # A policy that goes on has the same moment again.
        names = {
            moment["since"][exchange]: moment["policies"][exchange]
            for moment in result["timeline"]
            if exchange in moment["since"]
        }
        exposed = [
            line
            for line in decisions
            if line["verdict"] == Verdict.EXPOSED and line["exchange"] == exchange
        ]
        timeline = [policies[name] for name in names.values()]
        probers = [ip_network(one) for one in result.get("probers", ())]
        seed = result["seed"]
        run = _Run(folder, exchange, timeline, rate, seed, exposed, probers)
        given = run.sequence(only_given=True)
        missing += given.missing
        again.update(run.decided(given))
        of_all.update(e[:-1] for e in run.decided(run.sequence(only_given=False)))
    misled = of_all.symmetric_difference(e[:-1] for e in live)
    same = sum((live & again).values())
    return Difference(live - again, again - live, misled, missing, same)


class Exposure(NamedTuple):
    """A server that came onto a list, and when by the engine's clock."""

    rule: Rule
    key: FlowKey
    finding: dict[str, str]
    time: float


@dataclass(frozen=True, slots=True)
class _Run:
    """One exchange of a run."""

    folder: Path
    exchange: str
    timeline: Sequence[Policy]
    rate: float
    seed: int
    exposed: Sequence[Mapping[str, Any]]  # servers that the prober had confirmed
    probers: Sequence[Network]

    def sequence(self, only_given: bool) -> Sequenced:
        """What it was given, or what passed it, under each of its policies."""
        captures = [read(path) for path in _captures(self.folder, self.exchange)]
        given = path_in(self.folder, self.exchange)
        try:
            records = list(read_given(given))
        except OSError:
            raise NoCapture(f"{given}: error: there is no such file") from None
        feed = self._unprobed(feed_of(captures, self.rate))
        return in_order(feed, records, self.rate, only_given)

    def _unprobed(self, feed: Feed) -> Feed:
        """Without the frames of the probers, which pass whatever the policy says."""
        if not self.probers:
            return feed
        rows = [
            row for row in range(len(feed.index)) if not self._is_probers(feed, row)
        ]
        chosen = np.array(rows, np.int64)
        return picked(feed, chosen, feed.seconds[chosen])

    def _is_probers(self, feed: Feed, row: int) -> bool:
        packet = dissect(ethernet_frame(feed.index, row))
        ends = () if packet is None else (packet.src, packet.dst)
        return any(inside_of(address, self.probers) for address in ends)

    def decided(self, sequenced: Sequenced) -> Iterator[Essence]:
        """Each decision of its engines over these frames."""
        chance = random.Random(f"{self.seed} {self.exchange}").random
        began = 0.0
        for policy, act in zip(self.timeline, sequenced.acts, strict=True):
            engine = Engine(policy, chance)
            rules = {str(rule.source): rule for rule in policy.rules}
            exposed = [
                Exposure(
                    rules[e["source"]], _key_of(e["flow"]), e["finding"], e["time"]
                )
                for e in self.exposed
                if began <= e["time"] < act.until
            ]
            began = act.until
            for line, frame in _decided(act, engine, self.exchange, exposed):
                said = line | {"exchange": self.exchange, "policy": policy.name}
                yield essence(said, frame)


def _captures(folder: Path, exchange: str) -> list[Path]:
    return [folder / f"{exchange}-{side}.pcapng" for side in SIDES]


def _decided(
    act: Act, engine: Engine, exchange: str, exposed: Sequence[Exposure]
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Each decision under one policy, and the digest of the frame that it fell on."""
    names = [path.name for path in _captures(Path(), exchange)]
    feed = act.feed
    places = zip(feed.captures.tolist(), feed.numbers.tolist(), strict=True)
    digests = dict(zip(places, act.digests, strict=True))
    teller, low = Teller(names, Passage(feed, engine)), 0
    for exposure in [*exposed, None]:
        high = len(feed.index)
        if exposure is not None:
            high = int(np.searchsorted(feed.seconds, exposure.time, "right"))
        for told in teller.tell(low, high):
            if told.decision is not None:
                place = names.index(told.capture), told.frame
                yield told.as_json(), digests[place]
        low = high
        if exposure is not None:
            engine.expose(*exposure)


def _of_prober(line: Mapping[str, str]) -> bool:
    return line["action"] in _OF_PROBER


def _key_of(flow: Mapping[str, Any]) -> FlowKey:
    named = flow["protocol"]
    numbers = {name: number for number, name in PROTOCOL_NAMES.items()}
    return FlowKey(
        numbers[named] if named in numbers else int(named),
        ip_address(flow["client"]).packed,
        flow["client_port"],
        ip_address(flow["server"]).packed,
        flow["server_port"],
    )


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
