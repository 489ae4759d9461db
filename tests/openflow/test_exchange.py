"""An exchange between a scripted engine and a switch in Python."""

import itertools
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha1
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from filterlab.captures.given import GivenLog, path_in
from filterlab.inspection.flow import FlowKey
from filterlab.openflow import tables, wire
from filterlab.openflow.decisions import DecisionLog
from filterlab.openflow.exchange import Exchange
from filterlab.openflow.tables import StaticMatch, Table
from filterlab.openflow.timers import Clock
from filterlab.policy import effects
from filterlab.policy.effects import (
    DropFrame,
    Effect,
    Forward,
    Inject,
    Limit,
    Log,
    Settle,
    Side,
)
from filterlab.policy.rules import (
    Drop,
    Policy,
    Position,
    Probe,
    Residual,
    Rule,
    Source,
)
from filterlab.policy.static import StaticMatch as Listed
from filterlab.policy.verdict import Decision, Verdict
from tests.openflow.fake_switch import FakeSwitch, packet_in
from tests.openflow.frames import FLOW, INSIDE, OUTSIDE, PORTS, to_client, to_server

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


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.log.close()
    made.given.close()


def log() -> Log:
    return Log(
        Decision(1.0, Verdict.BLOCK, "r", "policy.yaml:3", "reset", FLOW, {}, 1, 9)
    )


def test_a_switch_is_ready_when_it_has_answered_the_barrier(lab: Lab) -> None:
    assert lab.ready.is_set()
    assert lab.switch.history[-1] == wire.BARRIER_REQUEST
    assert lab.arrive(to_server(), INSIDE) == [OUTSIDE]
    assert lab.arrive(to_client(), OUTSIDE) == [INSIDE]


def test_a_held_frame_leaves_once_when_the_engine_lets_it(lab: Lab) -> None:
    lab.put(Position.IN_PATH, Forward())
    assert lab.arrive(to_server(), INSIDE) == [OUTSIDE]
    assert lab.engines[0].seen == [(to_server(), Side.INSIDE)]
    assert lab.arrive(to_client(), OUTSIDE) == [INSIDE]
    assert lab.engines[0].seen[1][1] is Side.OUTSIDE


def test_a_dropped_frame_leaves_nowhere(lab: Lab) -> None:
    lab.put(Position.IN_PATH, DropFrame())
    assert lab.arrive(to_server(), INSIDE) == []


def test_a_copied_frame_is_not_sent_a_second_time(lab: Lab) -> None:
    lab.put(Position.ON_PATH)
    assert lab.arrive(to_server(), INSIDE) == [OUTSIDE]


def test_a_settled_flow_is_in_the_switch_before_its_frame_goes_on(lab: Lab) -> None:
    lab.put(Position.IN_PATH, Settle(FLOW, "forward"), Forward())
    lab.switch.history.clear()
    assert lab.arrive(to_server(), INSIDE) == [OUTSIDE]
    assert lab.switch.history == [wire.FLOW_MOD, wire.FLOW_MOD, wire.PACKET_OUT]
    assert lab.arrive(to_server(), INSIDE) == [OUTSIDE]
    assert len(lab.engines[0].seen) == 1


def test_forged_frames_leave_towards_their_side(lab: Lab) -> None:
    back = to_server(flags="R")
    lab.put(
        Position.IN_PATH,
        Inject(FORGED, Side.INSIDE),
        Inject(back, Side.OUTSIDE),
        DropFrame(),
    )
    lab.arrive(to_server(), INSIDE)
    assert lab.switch.sent == [(INSIDE, FORGED), (OUTSIDE, back)]
    assert lab.exchange.injected == 2


def test_a_late_forged_frame_leaves_at_its_time(lab: Lab) -> None:
    lab.put(Position.ON_PATH, Inject(FORGED, Side.INSIDE, delay_seconds=0.25))
    lab.arrive(to_server(), INSIDE)
    assert lab.switch.sent == []
    ((seconds, call),) = lab.timers.calls
    call()
    assert (seconds, lab.switch.sent) == (0.25, [(INSIDE, FORGED)])


