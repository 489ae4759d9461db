"""An exchange with a scripted engine, before a switch in Python, for tests."""

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from filterlab.captures.given import GivenLog, path_in
from filterlab.inspection.flow import FlowKey
from filterlab.openflow.decisions import DecisionLog
from filterlab.openflow.exchange import Exchange
from filterlab.openflow.tables import StaticMatch
from filterlab.openflow.timers import Clock
from filterlab.policy.effects import (
    Effect,
    Forward,
    Log,
    Side,
)
from filterlab.policy.rules import (
    Drop,
    Policy,
    Position,
    Rule,
    Source,
)
from filterlab.policy.verdict import Decision, Verdict
from tests.openflow.fake_switch import FakeSwitch
from tests.openflow.frames import FLOW, PORTS, to_client

SOURCE = Source("policy.yaml", 3)
SERVER = IPv4Address(FLOW.server)
_NUMBERS = itertools.count()
PROBERS = ("203.0.113.200",)
FORGED = to_client(flags="R")


class ScriptedEngine:
    """Answers every frame with the same effects."""

    flow_count = 1

    def __init__(self, effects: Iterable[Effect]):
        self.effects = list(effects)
        self.seen: list[tuple[bytes, Side]] = []
        self.exposed: list[tuple[Rule, dict[str, str]]] = []

    def receive(self, frame: bytes, now: float, side: Side) -> list[Effect]:
        self.seen.append((frame, side))
        return self.effects

    def expire(self, now: float) -> None:
        pass

    def expose(
        self, rule: Rule, key: FlowKey, why: dict[str, str], now: float
    ) -> list[Effect]:
        self.exposed.append((rule, why))
        return []


class HandClock(Clock):
    """A clock that the test moves."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate)
        self.moment = 1_000.0

    def now(self) -> float:
        return self.moment


class HandTimers:
    """Timers that the test sets off."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append((seconds, call))

    def at(self, moment: float, call: Callable[[], None]) -> None:
        self.after((moment - self.clock.now()) / self.clock.rate, call)

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        pass


class Lab:
    """One exchange with its switch."""

    def __init__(self, folder: Path, clock_rate: float = 1.0):
        self.switch = FakeSwitch()
        clock = HandClock(clock_rate)
        self.timers = HandTimers(clock)
        self.engines: list[ScriptedEngine] = []
        self.effects: list[Effect] = [Forward()]
        self.forbidden: list[StaticMatch] = []
        self.decisions = folder / "decisions.jsonl"
        self.log = DecisionLog(self.decisions)
        self.asked: list[Mapping[str, Any]] = []
        self.given = GivenLog(path_in(folder, "ntec"))
        self.exchange = Exchange(
            "ntec",
            PORTS,
            self.log,
            self.given,
            clock,
            self.timers,  # type: ignore[arg-type]
            self._engine,
            lambda policy: self.forbidden,
            self.asked.append,
            PROBERS,
        )
        self.ready = threading.Event()
        self.exchange.connect(self.switch.apply, self.ready.set)
        self.answer()

    def _engine(self, policy: Policy) -> ScriptedEngine:
        self.engines.append(ScriptedEngine(self.effects))
        return self.engines[-1]

    def answer(self) -> None:
        """Let the switch's answers reach the exchange."""
        replies, self.switch.replies = self.switch.replies, []
        self.exchange.received(replies)

    def put(self, position: Position, *effects: Effect, rules: bool = True) -> None:
        self.effects = list(effects)
        self.exchange.set_policy(policy(position, rules), lambda: None)
        self.answer()

    def arrive(self, frame: bytes, port: int) -> list[int]:
        """A frame comes; by which ports does it leave, all told?"""
        before = len(self.switch.sent)
        way = self.switch.where(frame, port)
        for message in self.switch.packet_ins(frame, port):
            self.exchange.received([message])
        sent = [p for p, sent in self.switch.sent[before:] if sent == frame]
        return way.ports + sent


def policy(position: Position, rules: bool = True) -> Policy:
    rule = Rule("r", SOURCE, None, Drop())
    # Each is another one: a policy that is in force already would just go on.
    title = f"p {next(_NUMBERS)}"
    return Policy("p", title, SOURCE, position, rules=(rule,) if rules else ())


def log() -> Log:
    """A decision to write down."""
    return Log(
        Decision(1.0, Verdict.BLOCK, "r", "policy.yaml:3", "reset", FLOW, {}, 1, 9)
    )
