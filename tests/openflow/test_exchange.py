"""An exchange between a scripted engine and a switch in Python."""

import json
import threading
from hashlib import sha1
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from filterlab.openflow import tables, wire
from filterlab.openflow.tables import Table
from filterlab.policy.effects import (
    DropFrame,
    Effect,
    Forward,
    Inject,
    Limit,
    Settle,
    Side,
)
from filterlab.policy.rules import (
    Position,
)
from filterlab.policy.static import StaticMatch as Listed
from tests.openflow.fake_switch import packet_in
from tests.openflow.frames import FLOW, INSIDE, OUTSIDE, to_client, to_server
from tests.openflow.scripted import (
    FORGED,
    Lab,
    log,
    policy,
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