def test_flows_of_one_share_have_one_meter(lab: Lab) -> None:
    limit = Limit(150, 300, "rule r")
    lab.put(Position.IN_PATH, Settle(FLOW, "limit", limit=limit), Forward())
    lab.arrive(to_server(flags="S"), INSIDE)
    lab.arrive(to_server(flags="S"), INSIDE)
    meters = {n: m for n, m in lab.switch.meters.items() if n != tables.LOG_METER}
    assert list(meters.values()) == [(150, 300)]
    assert lab.switch.where(to_server(), INSIDE).meters == list(meters)


def test_a_meter_goes_with_the_last_entry_through_it(lab: Lab) -> None:
    limit = Limit(150, 300, "flow")
    lab.put(Position.IN_PATH, Settle(FLOW, "limit", limit=limit), Forward())
    lab.arrive(to_server(), INSIDE)
    cookie = next(e.cookie for e in lab.switch.entries if e.cookie & tables.METER_MASK)
    gone = (
        wire.HEADER.pack(4, wire.FLOW_REMOVED, 56, 0) + cookie.to_bytes(8) + bytes(40)
    )
    lab.exchange.received([gone])
    assert len(lab.switch.meters) == 2
    lab.exchange.received([gone])
    assert list(lab.switch.meters) == [tables.LOG_METER]


def test_a_block_ends_at_its_moment_on_the_scenario_clock(tmp_path: Path) -> None:
    lab = Lab(tmp_path, clock_rate=60.0)
    lab.put(Position.IN_PATH, Settle(FLOW, "drop", seconds=90.0), DropFrame())
    lab.arrive(to_server(), INSIDE)
    assert lab.switch.where(to_server(), INSIDE).controller_cookies == []
    ((seconds, call),) = lab.timers.calls
    assert seconds == 1.5
    call()
    assert lab.switch.where(to_server(), INSIDE).held
    lab.log.close()


def test_a_block_that_was_prolonged_does_not_end_early(lab: Lab) -> None:
    lab.put(Position.IN_PATH, Settle(FLOW, "drop", seconds=1.5), DropFrame())
    message = next(lab.switch.packet_ins(to_server(), INSIDE))
    lab.exchange.received([message])
    lab.timers.clock.moment += 0.5
    lab.exchange.received([message])
    first, second = (call for _, call in lab.timers.calls)
    first()
    assert not lab.switch.where(to_server(), INSIDE).held
    second()
    assert lab.switch.where(to_server(), INSIDE).held


def test_a_static_drop_is_logged_once_and_then_silent(lab: Lab) -> None:
    lab.forbidden = [Listed(dst_net=IPv4Network("198.18.0.0/15"))]
    lab.put(Position.IN_PATH, Settle(FLOW, "drop"), DropFrame(), log())
    assert lab.arrive(to_server(), INSIDE) == []
    assert lab.arrive(to_server(), INSIDE) == []
    assert len(lab.decisions.read_text().splitlines()) == 1


def test_a_decision_says_where_when_and_on_which_frame(lab: Lab) -> None:
    lab.put(Position.IN_PATH, DropFrame(), log())
    lab.arrive(to_server(b"hello"), INSIDE)
    line = json.loads(lab.decisions.read_text())
    assert (line["exchange"], line["policy"], line["rule"]) == ("ntec", "p", "r")
    assert line["frame_bytes_sha1"] == sha1(to_server(b"hello")).hexdigest()


# --- a change of policy ----------------------------------------------------------


def test_running_flows_are_looked_at_again_under_a_new_policy(lab: Lab) -> None:
    lab.put(Position.IN_PATH, Settle(FLOW, "forward"), Forward())
    lab.arrive(to_server(), INSIDE)
    lab.put(Position.IN_PATH, DropFrame())
    assert lab.arrive(to_server(), INSIDE) == []
    assert len(lab.engines[1].seen) == 1


def test_nothing_of_an_old_policy_stays_behind(lab: Lab) -> None:
    fixed = len(lab.switch.entries)
    lab.forbidden = [Listed(dst_net=IPv4Network("203.0.113.0/24"))]
    limit = Limit(150, 300, "flow")
    lab.put(Position.IN_PATH, Settle(FLOW, "limit", limit=limit), Forward())
    lab.arrive(to_server(), INSIDE)
    assert len(lab.switch.entries) == fixed + 4
    lab.forbidden = []
    lab.put(Position.IN_PATH, rules=False)
    assert len(lab.switch.entries) == fixed
    assert list(lab.switch.meters) == [tables.LOG_METER]


