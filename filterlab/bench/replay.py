"""Replays synthetic captures under policies of several weights, and weighs them.

    python -m filterlab.bench.replay FOLDER ANSWER.json

One round: frames a second for each capture and policy, what a list of a million names
costs to load and to hold, and what a million half-open flows do. A process of its
own, so that what was held before is not weighed again.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filterlab.bench.asked import asked
from filterlab.bench.traffic import Ends, Traffic, write_pcap
from filterlab.policy.effects import Side
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Policy
from filterlab.replay.story import Replay
from filterlab.scenario.policies import load_policy

FRAMES, FLOWS, BULK_FLOWS = 100_000, 5_000, 100
NAMES = {"10 names": 10, "1,000,000 names": 1_000_000}
HALF_OPEN = 1_000_000
_LIST = """title: A list
rules:
  - {{when: {{tls.sni: {{file: "{name}.txt"}}}}, then: drop}}
"""
_POLICIES = {
    "no rules": "title: No rules\n",
    # QUIC is opened, as a box does that means all of it.
    "every recogniser": "title: All\nstack: {quic: {}}\n"
    "rules:\n  - then: allow\n    when:\n      any:\n",
}
_MILLION = "1,000,000 names"
_POLICY_NAMES = (*_POLICIES, *NAMES)
# Of each figure: its key in a round, its name, unit, how many make one, and the aim.
FIGURES = (
    *(
        (f"mix {policy}", f"replay of a mix, {policy}", "frames/s", 1.0, aim)
        for policy, aim in zip(_POLICY_NAMES, ("", ">= 100,000", "", ""), strict=True)
    ),
    *(
        (f"bulk {policy}", f"replay of bulk, {policy}", "frames/s", 1.0, ">= 500,000")
        for policy in _POLICY_NAMES
    ),
    ("ratio", "time with 1,000,000 names / with 10", "", 1.0, "<= 1.1"),
    (f"load {_MILLION}", "1,000,000 names, loaded", "s", 1.0, "<= 3"),
    (f"hold {_MILLION}", "1,000,000 names, held", "MB", 1e6, "<= 300"),
    ("half-open flows", "half-open flows held", "", 1.0, "1,000,000"),
    ("half-open bytes", "memory that they take", "MB", 1e6, "< 1,000"),
    ("half-open left", "half-open flows left, once idle", "", 1.0, "0"),
)


def prepare(folder: Path) -> None:
    """Write the captures and policies that every round uses."""
    write_pcap(folder / "mix.pcap", Traffic(FLOWS, FRAMES).mixed())
    write_pcap(folder / "bulk.pcap", Traffic(BULK_FLOWS, FRAMES).bulk())
    for name, text in _POLICIES.items():
        parts = asked() if "any:" in text else ()
        lines = (f"        - {{{key}: {value}}}\n" for key, value in parts)
        (folder / f"{name}.yaml").write_text(text + "".join(lines))
    for name, count in NAMES.items():
        with (folder / f"{name}.txt").open("w") as file:
            for number in range(count):
                below = "*." if number % 10 == 0 else ""
                file.write(f"{below}h{number * 7919 % 1_000_003}.list.example\n")
        (folder / f"{name}.yaml").write_text(_LIST.format(name=name))


def measure(folder: Path) -> dict[str, float]:
    """One round."""
    found: dict[str, float] = {}
    for policy_name in _POLICY_NAMES:
        before = _resident_bytes()
        started = time.perf_counter()
        policy = load_policy(folder / f"{policy_name}.yaml")
        found[f"load {policy_name}"] = time.perf_counter() - started
        found[f"hold {policy_name}"] = _resident_bytes() - before
        for capture in ("mix", "bulk"):
            found[f"{capture} {policy_name}"] = _rate(folder, capture, policy)
    ten = load_policy(folder / "10 names.yaml")
    # In turns, so that a busy moment of the machine falls on both.
    pairs = [
        (_rate(folder, "mix", ten), _rate(folder, "mix", policy)) for _ in range(5)
    ]
    found["ratio"] = sorted(few / many for few, many in pairs)[2]
    return found | half_open(ten, HALF_OPEN)


def half_open(policy: Policy, count: int) -> dict[str, float]:
    """What a flood of SYNs from as many clients costs, and what is left of it."""
    engine = Engine(policy, lambda: 0.5)
    before = _resident_bytes()
    now = 1_700_000_000.0
    for number, frame in enumerate(_syns(count)):
        engine.receive(frame, now + number * 1e-5, Side.INSIDE)
    held, flows = _resident_bytes() - before, engine.flow_count
    engine.expire(now + count * 1e-5 + policy.stack.idle_seconds + 1)
    return {
        "half-open flows": flows,
        "half-open bytes": held,
        "half-open left": engine.flow_count,
    }


def _syns(count: int) -> Iterator[bytes]:
    for number in range(count):
        client, port = 0x64400000 + number // 50_000, 10_000 + number % 50_000
        yield Ends(client, port, 0xC6120005, 443).tcp(b"", True, 2)


def _rate(folder: Path, capture: str, policy: Policy) -> float:
    replay = Replay(policy, [folder / f"{capture}.pcap"])
    for _ in replay:
        pass
    return replay.summary.frames / replay.summary.seconds


def _resident_bytes() -> int:
    """What this process holds (proc(5), statm), rubbish taken away."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main() -> None:
    """One round, for `filterlab bench replay`."""
    folder, answer = map(Path, sys.argv[1:])
    answer.write_text(json.dumps(measure(folder)))


if __name__ == "__main__":
    main()
