"""Holds what an answer decided about visits against what is true of them.

The visits of a hidden day are in `hidden/visits.json`: each with the flows that it is
made of (as OONI's endpoints: transport, client, port, server, port), what is wanted
(`blocked`, `passes`, or the `name` that can be known), and what to say if it is missed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filterlab.exercises.verdict import Point

Line = Mapping[str, Any]
_BLOCKS = ("block", "throttle")
# Of a site that is blocked in this way: where to look.
LOOK_AT = {
    "dns": "look at the answer to the question for its name: who is there?",
    "address": "look for the first packet that a server sends back.",
    "http": "look at the answer to the request without TLS, then at the other visit.",
    "tls": "look at what comes right after the ClientHello, and at the visit without.",
}
_NO_PAGE = (
    "a page that does not come is not slowed, and no use either. The server has to get"
    " every byte of the hello, in order, in records that say how long they are."
)
_SLOWED = (
    "the box has put the name together again. It joins what TCP has cut; what does it"
    " not join?"
)
# Of what can be known of a visit: where it stands, or what stands there instead.
MEANT = {
    "name": "its own name stands somewhere in the capture: in a question, a request,"
    " or a hello.",
    "cover": "a name stands in its hello, and it is not the site's.",
    "nothing": "no name of it stands anywhere: everything goes to one server.",
}


def visits(path: Path) -> list[dict[str, Any]]:
    """The visits of a day."""
    read: list[dict[str, Any]] = json.loads(path.read_text())
    return read


def blocked(day: Iterable[Mapping[str, Any]], lines: Sequence[Line]) -> list[Point]:
    """Whether each visit is stopped or passes as it should."""
    points = []
    for visit in day:
        struck = [one for one in _of(visit, lines) if one["verdict"] in _BLOCKS]
        came = "blocked" if struck else "passes"
        by = f"  {_by(struck[0])}" if struck else ""
        wanted = came == visit["want"]
        why = f"{_wanted(visit)} {visit.get('why', '')}".strip()
        points.append(Point(wanted, visit["visit"], came + by, why))
    return points


def named(day: Iterable[Mapping[str, Any]], lines: Sequence[Line]) -> list[Point]:
    """Whether what was written down of each visit has the name that can be known."""
    points = []
    for visit in day:
        noted = [one for one in _of(visit, lines) if one["action"] == "record"]
        values = {text for one in noted for text in one["finding"].values()}
        found = visit["name"] in values
        came = f"noted: {visit['name']}" if found else _noted(values)
        why = f"{visit['name']} could have been written down. {visit.get('why', '')}"
        points.append(Point(found, visit["visit"], came, why.strip()))
    return points


def crossed(visits: Iterable[Mapping[str, Any]]) -> list[Point]:
    """Whether each page came, and unslowed."""
    points = []
    for visit in visits:
        slowed = [one for one in visit["lines"] if one["verdict"] in _BLOCKS]
        if visit["failure"] is not None:
            came, why = visit["failure"], _NO_PAGE
        elif slowed:
            came, why = f"slowed  {_by(slowed[0])}", _SLOWED
        else:
            came, why = "whole, and not slowed", ""
        points.append(Point(not why, visit["site"], came, why))
    return points


def switched(tries: Iterable[Mapping[str, Any]]) -> list[Point]:
    """Whether each connection got through, or not, as it should."""
    points = []
    for one in tries:
        came = "gets through" if one["through"] else "does not get through"
        wanted = "should get through" if one["want"] else "should not get through"
        why = f"it {wanted}. {one.get('why', '')}".strip()
        points.append(Point(one["through"] == one["want"], one["try"], came, why))
    return points


def believed(
    said: Mapping[str, str], truth: Mapping[str, str], why: Mapping[str, str]
) -> list[Point]:
    """Whether what was answered is true; `why` says what to look at for each truth."""
    return [
        Point(said.get(what) == true, what, f"you say: {said.get(what)}", why[true])
        for what, true in truth.items()
    ]


def _noted(values: set[str]) -> str:
    return f"noted: {', '.join(sorted(values))}" if values else "nothing noted"


def _wanted(visit: Mapping[str, Any]) -> str:
    if visit["want"] == "blocked":
        return "it should be blocked, and passes."
    return "it should pass, and is blocked."


def _by(line: Line) -> str:
    found = ", ".join(f"{key} = {value}" for key, value in line["finding"].items())
    return f'by {line["source"]} "{line["rule"]}"{": " if found else ""}{found}'


def _of(visit: Mapping[str, Any], lines: Sequence[Line]) -> list[Line]:
    flows = {_flow(endpoint) for endpoint in visit["flows"]}
    return [one for one in lines if _key(one["flow"]) in flows]


def _flow(endpoint: Sequence[Any]) -> tuple[Any, ...]:
    transport, client, client_port, server, server_port = endpoint
    return transport, client, int(client_port), server, int(server_port)


def _key(flow: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        flow["protocol"],
        *(flow["client"], int(flow["client_port"])),
        *(flow["server"], int(flow["server_port"])),
    )