def test_what_both_policies_forbid_is_forbidden_throughout(lab: Lab) -> None:
    lab.forbidden = [Listed(dst_net=IPv4Network("198.18.0.0/15"))]
    lab.put(Position.IN_PATH, DropFrame())
    apply, seen = lab.switch.apply, []

    def watch(stream: bytes) -> None:
        apply(stream)
        seen.append(lab.switch.where(to_server(), INSIDE).ports)

    lab.exchange._send = watch
    lab.put(Position.IN_PATH, DropFrame())
    assert seen and not any(seen)


def test_done_is_said_only_when_the_switch_is_done(lab: Lab) -> None:
    done = threading.Event()
    lab.exchange.set_policy(policy(Position.IN_PATH), done.set)
    assert not done.is_set()
    lab.answer()
    assert done.is_set()


@pytest.mark.parametrize(
    ("old", "new", "effects", "leaves"),
    [
        (Position.IN_PATH, Position.IN_PATH, [Forward()], [OUTSIDE]),
        (Position.IN_PATH, Position.IN_PATH, [DropFrame()], []),
        (Position.IN_PATH, Position.ON_PATH, [], [OUTSIDE]),
        (Position.ON_PATH, Position.IN_PATH, [Forward()], []),
        (Position.ON_PATH, Position.IN_PATH, [DropFrame()], []),
    ],
)
def test_a_frame_caught_in_a_change_leaves_once_in_all(
    lab: Lab, old: Position, new: Position, effects: list[Effect], leaves: list[int]
) -> None:
    """What the controller sends for it; a copied frame has gone on already."""
    lab.put(old, Forward())
    on_its_way = list(lab.switch.packet_ins(to_server(), INSIDE))
    lab.put(new, *effects)
    lab.exchange.received(on_its_way)
    assert [port for port, _ in lab.switch.sent] == leaves


def test_a_frame_held_when_the_policy_ends_goes_on(lab: Lab) -> None:
    lab.put(Position.IN_PATH, DropFrame())
    on_its_way = list(lab.switch.packet_ins(to_server(), INSIDE))
    lab.put(Position.IN_PATH, rules=False)
    lab.exchange.received(on_its_way)
    assert lab.switch.sent == [(OUTSIDE, to_server())]


def test_a_switch_that_comes_back_gets_the_policy_in_force(lab: Lab) -> None:
    lab.forbidden = [Listed(dst_net=IPv4Network("203.0.113.0/24"))]
    lab.put(Position.IN_PATH, DropFrame())
    lab.switch.entries.clear()
    lab.exchange.connect(lab.switch.apply, lambda: None)
    assert lab.switch.where(to_server(), INSIDE).held
    way = lab.switch.where(to_server(dst="203.0.113.9"), INSIDE)
    assert way.controller_tables == [Table.ADDRESS]


def test_a_refused_message_is_an_error_and_no_silence(lab: Lab) -> None:
    refusal = wire.HEADER.pack(4, wire.ERROR, 16, 0) + bytes([0, 5, 0, 1]) + bytes(4)
    with pytest.raises(wire.RefusedError, match=r"ntec refused .* type 5 code 1"):
        lab.exchange.received([refusal])


def test_counters_come_from_the_switch_and_the_engine(lab: Lab) -> None:
    lab.put(Position.IN_PATH, Forward())
    lab.exchange.received([packet_in(to_server(), INSIDE, 3, 1 << 32 | tables.HELD)])
    counts: list[dict[str, object]] = []
    asked: list[bytes] = []
    lab.exchange._send = asked.append
    lab.exchange.count(counts.append)
    reply = bytes([4, wire.MULTIPART_REPLY]) + asked[0][2:8] + bytes(8)
    lab.exchange.received([reply + bytes([2]) + bytes(3) + (7).to_bytes(4) + bytes(16)])
    assert counts[0]["packets_in"] == 1
    assert counts[0]["flows"] == 1
    assert counts[0]["entries"]["verdict"] == 7  # type: ignore[index]


