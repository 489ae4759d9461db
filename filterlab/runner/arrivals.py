"""Says whose ClientHello reached a server, from captures at the client's and its side.

A server that is read by somebody in between can find that out: what arrives is the
hello of another program than the one that its visitors use. Which is told here as such
a server would tell it, by JA4 (FoxIO, technical_details/JA4.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from filterlab.inspection.fields import FIELDS
from filterlab.inspection.flow import FlowKey
from filterlab.policy.effects import Record, Side
from filterlab.policy.engine import Engine
from filterlab.policy.matching import ROOT
from filterlab.policy.rules import (
    Match,
    Names,
    Policy,
    Position,
    Rule,
    Source,
    Texts,
)
from filterlab.policy.rules import Record as ToRecord
from filterlab.replay.feed import feed_of
from filterlab.replay.headers import ethernet_frame
from filterlab.replay.story import read
from filterlab.report.arrival import Arrival
from filterlab.report.cell import Cell
from filterlab.runner.plan import Plan

_JA4, _SNI = FIELDS["tls.handshake.ja4"].key, FIELDS["tls.sni"].key
_ANY = Texts(("*",))
_ANY_NAME = Names(frozenset(), frozenset({ROOT}))
_HERE = Source(__name__, 1)
_TELLS_HELLOS = Policy(
    "hellos",
    "Notes every ClientHello",
    _HERE,
    Position.ON_PATH,
    rules=(
        Rule("fingerprint", _HERE, Match(_JA4, _ANY), ToRecord()),
        Rule("name", _HERE, Match(_SNI, _ANY_NAME), ToRecord()),
    ),
)


@dataclass(frozen=True, slots=True)
class Hello:
    """A ClientHello, and who sent it when to whom."""

    seconds: float
    source: str
    source_port: int
    destination: str
    ja4: str
    name: str


def wanted_at(plan: Plan) -> list[str]:
    """The nodes at which has to be captured what arrives."""
    about = {one.probe for one in plan.scenario.expect if one.arrives is not None}
    return list(dict.fromkeys(p.target for p in plan.probes if p.name in about))


def with_arrivals(
    plan: Plan, cells: Iterable[Cell], inside: Iterable[Path], at: Mapping[str, Path]
) -> list[Cell]:
    """The cells, each with what its server got, where that was captured.

    `at` are the captures of servers by their nodes. Raises NoCapture.
    """
    if not at:
        return list(cells)
    said = [hello for path in inside for hello in hellos(path)]
    heard = {node: list(hellos(path)) for node, path in at.items()}
    between = _between(plan)
    planned = {one.name: one for one in plan.probes}
    return [
        replace(cell, arrived=_arrival(cell, said, heard[target], between))
        if (target := planned[cell.probe].target) in heard
        else cell
        for cell in cells
    ]


def _between(plan: Plan) -> set[str]:
    """The addresses of those who can stand between a client and a server."""
    services = plan.scenario.services.items()
    nodes = [plan.node_of[n] for n, one in services if "interceptor" in one.speaks]
    return {address for node in nodes for address in plan.addresses(node)}


def _arrival(
    cell: Cell, said: list[Hello], heard: list[Hello], between: set[str]
) -> Arrival | None:
    result = cell.typical.result
    ends = {(e.source, e.source_port) for e in result.endpoints}
    own = next((h for h in said if (h.source, h.source_port) in ends), None)
    if own is None:
        return None
    straight = [h for h in heard if (h.source, h.source_port) in ends]
    if straight:
        return _heard(own, straight)
    # Somebody in between asked in its place: for the same name, while it waited.
    until = own.seconds + result.seconds
    others = [
        h for h in heard if h.name == own.name and own.seconds <= h.seconds <= until
    ]
    return _heard(own, [h for h in others if h.source in between])


def _heard(own: Hello, heard: Iterable[Hello]) -> Arrival:
    pairs = dict.fromkeys((hello.source, hello.ja4) for hello in heard)
    return Arrival(own.ja4, tuple(pairs))


def hellos(capture: Path) -> Iterator[Hello]:
    """Every ClientHello of a capture; raises NoCapture."""
    engine = Engine(_TELLS_HELLOS, lambda: 0.0)
    feed = feed_of([read(capture)])
    found: dict[FlowKey, dict[str, str]] = {}
    when: dict[FlowKey, float] = {}
    for row in range(len(feed.index)):
        frame, now = ethernet_frame(feed.index, row), float(feed.seconds[row])
        # No matter where it came from: whoever opens a flow is its client.
        for effect in engine.receive(frame, now, Side.INSIDE):
            if isinstance(effect, Record):
                found.setdefault(effect.flow, {}).update(effect.finding)
                when.setdefault(effect.flow, now)
    for flow, finding in found.items():
        ends = flow.as_json()
        yield Hello(
            when[flow],
            ends["client"],
            ends["client_port"],
            ends["server"],
            finding.get(_JA4, ""),
            finding.get(_SNI, ""),
        )
