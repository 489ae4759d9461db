"""An exchange that suspects, probes and lists, before a switch in Python."""

import json
from ipaddress import IPv4Address
from typing import Any

from filterlab.policy import effects
from filterlab.policy.effects import (
    DropFrame,
    Forward,
)
from filterlab.policy.rules import (
    Position,
    Probe,
    Residual,
    Rule,
)
from tests.openflow.frames import FLOW, INSIDE, OUTSIDE, to_server
from tests.openflow.scripted import (
    PROBERS,
    SERVER,
    SOURCE,
    Lab,
)

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
    visit = FLOW._replace(client=IPv4Address(PROBERS[0]).packed, server_port=1)
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