# --- the active prober -------------------------------------------------------------

SUSPICION = Rule(
    "suspicion",
    SOURCE,
    None,
    Probe(("openvpn",), 2.0, 300.0, block=Residual("server-port", 60.0)),
)


def suspect(lab: Lab) -> None:
    """Two frames that give the same server away."""
    found = effects.Probe(FLOW, {"protocol": "openvpn"}, SUSPICION)
    lab.put(Position.IN_PATH, found, Forward())
    lab.arrive(to_server(), INSIDE)
    lab.arrive(to_server(), INSIDE)


def lines(lab: Lab) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lab.decisions.read_text().splitlines()]


def test_a_suspect_is_looked_at_once_and_after_its_delay(lab: Lab) -> None:
    suspect(lab)
    ((seconds, ask),) = lab.timers.calls
    assert seconds == 2.0
    assert [request["event"] for request in lab.asked] == ["suspect"]
    ask()
    request = lab.asked[-1]
    assert request["event"] == "probe"
    assert request["kinds"] == ["openvpn"]
    assert (request["address"], request["port"]) == (str(SERVER), FLOW.server_port)
    # Of a prober's own visit nothing is to be learned.
    visit = replace(FLOW, client=IPv4Address(PROBERS[0]).packed, server_port=1)
    lab.put(Position.IN_PATH, effects.Probe(visit, {}, SUSPICION), Forward())
    lab.arrive(to_server(), INSIDE)
    assert len(lab.timers.calls) == 1


def test_what_is_confirmed_is_listed_after_its_lag(lab: Lab) -> None:
    suspect(lab)
    lab.exchange.probed(1, {"openvpn reset": "D 40"}, "openvpn")
    (told,) = lines(lab)
    assert (told["verdict"], told["action"]) == ("probe", "probed")
    assert told["finding"]["openvpn reset"] == "D 40"
    seconds, expose = lab.timers.calls[-1]
    assert seconds == 300.0
    assert lab.engines[0].exposed == []
    expose()
    ((rule, why),) = lab.engines[0].exposed
    assert rule is SUSPICION
    assert why["exposed"] == f"openvpn at {SERVER} tcp {FLOW.server_port}"


def test_what_is_not_confirmed_is_only_noted(lab: Lab) -> None:
    suspect(lab)
    before = len(lab.timers.calls)
    lab.exchange.probed(1, {"openvpn reset": "T"}, None)
    assert lines(lab)[0]["finding"]["prober"] == "nothing proved"
    assert len(lab.timers.calls) == before


def test_a_policy_that_has_gone_lists_nothing(lab: Lab) -> None:
    suspect(lab)
    lab.exchange.probed(1, {}, "openvpn")
    lab.put(Position.IN_PATH, Forward())
    lab.timers.calls[-1][1]()
    assert not any(engine.exposed for engine in lab.engines)


def test_probers_pass_whatever_the_policy_says(lab: Lab) -> None:
    lab.put(Position.IN_PATH, DropFrame())
    own = IPv4Address(PROBERS[0]).packed
    frame = to_server()
    frame = frame[:26] + own + frame[30:]
    assert lab.switch.where(frame, INSIDE).ports == [OUTSIDE]
    assert not list(lab.switch.packet_ins(frame, INSIDE))


def test_a_policy_that_is_in_force_goes_on(lab: Lab) -> None:
    one = policy(Position.IN_PATH)
    done = threading.Event()
    lab.exchange.set_policy(one, lambda: None)
    lab.answer()
    lab.exchange.set_policy(one, done.set)
    lab.answer()
    assert done.is_set()
    assert len(lab.engines) == 1


def test_the_switch_tells_of_what_a_wide_block_drops(lab: Lab) -> None:
    lab.put(Position.IN_PATH, Settle(FLOW, "drop", "server-port", seconds=60.0))
    lab.arrive(to_server(), INSIDE)
    way = lab.switch.where(to_server(), INSIDE)
    assert way.ports == []
    assert way.controller_cookies
