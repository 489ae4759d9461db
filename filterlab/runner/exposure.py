"""Works out what an operator's log would hold of every probe, from a run's captures.

    captures, inside -> connections with what recognisers found -> those of each probe

No policy of the run needs to record: the rules of a log policy read the captures
afterwards, and the bytes are those of the frames. If one does, it is that one's rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from filterlab.inspection.flow import PROTOCOL_NAMES
from filterlab.inspection.packet import dissect
from filterlab.openflow.ledger import ETHERNET_BYTES
from filterlab.policy.effects import Record, Side
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Policy
from filterlab.records.reading import Reading
from filterlab.records.reading import read as read_finding
from filterlab.replay.feed import feed_of
from filterlab.replay.headers import ethernet_frame
from filterlab.replay.story import read
from filterlab.report.cell import Cell
from filterlab.report.exposure import Exposure
from filterlab.runner.plan import Plan, PlannedProbe
from filterlab.scenario import content
from filterlab.scenario.policies import load_policy
from filterlab.scenario.schema import Scenario

# It asks every recogniser, and for every name.
_LOG_POLICY = "by-2016-click-log"

_Ends = tuple[str, str, int, str, int]  # protocol, inside and its port, outside and its


@dataclass(slots=True)
class Connection:
    """A connection as it stands in a capture."""

    ends: _Ends
    start: float
    end: float
    sums: list[int] = field(default_factory=lambda: [0, 0])  # bytes up, bytes down
    finding: dict[str, str] = field(default_factory=dict)

    @property
    def reading(self) -> Reading:
        """What a log says of it."""
        return read_finding(self.finding)


def wants_exposure(scenario: Scenario) -> bool:
    """Whether a scenario asks for the table, or expects anything of it."""
    return scenario.exposure or any(e.exposes or e.known_as for e in scenario.expect)


def exposures(
    plan: Plan,
    cells: Iterable[Cell],
    timeline: Sequence[Mapping[str, Any]],
    captures: Iterable[Path],
    leases: Mapping[str, str],
) -> list[Exposure]:
    """A row for each cell; raises NoCapture for a file that cannot be read.

    `leases` says which probe had which address behind the exit of its tool.
    """
    inside = [path for path in captures if path.stem.endswith(f"-{Side.INSIDE}")]
    policy = log_policy(plan.scenario)
    passed = [one for path in inside for one in connections(path, policy)]
    starts = [float(moment["began"]) for moment in timeline]
    ends = [*starts[1:], float("inf")]
    when = {
        str(moment["phase"]): span
        for moment, span in zip(timeline, zip(starts, ends, strict=True), strict=True)
    }
    planned = {one.name: one for one in plan.probes}
    return [
        _exposure(
            plan,
            planned[cell.probe],
            cell,
            _own(plan, cell, planned, passed, w, leases),
        )
        for cell in cells
        if (w := when.get(cell.phase)) is not None
    ]


def log_policy(scenario: Scenario) -> Policy:
    """The scenario's own policy that keeps records; without one, the most curious."""
    own = (policy for policy in scenario.policies.values() if policy.records)
    found = next(own, None)
    return found or load_policy(content.policies()[_LOG_POLICY])


def connections(capture: Path, policy: Policy) -> Iterator[Connection]:
    """Every connection of one side's capture, with what a policy would record of it."""
    engine = Engine(policy, lambda: 0.0)
    feed = feed_of([read(capture)])
    open_: dict[_Ends, Connection] = {}
    for row in range(len(feed.index)):
        frame, now = ethernet_frame(feed.index, row), float(feed.seconds[row])
        packet = dissect(frame)
        side = feed.side(row)
        if packet is None or side is None:
            continue
        src, dst = (packet.src, packet.src_port), (packet.dst, packet.dst_port)
        near, far = (src, dst) if side is Side.INSIDE else (dst, src)
        found = _find(open_, packet.protocol, near, far, now)
        found.sums[side is Side.OUTSIDE] += len(frame) - ETHERNET_BYTES
        for effect in engine.receive(frame, now, side):
            if isinstance(effect, Record):
                found.finding.update(effect.finding)
    yield from open_.values()


def _find(
    open_: dict[_Ends, Connection],
    protocol: int,
    near: tuple[bytes, int],
    far: tuple[bytes, int],
    now: float,
) -> Connection:
    name = PROTOCOL_NAMES.get(protocol, str(protocol))
    inside, outside = str(ip_address(near[0])), str(ip_address(far[0]))
    ends = (name, inside, near[1], outside, far[1])
    found = open_.setdefault(ends, Connection(ends, now, now))
    found.end = now
    return found


def _own(
    plan: Plan,
    cell: Cell,
    planned: Mapping[str, PlannedProbe],
    passed: Iterable[Connection],
    when: tuple[float, float],
    leases: Mapping[str, str],
) -> list[Connection]:
    """The connections of a probe in a phase.

    One through a tool has a device of its own, and perhaps an address behind the
    tool's exit; any other shares its client's host, and its own sockets say which ones
    are its.
    """
    probe = planned[cell.probe]
    began, ended = when
    present = [c for c in passed if c.end >= began and c.start < ended]
    if probe.passage is not None:
        addresses = plan.addresses(probe.client)
        addresses += [one for one, name in leases.items() if name == cell.probe]
        return [c for c in present if c.ends[1] in addresses]
    opened = {
        (e.protocol, e.source, e.source_port, e.destination, e.destination_port)
        for attempt in cell.attempts
        for e in attempt.result.endpoints
    }
    return [c for c in present if c.ends in opened]


def _exposure(
    plan: Plan, probe: PlannedProbe, cell: Cell, own: Sequence[Connection]
) -> Exposure:
    site = plan.addresses(probe.target)
    readings = [connection.reading for connection in own]
    names = {reading.site_name for reading in readings if reading.site_name}
    protocols = {reading.protocol for reading in readings if reading.protocol}
    # A question for the name comes before nearly everything, and says little of it.
    telling = sorted(protocols - {"dns"} or protocols)
    return Exposure(
        cell.probe,
        cell.phase,
        _seen(probe.probe.host, site, own, readings),
        tuple(sorted(names)),
        tuple(dict.fromkeys(connection.ends[3] for connection in own)),
        ", ".join(telling) or None,
        sum(connection.sums[0] for connection in own),
        sum(connection.sums[1] for connection in own),
    )


def _seen(
    host: str,
    site: Collection[str],
    own: Sequence[Connection],
    readings: Sequence[Reading],
) -> str:
    """The most that is seen of the site."""
    if any(r.site_name == host and r.hidden != "ech" for r in readings):
        return "site"
    if any(reading.hidden == "ech" for reading in readings):
        return "cover"
    if any(connection.ends[3] in site for connection in own):
        return "address"
    return "tunnel" if own else "nothing"
