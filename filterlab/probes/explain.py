"""Finds the decisions of an exchange that explain what happened to a probe.

A decision explains a probe if it blocked or throttled a flow of the probe: the same
four ends, or (residual blocking strikes later flows that nobody looks into) the same
two hosts and server port, or the same two hosts; or if it was about a DNS question
for the probe's target, which a resolver may have asked in the client's place, or, if
no answer came at all, about any question of the client's resolver; or if it stands
for all flows (`flow` is null).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from filterlab.probes.result import Endpoint, ProbeResult

Line = Mapping[str, Any]  # of decisions.jsonl

_EXPLAINING_VERDICTS = ("block", "throttle")
# These end with the flow that they strike, so they cannot explain another one: that
# has a decision of its own, which may be written a moment later.
_OF_ONE_FLOW = ("inject_dns", "inject_http", "redirect", "throttle")
_DNS_PORT = 53  # IANA: domain
# How well a decision fits, best first.
_SAME_FLOW, _SAME_NAME, _SAME_PORT, _SAME_HOSTS, _STANDING = range(5)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explaining decisions, the best first, and what the best one says."""

    indices: tuple[int, ...] = ()
    rule: str | None = None
    action: str | None = None
    finding: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @classmethod
    def of(
        cls,
        result: ProbeResult,
        decisions: Mapping[int, Line] | None,
        target: str,
        client_addresses: Collection[str] = (),
        resolver_addresses: Collection[str] = (),
    ) -> Explanation:
        """The explanation of `result` that `decisions` hold."""
        graded: list[tuple[int, int, int]] = []
        step = result.failed_step
        asking = resolver_addresses if step is not None and step.name == "dns" else ()
        for index, line in (decisions or {}).items():
            if line["verdict"] not in _EXPLAINING_VERDICTS:
                continue
            grade = _grade(line, result.endpoints, target, client_addresses)
            if grade is None and _asks(line, asking):
                grade = _SAME_NAME
            if grade is not None:
                order = _order_of_flow(line, result.endpoints)
                graded.append((grade, -order, index))
        if not graded or decisions is None:
            return cls()
        graded.sort()
        best = decisions[graded[0][2]]
        found = ", ".join(f"{k} = {v}" for k, v in best["finding"].items())
        text = f': rule "{best["rule"]}" ({best["source"]})'
        return cls(
            tuple(index for _, _, index in graded),
            best["source"],
            best["action"],
            best["finding"],
            f"{text} found {found}" if found else text,
        )


def _grade(
    line: Line,
    endpoints: Collection[Endpoint],
    target: str,
    client_addresses: Collection[str],
) -> int | None:
    flow = line["flow"]
    if flow is None:
        return _STANDING
    grades = [_fit(flow, line["action"], endpoint) for endpoint in endpoints]
    if flow["client"] in client_addresses or flow["server"] in client_addresses:
        grades.append(_SAME_FLOW)
    asked = line["finding"].get("dns.qry.name", "").rstrip(".").lower()
    if target and asked == target.rstrip(".").lower():
        grades.append(_SAME_NAME)
    return min((grade for grade in grades if grade is not None), default=None)


def _asks(line: Line, resolver_addresses: Collection[str]) -> bool:
    """Whether the decision is about a resolver's own questions to other servers."""
    flow = line["flow"]
    asked = flow is not None and flow["server_port"] == _DNS_PORT
    return asked and flow["client"] in resolver_addresses


def _fit(flow: Line, action: str, endpoint: Endpoint) -> int | None:
    protocol, source, source_port, destination, port = endpoint
    near, far = "client", "server"
    if flow["client"] == destination:  # an exchange that saw the answer first
        near, far = far, near
    if (flow[near], flow[far]) != (source, destination):
        return None
    same_port = (flow["protocol"], flow[f"{far}_port"]) == (protocol, port)
    if same_port and flow[f"{near}_port"] == source_port:
        return _SAME_FLOW
    if action in _OF_ONE_FLOW:
        return None
    return _SAME_PORT if same_port else _SAME_HOSTS


def _order_of_flow(line: Line, endpoints: Collection[Endpoint]) -> int:
    """The place of the decision's flow among the probe's: the last one failed."""
    flow = line["flow"]
    if flow is None:
        return -1
    ports = [endpoint.source_port for endpoint in endpoints]
    client_port = flow["client_port"]
    return ports.index(client_port) if client_port in ports else -1
